/**
 * Applications in four client libraries transfer money under WATCH, and every tenth is killed in the midst of it. No money
 * is lost or made, and nothing of the dead is left on any connection. TRANSFERS_SEED=n repeats the choice of deaths.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Report } from '../clients/transfers.ts'
import { Random } from '../conformance/garble.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, Observer, pipeline } from '../integration/support.ts'
import { settledAndFresh } from './freshness.ts'
import { Severing } from './severing.ts'

const APPLICATIONS = 50
const SHARE_KILLED = 0.1
const KILLS_PER_CLIENT = 250
const ACCOUNTS = Array.from({ length: 500 }, (_, nth) => `account:${nth}`)
const BALANCE = 1000
const LEASES = 40

const file = (path: string) => fileURLToPath(new URL(`../clients/${path}`, import.meta.url))

interface Program {
  client: string
  /** The command line, and what stands between HOST PORT and APPLICATIONS. */
  prepare: () => Promise<string[]>
  between?: string[]
}

const PROGRAMS: Program[] = [
  { client: 'redis-py 8', prepare: async () => [await pythonWith('redis', '8.1.0'), file('transfers.py')] },
  { client: 'ioredis 6', prepare: () => Promise.resolve(inNode('transfers_ioredis.ts')) },
  { client: 'node-redis 6', prepare: () => Promise.resolve(inNode('transfers_node_redis.ts')) },
  { client: 'go-redis 9', prepare: async () => [await goProgram(file('go'))], between: ['transfers'] },
]

const inNode = (path: string) => [process.execPath, '--import', 'tsx', file(path)]

describe('transfers whose applications are killed', { timeout: 300_000 }, () => {
  const seed = Number(process.env['TRANSFERS_SEED'] ?? randomInt(2 ** 31))
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient
  let kills = 0

  before(async () => {
    redis = suite.add(await startRedis())
    const config = { pool: { leases: { max: LEASES } } }
    respool = suite.add(await startRespool({ upstream: redis.url, config }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
    await ask(direct, 'CLIENT', 'SETNAME', 'observer')
  })
  after(() => suite.run())

  for (const { client, prepare, between = [] } of PROGRAMS) {
    describe(client, () => {
      let command: string[]
      before(async () => void (command = await prepare()))

      const start = (port: number) => {
        const [executable, ...args] = command
        const child = spawn(executable, [...args, '127.0.0.1', `${port}`, ...between, `${APPLICATIONS}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        suite.also(() => child.kill('SIGKILL'))
        return child
      }

      it('cut off at every point of a transaction', async (context) => {
        await openBank(direct)
        const before = await countsOf(respool)
        const severing = suite.add(await Severing.start(respool.port, SHARE_KILLED, new Random(seed)))
        const audit = new Audit(redis.port)
        const child = start(severing.port)
        const printed = outputOf(child)
        await until(() => child.exitCode !== null || severing.count >= KILLS_PER_CLIENT, 'enough are dead', 120_000)
        await ask(direct, 'SET', 'closed', 'yes')
        const report = JSON.parse(await printed) as Report
        const snapshots = await audit.stop()
        severing.stop()

        const after = await countsOf(respool)
        const [leases, opened] = [after.leases - before.leases, after.opened - before.opened]
        context.diagnostic(
          `TRANSFERS_SEED=${seed}: ${severing.count} killed, ${report.confirmed.length} transfers, ${report.conflicts} ` +
            `conflicts, ${snapshots} audits, ${leases} leases on ${opened} connections`,
        )
        kills += severing.count
        assert.deepEqual(report.errors, [])
        assert.ok(severing.count >= KILLS_PER_CLIENT, `${severing.count} killed`)
        assert.equal([...severing.cuts.keys()].length, 13, 'points at which connections were cut')
        await checkBooks(direct, report)
        await settledAndFresh(respool, observer)
        await checkNobodyWatches(direct, observer)
        assert.equal(await respool.metric('respool_downstream_connections'), 0)
        assert.ok(opened <= severing.count + LEASES + 8, `${opened} connections opened for ${severing.count} dead`)
        assert.ok(leases > report.confirmed.length, 'transfers were made without leases')
      })

      it('the whole process killed', async () => {
        await openBank(direct)
        const child = start(respool.port)
        await until(async () => (await transfersIn(direct)) > 200, 'transfers go on', 60_000)
        child.kill('SIGKILL')
        await settledAndFresh(respool, observer)
        await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'all have left')
        await checkNobodyWatches(direct, observer)
        await checkBooks(direct, { confirmed: [], conflicts: 0, lost: 0, errors: [] })
        kills += APPLICATIONS
      })
    })
  }

  it('1,000 in all', () => assert.ok(kills >= 1000, `${kills} applications were killed`))
})

async function openBank(direct: RawClient): Promise<void> {
  await ask(direct, 'FLUSHALL')
  await ask(direct, 'MSET', ...ACCOUNTS.flatMap((account) => [account, BALANCE]))
}

const transfersIn = async (direct: RawClient) => Number((await ask(direct, 'LLEN', 'journal')).slice(1))

/** Takes the sum of all accounts again and again, in one command each time. */
class Audit {
  #on = true
  readonly #done: Promise<number>

  constructor(port: number) {
    this.#done = this.#take(port)
  }

  stop(): Promise<number> {
    this.#on = false
    return this.#done
  }

  async #take(port: number): Promise<number> {
    const client = await RawClient.connect(port)
    await ask(client, 'CLIENT', 'SETNAME', 'observer')
    let count = 0
    try {
      for (; this.#on; count++) {
        const sum = (await balancesIn(client)).reduce((total, balance) => total + balance, 0)
        assert.equal(sum, ACCOUNTS.length * BALANCE, 'money was lost or made')
      }
    } finally {
      client.close()
    }
    return count
  }
}

const balancesIn = async (client: RawClient) => stringsIn(await ask(client, 'MGET', ...ACCOUNTS)).map(Number)

/** What is inside the bulk strings of an array. */
function stringsIn(reply: string): string[] {
  return reply.split('\r\n').filter((line, nth) => nth > 0 && nth % 2 === 0 && line !== '')
}

/** The journal has all transfers that were confirmed, each once, and leads to exactly the balances there are. */
async function checkBooks(direct: RawClient, report: Report): Promise<void> {
  const journal = stringsIn(await ask(direct, 'LRANGE', 'journal', 0, -1)).map((line) => line.split(' '))
  const names = new Set(journal.map(([name]) => name))
  assert.equal(names.size, journal.length, 'a transfer was carried out twice')
  assert.deepEqual(
    report.confirmed.filter((name) => !names.has(name)),
    [],
    'a confirmed transfer was not carried out',
  )
  const balances = new Map(ACCOUNTS.map((account) => [account, BALANCE]))
  for (const [, from, to, amount] of journal) {
    balances.set(from, balances.get(from)! - Number(amount))
    balances.set(to, balances.get(to)! + Number(amount))
  }
  assert.deepEqual(await balancesIn(direct), [...balances.values()], 'an update was lost')
}

/** Redis 7.0 does not list watched keys; but it marks whoever watches a key that changes. */
async function checkNobodyWatches(direct: RawClient, observer: Observer): Promise<void> {
  // Nothing is added, but to Redis the key has changed.
  await pipeline(
    direct,
    ACCOUNTS.map((account) => ['APPEND', account, '']),
  )
  const marked = (await observer.clients()).filter(({ flags }) => flags.includes('d'))
  assert.deepEqual(marked, [])
}

async function countsOf(respool: Respool): Promise<{ leases: number; opened: number }> {
  return {
    leases: await respool.metric('respool_pins_total'),
    opened: await respool.metric('respool_upstream_opened_total'),
  }
}

function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`exit code ${code}: ${text}`))))
  })
}
