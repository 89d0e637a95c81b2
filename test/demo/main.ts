/**
 * A session through respool: starts a Redis and respool in front of it, both on free ports and gone afterwards, lets
 * stock clients work through them, and shows what came of it. Stays up for the reader's own clients until Ctrl-C; with
 * CI=true it ends by itself.
 */
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { session } from './session.ts'
import { heading, table } from './terminal.ts'
import { crowd, scrape } from './upstream.ts'

// Ctrl-C is how the demo ends, so it is no failure. What was started here ends with the process. The helpers listen
// too, and would call it an interruption.
process.prependListener('SIGINT', () => {
  console.log('\nStopped.')
  process.exit(0)
})

const redis = await startRedis()
const respool = await startRespool({ upstream: redis.url })
describe(redis, respool)
await session(respool.port)
await crowd(respool, redis.port)
await scrape(respool.admin)

if (process.env['CI'] === 'true') {
  await respool.stop()
  await redis.stop()
  console.log('\nStopped, since CI=true.')
} else {
  invite(respool)
  // Only a reference keeps a process alive, and the children are not one once they are quiet.
  setInterval(() => undefined, 60_000)
}

function describe(redis: RedisServer, respool: Respool): void {
  heading('A throw-away Redis, and respool in front of it')
  table([
    ['Redis', `${redis.host}:${redis.port}`, `process ${redis.pid}`],
    ['respool', `${respool.host}:${respool.port}`, `process ${respool.pid}`],
  ])
}

function invite({ host, port, admin }: Respool): void {
  heading('Your turn: respool stays up until Ctrl-C')
  table([
    ['redis-cli', `redis-cli -p ${port}`],
    ['redis-py', `redis.Redis(port=${port})`],
    ['ioredis', `new Redis(${port})`],
    ['node-redis', `createClient({ url: 'redis://${host}:${port}' })`],
    ['go-redis', `redis.NewClient(&redis.Options{Addr: "${host}:${port}"})`],
    ['metrics', `curl ${admin}/metrics`],
    ['figures as JSON', `curl ${admin}/stats`],
  ])
}
