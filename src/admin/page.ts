import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { Broadcast } from './broadcast.js'
import { readPageFiles, type PageFile } from './page-files.js'
import { fail } from './replies.js'
import { takeSample } from './sample.js'
import type { AdminSource } from './source.js'

/** Pages that may be open at a time. */
const MOST_LISTENERS = 16

/** The page needs its own files and events, and nothing else in the world. Its scripts cannot write HTML. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"],
].join('; ')
const PAGE_HEADERS = {
  // Kept, but asked about each time: after an upgrade nobody sees an old page with new figures.
  'cache-control': 'no-cache',
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
}

/** The status page: `/`, the files that it is made of, and the events that it lives on. */
export function addPage(app: FastifyInstance, source: AdminSource, log: Logger): void {
  const files = readPageFiles()
  app.get('/', (request, reply) => sendFile(request, reply, files.get('index.html')))
  app.get<{ Params: { file: string } }>('/page/:file', (request, reply) =>
    sendFile(request, reply, files.get(request.params.file)),
  )

  const events = new Broadcast(
    async () => JSON.stringify(await takeSample(source)),
    MOST_LISTENERS,
    (err) => log.error({ event: 'admin_error', route: '/events', err }),
  )
  // A HEAD would listen for ever.
  app.get('/events', { exposeHeadRoute: false }, (_request, reply) => {
    const stream = events.join()
    if (stream === null) return fail(reply, 503, `More than ${MOST_LISTENERS} status pages are open.`)
    // The last header is for proxies that would collect events before they pass them on.
    return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
  })
  app.addHook('preClose', (done) => {
    events.close()
    done()
  })
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: PageFile | undefined): FastifyReply {
  if (file === undefined) return fail(reply, 404, 'The status page has no such file.')
  reply.headers(PAGE_HEADERS).header('etag', file.etag)
  if (request.headers['if-none-match']?.split(/\s*,\s*/).includes(file.etag)) return reply.code(304).send()
  return reply.type(file.type).send(file.body)
}
