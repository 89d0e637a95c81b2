/** Why a connection ended: a log field and a metric label. */
export type CloseReason =
  | 'dial' // no connection could be made
  | 'handshake' // Redis refused the login, the protocol or the database
  | 'remote' // Redis or the network ended it
  | 'fault' // bytes that are no reply, or a reply nobody asked for
  | 'timeout' // an answer did not come in time
  | 'idle' // not needed for long enough
  | 'lifetime' // old enough to be replaced
  | 'room' // another protocol or database needed its place
  | 'moved' // another server is the primary now
  | 'discarded' // a lease came back with something left on it
  | 'shutdown'

/** Closings of connections that were worn out rather than needed: go-redis counts them as stale. */
export const WORN_OUT: readonly CloseReason[] = ['idle', 'lifetime', 'timeout', 'remote']
/** Closings that say, before the end of the handshake, that there is no Redis: a balancer without a backend accepts and hangs up. */
export const UNREACHABLE: readonly CloseReason[] = ['dial', 'handshake', 'remote', 'fault']
/** Closings that were not respool's own doing: Redis may have been restarted, or another one may answer now. */
export const UNASKED: readonly CloseReason[] = ['remote', 'fault', 'timeout']
