import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'

/** What every answer bears: figures of a moment, never to be kept or taken for anything but their type. */
export const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export function fail(reply: FastifyReply, statusCode: number, message: string, more: object = {}): FastifyReply {
  return reply
    .code(statusCode)
    .headers(HEADERS)
    .type('application/json; charset=utf-8')
    .send({ statusCode, error: STATUS_CODES[statusCode], message, ...more })
}

/** Fastify's own complaints about a request go back as they are; anything else is our fault and only the log says what it was. */
export function failWith(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (isRequestFault(error)) return fail(reply, error.statusCode ?? 400, error.message)
  return fail(reply, 500, 'This failed inside respool; the log says why.')
}

export function isRequestFault({ code, statusCode = 500 }: FastifyError): boolean {
  return typeof code === 'string' && code.startsWith('FST_') && statusCode < 500
}
