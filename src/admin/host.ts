import { isIP, type AddressInfo } from 'node:net'

/**
 * Whether a request that names `hostname` (without port) has no business on a listener at `address`. A page in a browser can have its
 * own name resolve to 127.0.0.1 and then read whatever listens there; its requests still bear that name. So a loopback listener takes
 * none but `localhost` and addresses. On other addresses any name may be right, and browsers do not reach unix sockets.
 */
export function isForeignHost(hostname: string, address: AddressInfo | string | null): boolean {
  if (address === null || typeof address === 'string' || !isLoopback(address.address)) return false
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare !== '' && bare !== 'localhost' && isIP(bare) === 0
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
