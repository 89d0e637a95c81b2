import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isLoopback } from './host.js'

/** Why a call that changes something is not taken. */
export interface Objection {
  readonly status: 401 | 403
  readonly message: string
}

/**
 * Whether a call that changes something may do so; null if it may.
 *
 * A page in a browser can send a POST to any address that the browser reaches, loopback included, and without asking if it looks
 * like a form's. But it cannot help that the browser says where it comes from.
 *
 * @param address where it was called; null while nobody can from elsewhere
 * @param token what it must bear; null if nothing was configured
 */
export function objection(
  headers: IncomingHttpHeaders,
  address: AddressInfo | string | null,
  token: string | null,
): Objection | null {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (
    (origin !== undefined && !isOrigin(origin, host)) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none')
  )
    return { status: 403, message: 'Pages of other origins may not call this.' }
  if (token === null) {
    if (address === null || typeof address === 'string' || isLoopback(address.address)) return null
    return {
      status: 403,
      message: 'This is for loopback addresses and unix sockets only, unless adminToken is configured.',
    }
  }
  const [scheme, given = ''] = (headers.authorization ?? '').split(' ', 2)
  if (scheme.toLowerCase() === 'bearer' && same(given, token)) return null
  return { status: 401, message: 'This takes the configured adminToken: Authorization: Bearer TOKEN.' }
}

function isOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}

/** Equal texts, compared in a time that tells nothing. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
