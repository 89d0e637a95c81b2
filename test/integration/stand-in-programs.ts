import { go, node, python } from './client-programs.ts'

// The cluster and sentinel clients of the libraries, and what they cannot do.

/** What a client is told that respool is. */
export type StandIn = 'cluster' | 'sentinel'
export type Reasons = Readonly<Record<string, string>>

export interface StandInProgram {
  client: string
  prepare: () => Promise<string[]>
  extra?: string[]
  /** Scenarios that fail with real servers too, and why. */
  cannot: Record<StandIn, Reasons>
  /** Scenarios that need not fail with real servers but do through respool, and why. */
  differs?: Partial<Record<StandIn, Reasons>>
}

const KEYLESS = 'sends a command to the node of its key, and this one has none'
const NO_DATABASES = 'a cluster has one database'

const REDIS_PY_CLUSTER: Reasons = {
  'connect and ping': KEYLESS,
  'scan loops': 'SCAN gives a cursor for each node',
  'error inside a pipeline': 'takes no command that COMMAND does not list',
  transaction: 'no transactions (5), or with replies as they came (8)',
  'transaction refused': KEYLESS,
  'watch conflict': 'watches in pipelines that are declared to be transactions, or not at all',
  'watch success': 'watches in pipelines that are declared to be transactions, or not at all',
  databases: NO_DATABASES,
  'wrong type error': KEYLESS,
  'quit and close': KEYLESS,
}
const IOREDIS_CLUSTER: Reasons = {
  'scan loops': 'has no scanStream over all nodes',
  'transaction refused': KEYLESS,
  databases: NO_DATABASES,
  'wrong type error': KEYLESS,
  'quit and close': 'says so in other words once it is closed',
}
/** Of clients that are a pool of connections. */
const NODE_REDIS_POOL: Reasons = {
  'scan loops': 'has no iterators, or not all of them',
  'error inside a pipeline': 'sendCommand wants to know which node is meant',
  'transaction refused': 'addCommand wants to know which node is meant',
  'watch conflict': 'watches on a connection that is acquired first, or not at all',
  'watch success': 'watches on a connection that is acquired first, or not at all',
  databases: 'no SELECT on a pool',
  'wrong type error': 'sendCommand wants to know which node is meant',
  'quit and close': 'cannot be used after QUIT, or says so in other words',
}
const GO_REDIS_CLUSTER: Reasons = {
  'transaction refused': KEYLESS,
  databases: NO_DATABASES,
  'client names': 'gives no single connection',
}

export const STAND_IN_PROGRAMS: StandInProgram[] = [
  {
    client: 'redis-py 8.1.0',
    prepare: python('8.1.0'),
    cannot: { cluster: REDIS_PY_CLUSTER, sentinel: {} },
  },
  {
    client: 'redis-py 5.2.1',
    prepare: python('5.2.1'),
    cannot: { cluster: REDIS_PY_CLUSTER, sentinel: {} },
  },
  {
    client: 'ioredis 6',
    prepare: node('ioredis.ts'),
    extra: ['ioredis'],
    cannot: { cluster: IOREDIS_CLUSTER, sentinel: {} },
  },
  {
    client: 'ioredis 5',
    prepare: node('ioredis.ts'),
    extra: ['ioredis5'],
    cannot: { cluster: IOREDIS_CLUSTER, sentinel: {} },
  },
  {
    client: 'node-redis 6',
    prepare: node('node_redis.ts'),
    extra: [''],
    cannot: { cluster: NODE_REDIS_POOL, sentinel: NODE_REDIS_POOL },
  },
  {
    client: 'go-redis 9',
    prepare: go,
    cannot: { cluster: GO_REDIS_CLUSTER, sentinel: {} },
    differs: {
      sentinel: { 'client list and id': 'names its connections to the sentinel too, and here all end at one server' },
    },
  },
]
