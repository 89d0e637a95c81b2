import { createClient, WatchError } from 'redis'
import { counting } from './counting.ts'

await counting(async (host, port) => {
  const client = createClient({ socket: { host, port, reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  return {
    incr: (key) => client.incr(key),
    async pipeline(counters, texts, values) {
      // What is asked for in one turn goes out in one write.
      const all = counters.flatMap((counter, i) => [
        client.incr(counter),
        client.set(texts[i], values[i]),
        client.get(texts[i]),
      ])
      const settled = await Promise.allSettled(all as Promise<unknown>[])
      return settled.map((one): unknown => (one.status === 'fulfilled' ? one.value : one.reason))
    },
    mset: (texts, values) => client.mSet(texts.map((text, i): [string, string] => [text, values[i]])),
    mget: (texts) => client.mGet(texts),
    async transact(key) {
      await client.watch(key)
      await client.get(key)
      try {
        const [count] = await client.multi().incr(key).exec()
        return count
      } catch (error) {
        if (error instanceof WatchError) return null
        throw error
      }
    },
    multi: (key) => client.multi().incr(key).get(key).exec(),
    isLost: () => !client.isOpen,
    close: () => client.isOpen && client.destroy(),
  }
})
