/** CLIENT's other subcommands: those that speak of sessions, and those that keep a connection while they are on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer } from './support.ts'

const OK = '+OK\r\n'

describe('CLIENT', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
  })
  after(() => suite.run())

  const idOf = async (client: RawClient) => (await ask(client, 'CLIENT', 'ID')).slice(1).trim()
  const pinned = () => respool.metric('respool_pool_connections', { state: 'pinned' })

  for (const filter of ['ID', 'ADDR', 'LADDR', 'TYPE', 'USER']) {
    it(`KILL ${filter} ends the sessions that are meant, and no others`, async () => {
      const [killer, victim, bystander] = await connectAll(respool.port, 3)
      const addresses = { ADDR: `127.0.0.1:${victim.socket.localPort}`, LADDR: `127.0.0.1:${respool.port}` }
      const values: Record<string, string> = { ...addresses, ID: await idOf(victim), TYPE: 'pubsub', USER: 'default' }
      if (filter === 'TYPE') await ask(victim, 'SUBSCRIBE', 'c')
      const all = filter === 'LADDR' || filter === 'USER'
      assert.equal(
        await ask(killer, 'CLIENT', 'KILL', filter, values[filter], 'SKIPME', 'yes'),
        all ? ':2\r\n' : ':1\r\n',
      )
      await victim.closed
      if (all) await bystander.closed
      else assert.equal(await ask(bystander, 'PING'), '+PONG\r\n')
      assert.equal(await ask(killer, 'SET', 'k', 'v'), OK)
      for (const client of [killer, bystander]) client.close()
    })
  }

  it('KILL MAXAGE ends the sessions that are older', async () => {
    const [old] = await connectAll(respool.port, 1)
    await sleep(1200)
    const [killer, young] = await connectAll(respool.port, 2)
    assert.equal(await ask(killer, 'CLIENT', 'KILL', 'MAXAGE', 1, 'SKIPME', 'no'), ':1\r\n')
    await old.closed
    assert.equal(await ask(young, 'PING'), '+PONG\r\n')
    for (const value of ['0', '-1']) {
      assert.equal(await ask(killer, 'CLIENT', 'KILL', 'MAXAGE', value), '-ERR maxage should be greater than 0\r\n')
    }
    for (const client of [killer, young]) client.close()
  })

  it('KILL USER asks Redis about users that no session has', async () => {
    await ask(direct, 'ACL', 'SETUSER', 'somebody', 'on')
    const [client] = await connectAll(respool.port, 1)
    for (const user of ['somebody', 'nobody']) {
      const command = ['CLIENT', 'KILL', 'USER', user]
      assert.equal(await ask(client, ...command), await ask(direct, ...command))
    }
    client.close()
  })

  it('KILL of itself answers first', async () => {
    const [client] = await connectAll(respool.port, 1)
    assert.equal(await ask(client, 'CLIENT', 'KILL', 'ID', await idOf(client), 'SKIPME', 'no'), ':1\r\n')
    await client.closed
  })

  it('UNBLOCK finds a session by its own id', async () => {
    const [blocked, other] = await connectAll(respool.port, 2)
    const id = await idOf(blocked)
    blocked.send(encode(['BLPOP', 'queue', 0]))
    await until(async () => (await observer.info('clients', 'blocked_clients')) === 1, 'it is blocked')
    assert.equal(await ask(other, 'CLIENT', 'UNBLOCK', id, 'ERROR'), ':1\r\n')
    assert.match(String(await blocked.frame()), /^-UNBLOCKED /)
    assert.equal(await ask(other, 'CLIENT', 'UNBLOCK', id), ':0\r\n')
    for (const client of [blocked, other]) client.close()
  })

  it('NO-TOUCH and IMPORT-SOURCE are answered as directly, and keep a connection while they are on only', async () => {
    const [client] = await connectAll(respool.port, 1)
    for (const name of ['NO-TOUCH', 'IMPORT-SOURCE']) {
      for (const word of ['ON', 'OFF', 'ON', 'MAYBE']) {
        const answer = await ask(client, 'CLIENT', name, word)
        assert.equal(answer, await ask(direct, 'CLIENT', name, word))
        const on = answer === OK && word === 'ON'
        if (word !== 'MAYBE')
          await until(async () => (await pinned()) === (on ? 1 : 0), `${name} ${word} has been obeyed`)
      }
      await ask(direct, 'CLIENT', name, 'OFF')
      assert.equal(await ask(client, 'RESET'), '+RESET\r\n')
      await until(async () => (await pinned()) === 0, 'it has given its connection back')
    }
    client.close()
    const rows = await observer.clients()
    assert.ok(rows.every(({ flags }) => flags === 'N'))
  })

  it('CAPA is answered as by Redis, and shared connections do not have it', async () => {
    const [client] = await connectAll(respool.port, 1)
    const answer = await ask(client, 'CLIENT', 'CAPA', 'redirect')
    assert.ok(!(await observer.clients()).some(({ capa }) => (capa ?? '') !== ''))
    assert.equal(answer, await ask(direct, 'CLIENT', 'CAPA', 'redirect'))
    assert.equal(await pinned(), 0)
    client.close()
  })
})
