import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { failuresOf, namesOf, play, type Run } from '../helpers/programs.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { go, node, python, SCENARIOS } from './client-programs.ts'

// Stock client libraries, told only a host and a port, do everyday work: first with Redis itself (what fails there is a
// fault of the program), then through respool.

type Protocol = 'default' | '2' | '3'

interface Program {
  client: string
  protocols: Protocol[]
  /** Installs what is missing; gives the command that takes HOST PORT PROTOCOL and then `extra`. */
  prepare: () => Promise<string[]>
  extra?: string[]
}

const PROGRAMS: Program[] = [
  { client: 'redis-py 8.1.0', protocols: ['default', '2'], prepare: python('8.1.0') },
  { client: 'redis-py 5.2.1', protocols: ['default', '3'], prepare: python('5.2.1') },
  { client: 'ioredis 6', protocols: ['default', '2'], prepare: node('ioredis.ts'), extra: ['ioredis'] },
  { client: 'ioredis 5', protocols: ['default'], prepare: node('ioredis.ts'), extra: ['ioredis5'] },
  { client: 'node-redis 6', protocols: ['default', '2'], prepare: node('node_redis.ts') },
  { client: 'go-redis 9', protocols: ['default', '2'], prepare: go },
]

describe('unmodified clients', { concurrency: 2 }, () => {
  let redis: RedisServer
  let respool: Respool

  before(async () => {
    redis = await startRedis()
    respool = await startRespool({ upstream: redis.url })
  })

  after(async () => {
    const commands = await respool.metric('redis_cmd_duration_seconds_count')
    const exitCode = await respool.stop()
    await redis.stop()
    // A program that found another way to Redis would have proved nothing.
    assert.ok(commands > PROGRAMS.length * 1000, `only ${commands} commands went through respool`)
    assert.equal(exitCode, 0, respool.output())
  })

  for (const program of PROGRAMS) {
    for (const protocol of program.protocols) {
      describe(`${program.client}, ${protocol === 'default' ? 'default protocol' : `RESP${protocol}`}`, () => {
        let proxied: Run

        before(async () => {
          const command = await program.prepare()
          const direct = await play(command, redis.port, protocol, ...(program.extra ?? []))
          assert.deepEqual(failuresOf(direct), [], 'fails with Redis itself: the program is wrong')
          assert.deepEqual(namesOf(direct), SCENARIOS, `plays other scenarios than expected\n${direct.stderr}`)
          proxied = await play(command, respool.port, protocol, ...(program.extra ?? []))
        })

        for (const name of SCENARIOS) {
          it(name, () => {
            const result = proxied.results.find((candidate) => candidate.name === name)
            assert.ok(result, `not reached; exit code ${proxied.exitCode}\n${proxied.stderr}`)
            assert.ok(result.ok, result.detail)
          })
        }

        it('ends by itself with exit code 0', () => assert.equal(proxied.exitCode, 0, proxied.stderr))
      })
    }
  }
})
