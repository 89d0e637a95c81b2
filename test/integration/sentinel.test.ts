/** Behind sentinels: the primary is found, followed when another server becomes it, and no application is dropped for it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../helpers/ports.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { type Sentinels, startSentinels } from '../helpers/sentinels.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'

describe('a primary that sentinels know', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let sentinels: Sentinels
  let respool: Respool

  before(async () => {
    sentinels = suite.add(await startSentinels({ replicas: 2 }))
    // The first sentinel is none, the second knows the others.
    const upstream = `redis+sentinel://127.0.0.1:${await freePort()},127.0.0.1:${sentinels.ports[0]}/main`
    respool = suite.add(
      await startRespool({ upstream, config: { upstream: { holdTime: '10s', commandTimeout: '10s' } } }),
    )
  })
  after(() => suite.run())

  const topology = async () =>
    (await (await fetch(`${respool.admin}/topology`)).json()) as {
      kind: string
      sentinels: string[]
      endpoints: { endpoint: string; role: string; up: boolean }[]
    }
  const isAt = async (port: number) => (await topology()).endpoints[0].endpoint === `127.0.0.1:${port}`

  it('is where commands go', async () => {
    const client = await RawClient.connect(respool.port)
    assert.equal(await ask(client, 'SET', 'k', 'v'), OK)
    assert.match(await ask(client, 'INFO', 'replication'), /role:master/)
    client.close()
    const { kind, sentinels: known, endpoints } = await topology()
    assert.equal(kind, 'sentinel')
    assert.deepEqual(
      endpoints.map(({ endpoint, up }) => [endpoint, up]),
      [[`127.0.0.1:${(await sentinels.primary()).port}`, true]],
    )
    for (const port of sentinels.ports) assert.ok(known.includes(`127.0.0.1:${port}`), 'sentinels name each other')
  })

  it('may become another one under load: no application is dropped, and all go on there', async () => {
    const before = await sentinels.primary()
    const clients = await connectAll(respool.port, 30)
    const counts = { written: 0, failed: 0 }
    let going = true
    const loads = clients.map(async (client, nth) => {
      for (let i = 0; going; i++) {
        const reply = await ask(client, 'SET', `key${nth}`, i)
        if (reply === OK) counts.written++
        else {
          assert.match(reply, /^-(READONLY|TRYAGAIN|OUTCOMEUNKNOWN|UNBLOCKED|LOADING|MASTERDOWN) /)
          counts.failed++
        }
      }
    })
    const subscriber = await RawClient.connect(respool.port)
    await ask(subscriber, 'SUBSCRIBE', 'news')
    await sentinels.failover()
    const next = await sentinels.primary()
    assert.notEqual(next.port, before.port)
    await until(() => isAt(next.port), 'it is followed')
    const written = counts.written
    await until(() => counts.written > written + 1000, 'all go on')
    going = false
    await Promise.all(loads)
    console.log(`# ${counts.written} written, ${counts.failed} failed while the primary changed`)
    const other = await RawClient.connect(respool.port)
    await until(async () => (await ask(other, 'PUBLISH', 'news', 'x')) === ':1\r\n', 'the subscription has moved too')
    assert.match(String(await subscriber.frame()), /news\r\n\$1\r\nx\r\n$/)
    const observer = await Observer.connect(before.port)
    await until(
      async () => (await observer.clients()).every(({ name }) => !name.startsWith('respool')),
      'the old one is left',
    )
    observer.client.close()
    for (const client of [...clients, subscriber, other]) client.close()
  })

  it('that dies is missed until another one is promoted: what can wait waits', async () => {
    const before = await sentinels.primary()
    const client = await RawClient.connect(respool.port)
    await ask(client, 'SET', 'k', 'before')
    await before.kill()
    await until(async () => (await topology()).endpoints[0].up === false, 'it is missed')
    client.send(encode(['SET', 'k', 'after']))
    assert.equal(String(await client.frame(30_000)), OK)
    assert.notEqual((await sentinels.primary()).port, before.port)
    client.close()
  })

  it('ends a transaction on a connection that is lost with it', async () => {
    const client = await RawClient.connect(respool.port)
    await pipeline(client, [['WATCH', 'k'], ['MULTI'], ['SET', 'k', 'w']])
    await failOver(sentinels)
    assert.match(await ask(client, 'EXEC'), /^-(EXECABORT|READONLY|OUTCOMEUNKNOWN) /)
    client.close()
  })

  async function failOver(all: Sentinels): Promise<void> {
    const first = await all.primary()
    await all.failover()
    await until(async () => !(await isAt(first.port)), 'it is followed')
  }
})
