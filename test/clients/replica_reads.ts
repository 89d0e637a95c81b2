import { Redis } from 'ioredis'
import { createSentinel } from 'redis'
import { equal, host, library, play, port, refused, SERVICE } from './program.ts'

/*
 * Clients of the replicas that a sentinel names, told only where that is. There is a key `greeting` with the value `hello`.
 *
 * Usage: PROGRAM HOST PORT default ioredis|node-redis
 */

const READONLY = "You can't write against a read only replica"

async function ofIoredis() {
  const client = new Redis({
    sentinels: [{ host, port }],
    name: SERVICE,
    role: 'slave',
    preferredSlaves: (slaves) => slaves[0] ?? null,
    reconnectOnError: null,
  })
  await new Promise<void>((resolve) => client.once('ready', resolve))
  return {
    reads: async () => {
      for (let i = 0; i < 20; i++) equal(await client.get('greeting'), 'hello')
    },
    'finds a replica': async () => equal(/^role:(\w+)/m.exec(await client.info('replication'))?.[1], 'slave'),
    'does not write there': () => refused(client.set('greeting', 'x'), READONLY),
    'reads all of a transaction': async () => {
      const results = await client.multi().get('greeting').strlen('greeting').exec()
      equal(results, [
        [null, 'hello'],
        [null, 5],
      ])
    },
  }
}

/** It reads from replicas by itself what only reads, and sends all else to the primary. */
async function ofNodeRedis() {
  const client = createSentinel({ name: SERVICE, sentinelRootNodes: [{ host, port }], replicaPoolSize: 1 })
  client.on('error', () => undefined)
  await client.connect()
  return {
    reads: async () => {
      for (let i = 0; i < 20; i++) equal(await client.get('greeting'), 'hello')
    },
    'finds a replica': async () => equal(await client.strLen('greeting'), 5),
    'does not write there': async () => equal(await client.set('other', 'x'), 'OK'),
    'reads all of a transaction': async () => equal(await client.multi().get('greeting').exec(), ['hello']),
  }
}

await play(library === 'ioredis' ? await ofIoredis() : await ofNodeRedis())
