/** The script objects of stock clients: after Redis lost their script they call it again and need not send it again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup } from './support.ts'

const file = (path: string) => fileURLToPath(new URL(`../clients/${path}`, import.meta.url))
const node = () => Promise.resolve([process.execPath, '--import', 'tsx', file('script_calls.ts')])

interface Program {
  client: string
  /** The command that takes HOST PORT and then `extra`. */
  prepare: () => Promise<string[]>
  extra?: string[]
}

const PROGRAMS: Program[] = [
  { client: 'redis-py 8', prepare: async () => [await pythonWith('redis', '8.1.0'), file('script_calls.py')] },
  { client: 'ioredis 6', prepare: node, extra: ['default', 'ioredis'] },
  { client: 'node-redis 6', prepare: node, extra: ['default', 'node-redis'] },
  { client: 'go-redis 9', prepare: async () => [await goProgram(file('go'))], extra: ['scripts'] },
]

describe('script objects', { timeout: 300_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  let respool: Respool

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
  })
  beforeEach(async () => {
    await direct(redis, 'FLUSHALL')
    await direct(redis, 'SCRIPT', 'FLUSH')
  })
  afterEach(() => test.run())
  after(() => suite.run())

  for (const { client, prepare, extra } of PROGRAMS) {
    describe(client, () => {
      let command: string[]
      before(async () => void (command = await prepare()))

      const start = (port: number) => {
        const program = new Caller(command, port, extra)
        test.also(() => program.stop())
        return program
      }

      it('directly send their script again after SCRIPT FLUSH: else this would show nothing', async () => {
        const program = start(redis.port)
        await program.call('n')
        const before = await bodiesSent(redis)
        await direct(redis, 'SCRIPT', 'FLUSH')
        assert.equal(await program.call('n'), 2)
        assert.equal(await bodiesSent(redis), before + 1)
      })

      it('do not through respool, whoever flushed', async () => {
        const program = start(respool.port)
        assert.equal(await program.call('n'), 1)
        for (const port of [respool.port, redis.port]) {
          const before = [await bodiesSent(redis), await respool.metric('respool_script_loads_total')] as const
          await direct({ port }, 'SCRIPT', 'FLUSH')
          assert.equal(await program.call('n'), port === respool.port ? 2 : 4)
          assert.equal(await program.call('n'), port === respool.port ? 3 : 5)
          const after = [await bodiesSent(redis), await respool.metric('respool_script_loads_total')] as const
          assert.deepEqual([after[0] - before[0], after[1] - before[1]], [1, 1], 'sent once, and that by respool')
        }
      })

      it('do not after a restart of Redis', async () => {
        const program = start(respool.port)
        assert.equal(await program.call('n'), 1)
        const before = await respool.metric('respool_script_loads_total')
        await redis.restart()
        await until(async () => (await direct(respool, 'EXISTS', 'n')) === ':0\r\n', 'respool reaches Redis')
        assert.equal(await program.call('n'), 1)
        assert.equal(await bodiesSent(redis), 1)
        assert.equal(await respool.metric('respool_script_loads_total'), before + 1)
      })
    })
  }
})

/** A program that calls a script for each line that it is given. */
class Caller {
  readonly #child
  readonly #lines

  constructor([executable = '', ...args]: string[], port: number, extra: string[] = []) {
    this.#child = spawn(executable, [...args, '127.0.0.1', `${port}`, ...extra], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }

  /** Calls the script with a key; gives what it answers. */
  async call(key: string): Promise<number> {
    this.#child.stdin.write(`${key}\n`)
    const line = await this.#lines.next()
    assert.ok(line.done !== true, 'the program ended')
    const result = JSON.parse(line.value) as { value?: number; error?: string }
    assert.equal(result.error, undefined)
    return result.value!
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** One command over a connection of its own. */
async function direct({ port }: { port: number }, ...args: string[]): Promise<string> {
  const client = await RawClient.connect(port)
  const reply = await ask(client, ...args)
  client.close()
  return reply
}

/** How often Redis was sent a script's body. */
async function bodiesSent(redis: RedisServer): Promise<number> {
  const text = bulkText(await direct(redis, 'INFO', 'commandstats'))
  const counts = [...text.matchAll(/^cmdstat_(?:eval|script\|load):calls=(\d+)/gm)]
  return counts.reduce((sum, [, calls]) => sum + Number(calls), 0)
}
