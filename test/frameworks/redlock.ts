import { Redis } from 'ioredis'
import Redlock from 'redlock'
import { equal, host, ok, play, port, refused } from '../clients/program.ts'

// Locks by redlock over ioredis.

const clients = [new Redis(port, host), new Redis(port, host)] as const
const patient = clients.map((client) => new Redlock([client], { retryCount: 500, retryDelay: 10, retryJitter: 5 }))
const hasty = new Redlock([clients[1]], { retryCount: 0 })
const [one, other] = patient as [Redlock, Redlock]

await play({
  async 'lock and release'() {
    const lock = await one.lock('a', 5000)
    equal(await clients[1].get('a'), lock.value)
    await lock.unlock()
    equal(await clients[1].exists('a'), 0)
  },

  async 'refused while another holds it'() {
    const lock = await one.lock('b', 5000)
    await refused(hasty.lock('b', 5000), 'attempts to lock')
    await lock.unlock()
    await (await hasty.lock('b', 5000)).unlock()
  },

  async 'waits for the other'() {
    const lock = await one.lock('c', 5000)
    const waiting = other.lock('c', 5000)
    await lock.unlock()
    await (await waiting).unlock()
  },

  async extended() {
    const lock = await one.lock('d', 1000)
    const longer = await lock.extend(20_000)
    ok((await clients[1].pttl('d')) > 10_000, 'not extended')
    await longer.unlock()
  },

  async 'lost when its time is over'() {
    const lock = await one.lock('e', 30)
    const next = await other.lock('e', 5000)
    await refused(lock.unlock(), 'Unable to fully release')
    equal(await clients[0].get('e'), next.value)
    await next.unlock()
  },

  async 'several resources'() {
    const lock = await one.lock(['f', 'g'], 5000)
    await refused(hasty.lock(['g', 'h'], 5000), 'attempts to lock')
    equal(await clients[1].exists('h'), 0)
    await lock.unlock()
  },

  async 'only one at a time of many'() {
    let inside = 0
    let worst = 0
    const work = async (locks: Redlock) => {
      const lock = await locks.lock('h', 10_000)
      worst = Math.max(worst, ++inside)
      const count = Number(await clients[0].get('count'))
      await clients[1].set('count', count + 1)
      inside--
      await lock.unlock()
    }
    await Promise.all(Array.from({ length: 20 }, (_, i) => work(patient[i % 2])))
    equal(worst, 1)
    equal(await clients[0].get('count'), '20')
  },

  async close() {
    for (const client of clients) await client.quit()
  },
})
