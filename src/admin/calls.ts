import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { objection } from './authority.js'
import { fail } from './replies.js'
import type { AdminSource, LogLevel } from './source.js'

/** What a level may be, as the configuration file has it. */
const LEVELS: readonly string[] = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
] satisfies readonly LogLevel[]

/** The calls that change something. */
export function addCalls(app: FastifyInstance, source: AdminSource): void {
  const onRequest: onRequestHookHandler = (request, reply, next) => {
    const refusal = objection(request.headers, app.server.address(), source.token())
    if (refusal === null) return next()
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="respool"')
    fail(reply, refusal.status, refusal.message)
  }
  app.post('/reload', { onRequest }, async (_request, reply) => {
    const reload = await source.reload()
    if (reload.result !== 'refused') return reload
    return fail(reply, 422, 'The configuration was not changed.', reload)
  })
  app.post('/drain', { onRequest }, (_request, reply) => {
    source.drain()
    return reply.code(202).send({ draining: true })
  })
  app.post('/loglevel', { onRequest }, (request, reply) => {
    const given = levelIn(request.body) ?? levelIn(request.query)
    if (given === undefined || !LEVELS.includes(given))
      return fail(reply, 400, `This takes a level: ${LEVELS.join(', ')}.`)
    source.setLogLevel(given as LogLevel)
    return { level: given }
  })
}

function levelIn(fields: unknown): string | undefined {
  const level: unknown = (fields as { level?: unknown } | null | undefined)?.level
  return typeof level === 'string' ? level : undefined
}
