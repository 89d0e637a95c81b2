/** Servers that refuse or have renamed what transactions are made of: nobody else may be left in one. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from '../integration/support.ts'
import { Neighbours } from './neighbours.ts'

const COMMANDS = ['MULTI', 'EXEC', 'DISCARD', 'WATCH', 'UNWATCH']
const LOGIN = ['respool', 'secret']

/** How a server comes to be without a command. */
const WAYS: Record<string, (command: string) => Promise<RedisServer>> = {
  renamed: (command) => startRedis({ args: ['--rename-command', command, `OTHER${command}`] }),
  'forbidden by ACL': (command) => {
    const user = ['--user', LOGIN[0], 'on', `>${LOGIN[1]}`, '~*', '&*', '+@all', `-${command.toLowerCase()}`]
    return startRedis({ args: user })
  },
}

/** What sessions try, each on a connection of its own. */
const ATTEMPTS: Argument[][][] = [
  [['MULTI'], ['SET', 'k', 1], ['EXEC'], ['GET', 'k']],
  [['MULTI'], ['SET', 'k', 2], ['DISCARD'], ['GET', 'k']],
  [['WATCH', 'k'], ['GET', 'k'], ['UNWATCH'], ['GET', 'k']],
  [['WATCH', 'k'], ['MULTI'], ['SET', 'k', 3], ['EXEC'], ['GET', 'k']],
  [['WATCH', 'k'], ['MULTI'], ['SET', 'k', 4], ['DISCARD'], ['UNWATCH'], ['GET', 'k']],
]

/** Redis's words for a command that it does not have, or not for this user. */
const MISSING = /^-(ERR unknown command|NOPERM|EXECABORT .*NOPERM)/

/** Keeps Redis busy for some 50 ms. In a script the clock stands still. */
const SLOW = ['EVAL', 'local x = 0 for i = 1, 5e6 do x = x + i end', 0]

describe('servers without a part of transactions', { timeout: 120_000 }, () => {
  for (const command of COMMANDS) {
    for (const [way, start] of Object.entries(WAYS)) {
      const suite = new Cleanup()
      after(() => suite.run())

      it(`${command} ${way}: sessions are answered as directly, and neighbours with what they asked for`, async () => {
        const redis = suite.add(await start(command))
        const login = way === 'forbidden by ACL' ? LOGIN : ['default', 'any']
        const upstream = `redis://${login === LOGIN ? `${login.join(':')}@` : ''}127.0.0.1:${redis.port}`
        // One shared connection, so that everybody would meet what anybody leaves behind.
        const respool = suite.add(await startRespool({ upstream, config: { pool: { max: 1, min: 1 } } }))
        const server = suite.client(await RawClient.connect(redis.port))
        const pacer = suite.client(await RawClient.connect(respool.port))
        const neighbours = await Neighbours.start(respool.port, server, 4)
        const progress = async () => {
          const before = neighbours.right + neighbours.wrong.length
          await until(() => neighbours.right + neighbours.wrong.length > before + 20, 'neighbours are answered')
        }

        for (const commands of ATTEMPTS) {
          for (const send of [oneByOne, pipeline]) {
            const [direct, proxied] = await Promise.all(
              [redis.port, respool.port].map((port) => RawClient.connect(port)),
            )
            await ask(direct, 'AUTH', ...login)
            await ask(server, 'DEL', 'k')
            const expected = await send(direct, commands)
            await ask(server, 'DEL', 'k')
            const got = await send(proxied, commands)
            // Behind the command that is missing a session may be told that its connection is lost.
            const same = expected.findIndex((reply) => MISSING.test(reply)) + 1 || commands.length
            assert.deepEqual(got.slice(0, same), expected.slice(0, same), `${send.name}: ${commands.join('; ')}`)
            for (const client of [direct, proxied]) client.close()
          }
          await progress()
          const dying = await RawClient.connect(respool.port)
          await ask(dying, 'PING')
          // On a key of its own: it may still be carried out.
          const last = commands.map((args) => args.map((arg) => (arg === 'k' ? 'dying' : arg)))
          dying.send(Buffer.concat([SLOW, ...last].map(encode)))
          // Whoever has answered this has read it, and Redis is still at it.
          await ask(pacer, 'PING')
          dying.socket.resetAndDestroy()
        }
        await until(async () => (await respool.metric('respool_downstream_connections')) === 5, 'the others have left')
        await progress()
        await neighbours.stop()
        assert.deepEqual(neighbours.wrong, [])
      })
    }
  }
})

async function oneByOne(client: RawClient, commands: Argument[][]): Promise<string[]> {
  const replies: string[] = []
  for (const command of commands) replies.push(await ask(client, ...command))
  return replies
}
