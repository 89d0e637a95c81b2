/** What the exporter asks the running proxy for, once a scrape. All counts are since start unless they are a present state. */
export interface Snapshot {
  /** Each endpoint once. */
  endpoints: EndpointStats[]
  downstreamConnections: number
  /** Logins that have connections of their own. */
  identities: number
  /** Bytes held in queues of any connection. */
  bufferedBytes: number
  /** Replies that are kept, and of each server whether it tells what changes; null if none are to be kept. */
  cache: { entries: number; bytes: number; servers: { endpoint: string; ready: boolean }[] } | null
}

export type ServerRole = 'primary' | 'replica'

/** One Redis process as its pools see it. */
export interface EndpointStats {
  /** host:port, as the topology names it. */
  endpoint: string
  role: ServerRole
  up: boolean
  breaker: 'closed' | 'open' | 'half-open'
  connections: { idle: number; shared: number; pinned: number; connecting: number }
  hits: number
  misses: number
  timeouts: number
  stale: number
  /** Requests waiting for a connection now. */
  waiters: number
  opened: number
  /** What applications are subscribed to, by kind. */
  subscriptions: Record<string, number>
  /** By reason of the closing; reasons come from a fixed set. */
  closed: Record<string, number>
}
