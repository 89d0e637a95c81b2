import { createClient, WatchError } from 'redis'
import { transfers } from './transfers.ts'

await transfers(async (host, port) => {
  const client = createClient({ socket: { host, port, reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  return {
    async look({ from, to }) {
      await client.watch([from, to])
      return client.mGet([from, to, 'closed'])
    },
    async move({ from, to, amount, line }, rich, poor) {
      try {
        const block = client.multi()
        block.set(from, String(rich - amount)).set(to, String(poor + amount))
        await block.rPush('journal', line).exec()
        return true
      } catch (error) {
        if (error instanceof WatchError) return false
        throw error
      }
    },
    isLost: () => !client.isOpen,
    close: () => client.isOpen && client.destroy(),
  }
})
