import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { LOG_LEVELS } from '../config/config.js'
import { objection } from './authority.js'
import { fail } from './replies.js'
import type { AdminSource } from './source.js'

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
    const level = LOG_LEVELS.find((level) => level === given)
    if (level === undefined) return fail(reply, 400, `This takes a level: ${LOG_LEVELS.join(', ')}.`)
    source.setLogLevel(level)
    return { level }
  })
}

function levelIn(fields: unknown): string | undefined {
  const level: unknown = (fields as { level?: unknown } | null | undefined)?.level
  return typeof level === 'string' ? level : undefined
}
