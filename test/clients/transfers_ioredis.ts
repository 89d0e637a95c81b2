import { Redis } from 'ioredis'
import { transfers } from './transfers.ts'

await transfers((host, port) => {
  // By itself the library would connect again and send EXEC without the WATCH that went before.
  const client = new Redis(port, host, { retryStrategy: () => null })
  client.on('error', () => undefined)
  return Promise.resolve({
    async look({ from, to }) {
      await client.watch(from, to)
      return client.mget(from, to, 'closed')
    },
    async move({ from, to, amount, line }, rich, poor) {
      const block = client.multi()
      block.set(from, rich - amount).set(to, poor + amount)
      const results = await block.rpush('journal', line).exec()
      const failure = results?.find(([error]) => error !== null)
      if (failure) throw failure[0]!
      return results !== null
    },
    isLost: () => client.status === 'close' || client.status === 'end',
    close: () => client.disconnect(),
  })
})
