import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { failuresOf, namesOf, play, type Run } from '../helpers/programs.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { goProgram, pythonWithAll } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { bulkText, Cleanup, ask, Observer, Peak } from './support.ts'

// Frameworks that applications are built upon, told only a host and a port: with Redis itself (what fails there is a fault
// of the program) and through respool at the same time, each with a Redis of its own. Then what it took and left is looked at.

interface Framework {
  name: string
  /** Installs what is missing; gives the command that takes HOST PORT. */
  prepare: () => Promise<string[]>
  /** How many connections it needs to itself at a time, at most. */
  leases: number
  scenarios: string[]
}

const file = (path: string) => fileURLToPath(new URL(`../frameworks/${path}`, import.meta.url))
const node = (path: string) => () => Promise.resolve([process.execPath, '--import', 'tsx', file(path)])
const python = (path: string) => async () => [
  await pythonWithAll(file('python/requirements.txt')),
  file(`python/${path}`),
]
const go = async () => [await goProgram(file('go'))]

const FRAMEWORKS: Framework[] = [
  {
    name: 'BullMQ',
    prepare: node('bullmq.ts'),
    // Two workers wait in BZPOPMIN, the events of two queues in XREAD.
    leases: 4,
    scenarios: [
      'jobs and their results',
      'a job that is added while all workers wait',
      'a delayed job',
      'retries with a delay between them',
      'a failure',
      'progress',
      'a flow: a parent after its children',
      'a job scheduler',
      'pause and resume',
      'close',
    ],
  },
  {
    name: "Socket.IO's Redis adapters",
    prepare: node('socket_io.ts'),
    // Each server has a subscriber.
    leases: 4,
    scenarios: ['adapter', 'sharded adapter']
      .flatMap((name) => [
        `${name}: servers find each other`,
        `${name}: broadcasts`,
        `${name}: rooms`,
        `${name}: requests`,
        `${name}: disconnecting a socket elsewhere`,
      ])
      .concat('close'),
  },
  {
    name: 'connect-redis',
    prepare: node('sessions.ts'),
    leases: 0,
    scenarios: [
      'a session lasts over requests',
      'many sessions at a time',
      'it expires',
      'destroyed and made anew',
      'counted and cleared',
      'close',
    ],
  },
  {
    name: "node-redis's client-side caching",
    prepare: node('node_redis_caching.ts'),
    // Tracking.
    leases: 1,
    scenarios: [
      'hits are answered locally',
      'a write by another client invalidates',
      'a write of its own invalidates',
      'hashes, many keys, expiry',
      'FLUSHDB invalidates all',
      'many keys written while they are read',
      'close',
    ],
  },
  {
    name: 'redlock',
    prepare: node('redlock.ts'),
    leases: 0,
    scenarios: [
      'lock and release',
      'refused while another holds it',
      'waits for the other',
      'extended',
      'lost when its time is over',
      'several resources',
      'only one at a time of many',
      'close',
    ],
  },
  {
    name: 'Celery',
    prepare: python('with_celery.py'),
    // The worker and its clients wait in BRPOP and subscribe, each on several connections.
    leases: 6,
    scenarios: [
      'the worker answers a broadcast',
      'a task and its result',
      'many tasks',
      'a chain',
      'a chord',
      'a chain that ends in a chord',
      'retries',
      'a failure',
      'a task put off',
      'states while it runs',
      'a task revoked',
      'results forgotten',
      'the worker ends when told',
      'close',
    ],
  },
  {
    name: 'RQ',
    prepare: python('with_rq.py'),
    // A worker waits in BLMOVE and is subscribed to its commands; all processes use WATCH.
    leases: 6,
    scenarios: [
      'success and failure',
      'retries',
      'jobs that depend on others',
      'many jobs at once',
      'a worker that waits for work',
      'a worker that obeys commands',
      'close',
    ],
  },
  {
    name: 'FastStream',
    prepare: python('with_faststream.py'),
    // One waits in BLPOP, one in XREAD, two in XREADGROUP; three are subscribed, and whoever asks, for the answer.
    leases: 8,
    scenarios: [
      'start',
      'a channel',
      'a pattern',
      'a request and its answer',
      'a list',
      'a stream',
      'a consumer group of two',
      'close',
    ],
  },
  {
    name: "redis-py's client-side caching",
    prepare: python('redis_py_caching.py'),
    // Tracking.
    leases: 1,
    scenarios: [
      'hits are answered locally',
      'a write by another client invalidates',
      'a write of its own invalidates',
      'hashes, many keys, expiry',
      'FLUSHDB invalidates all',
      'many keys written while they are read',
      'close',
    ],
  },
  {
    name: "redis-py's locks",
    prepare: python('redis_py_locks.py'),
    leases: 0,
    scenarios: [
      'lock and release',
      'refused while another holds it',
      'extended',
      'lost when its time is over',
      'only one at a time of many',
      'close',
    ],
  },
  {
    name: 'asynq and redsync',
    prepare: go,
    // The server is subscribed to what is cancelled.
    leases: 1,
    scenarios: [
      'asynq: tasks and their results',
      'asynq: a task scheduled for later',
      'asynq: retries',
      'asynq: a failure',
      'asynq: a unique task',
      'asynq: cancelling a task at work',
      'asynq: periodic tasks',
      'asynq: pause and resume',
      'asynq: close',
      'redsync: lock and release',
      'redsync: refused while another holds it',
      'redsync: extended',
      'redsync: only one at a time of many',
      'redsync: close',
    ],
  },
]

/** How many connections all else may be spread over. */
const SHARED = 4

describe('unmodified frameworks', { concurrency: 2 }, () => {
  for (const framework of FRAMEWORKS) {
    describe(framework.name, () => suite(framework))
  }
})

function suite({ prepare, scenarios, leases }: Framework): void {
  const cleanup = new Cleanup()
  let direct: Trial
  let proxied: Trial
  let respool: Respool

  before(async () => {
    const command = await prepare()
    const [near, far] = [cleanup.add(await startRedis()), cleanup.add(await startRedis())]
    respool = cleanup.add(await startRespool({ upstream: far.url }))
    ;[direct, proxied] = await Promise.all([attempt(command, near.port, near), attempt(command, respool.port, far)])
    cleanup.add(direct.observer)
    cleanup.add(proxied.observer)
  })
  after(() => cleanup.run())

  it('is played in full by the program', () => {
    assert.deepEqual(failuresOf(direct), [], 'fails with Redis itself: the program is wrong')
    assert.deepEqual(namesOf(direct), scenarios, `plays other scenarios than expected\n${direct.stderr}`)
    assert.equal(direct.exitCode, 0, direct.stderr)
  })

  for (const name of scenarios) {
    it(name, () => {
      const result = proxied.results.find((candidate) => candidate.name === name)
      assert.ok(result, `not reached; exit code ${proxied.exitCode}\n${proxied.stderr}`)
      assert.ok(result.ok, result.detail)
    })
  }

  it('ends by itself with exit code 0', () => assert.equal(proxied.exitCode, 0, proxied.stderr))

  it(`takes at most ${leases} + ${SHARED} connections of Redis`, () => {
    assert.ok(proxied.connections <= leases + SHARED, `${proxied.connections}; directly ${direct.connections}`)
  })

  it('sees no error that it does not see from Redis itself', async () => {
    const [expected, found] = await Promise.all([direct, proxied].map(({ observer }) => errorsOf(observer)))
    assert.deepEqual(
      found.filter((code) => !expected.includes(code)),
      [],
    )
    assert.equal(await respool.metric('respool_errors_total'), 0, respool.output())
  })

  it('leaves nothing behind', async () => {
    const count = (name: string, labels = {}) => respool.metric(name, labels)
    await until(async () => (await count('respool_downstream_connections')) === 0, 'no application is connected')
    await until(async () => (await count('respool_pool_connections', { state: 'pinned' })) === 0, 'no lease is held')
    assert.equal(await count('respool_pool_waiters'), 0)
    await until(async () => (await proxied.observer.clients()).every(isFresh), 'all upstream connections are as new')
    assert.ok((await count('redis_cmd_duration_seconds_count')) > 100, 'it went another way to Redis')
  })
}

/** A program played once, and the most connections that its Redis had meanwhile. */
interface Trial extends Run {
  connections: number
  observer: Observer
}

async function attempt(command: string[], port: number, redis: RedisServer): Promise<Trial> {
  const observer = await Observer.connect(redis.port)
  const peak = new Peak(async () => (await observer.clients()).length)
  const run = await play(command, port)
  return { ...run, connections: await peak.stop(), observer }
}

/** The codes of the errors that a Redis has answered. */
async function errorsOf({ client }: Observer): Promise<string[]> {
  const text = bulkText(await ask(client, 'INFO', 'errorstats'))
  return [...text.matchAll(/^errorstat_(\w+):/gm)].map(([, code]) => code)
}

const FRESH = { flags: 'N', multi: '-1', sub: '0', psub: '0', ssub: '0', db: '0' }

function isFresh(client: Record<string, string>): boolean {
  // Older servers do not say all of it.
  return Object.entries(FRESH).every(([field, value]) => (client[field] ?? value) === value)
}
