import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { addCalls } from './calls.js'
import { isForeignHost } from './host.js'
import { addPage } from './page.js'
import { fail, failWith, HEADERS, isRequestFault } from './replies.js'
import type { AdminSource } from './source.js'

export type { AdminSource } from './source.js'

/** Every request here is small and quick; whoever is slower or bigger is no monitoring system. Times in ms, sizes in bytes. */
const LIMITS = {
  bodyLimit: 16 << 10,
  requestTimeout: 10_000,
  connectionTimeout: 30_000,
  keepAliveTimeout: 75_000,
  http: { maxHeaderSize: 8 << 10, headersTimeout: 10_000, connectionsCheckingInterval: 5_000 },
  routerOptions: { maxParamLength: 100 },
}
const MAX_CONNECTIONS = 128

/** Paths with their methods, for the answers to requests that fit no route. */
type Routes = Map<string, Set<string>>

/** The admin server, not listening yet: the caller listens with `{ host, port }` or `{ path }`, and closes it. */
export function createAdmin(source: AdminSource, log: Logger): FastifyInstance {
  const app = fastify({
    ...LIMITS,
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) => void failWith(error, request, reply),
  })
  app.server.maxConnections = MAX_CONNECTIONS

  const routes: Routes = new Map()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = routes.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    routes.set(url, methods)
  })
  app.addHook('onRequest', (request, reply, next) => {
    reply.headers(HEADERS)
    if (isForeignHost(request.hostname, app.server.address()))
      fail(reply, 403, 'A loopback listener is addressed as localhost or by its IP address.')
    // Before the body is looked at, so that the answer is the same whatever the body.
    else if (request.is404) failRoute(routes, request, reply)
    else next()
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (!isRequestFault(error)) log.error({ event: 'admin_error', route: request.routeOptions.url, err: error })
    return failWith(error, request, reply)
  })
  addRoutes(app, source)
  addCalls(app, source)
  addPage(app, source, log)
  return app
}

function addRoutes(app: FastifyInstance, source: AdminSource): void {
  app.get('/metrics', async (_request, reply) => {
    const text = await source.registry.metrics()
    return reply.type(source.registry.contentType).send(text)
  })
  app.get('/livez', () => ({ alive: true }))
  app.get('/readyz', (_request, reply) => {
    const state = source.ready()
    return reply.code(state.ready ? 200 : 503).send(state)
  })
  app.get('/startupz', (_request, reply) => {
    const started = source.started()
    return reply.code(started ? 200 : 503).send({ started })
  })
  app.get('/stats', () => source.stats())
  app.get('/topology', () => source.topology())
  app.get('/clients', () => source.clients())
  app.get('/config', () => source.config())
  app.get('/slowlog', () => source.slowlog())
  app.get('/hotkeys', () => source.hotkeys())
  app.get('/audit', () => source.audit())
}

function failRoute(routes: Routes, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const methods = routes.get(request.url.split('?', 1)[0])
  if (methods) {
    const allow = [...methods].join(', ')
    return fail(reply.header('allow', allow), 405, `This route takes ${allow}.`)
  }
  const known = [...routes].map(([url, all]) => ({ url, methods: [...all] }))
  return fail(reply, 404, 'No such route.', { routes: known })
}
