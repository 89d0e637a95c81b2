import { Redis } from 'ioredis'
import { counting } from './counting.ts'

await counting((host, port) => {
  const client = new Redis(port, host, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => undefined)
  return Promise.resolve({
    incr: (key) => client.incr(key),
    async pipeline(counters, texts, values) {
      const pipeline = client.pipeline()
      counters.forEach((counter, i) => pipeline.incr(counter).set(texts[i], values[i]).get(texts[i]))
      return (await pipeline.exec())!.map(([error, reply]) => error ?? reply)
    },
    mset: (texts, values) => client.mset(texts.flatMap((text, i) => [text, values[i]])),
    mget: (texts) => client.mget(texts),
    async transact(key) {
      await client.watch(key)
      await client.get(key)
      const results = await client.multi().incr(key).exec()
      if (results === null) return null
      const [[error, count]] = results
      if (error) throw error
      return count
    },
    async multi(key) {
      const results = await client.multi().incr(key).get(key).exec()
      return results!.map(([error, reply]) => {
        if (error) throw error
        return reply
      })
    },
    isLost: () => client.status === 'close' || client.status === 'end',
    close: () => client.disconnect(),
  })
})
