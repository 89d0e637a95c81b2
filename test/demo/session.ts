import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { run, succeeds } from '../helpers/commands.ts'
import { exchange, heading, line, show, showRefusal } from './terminal.ts'

/** What an application does, with clients that are told a port and nothing else. */
export async function session(port: number): Promise<void> {
  await withIoredis(port)
  await withNodeRedis(port)
  await withRedisCli(port)
}

async function withIoredis(port: number): Promise<void> {
  heading(`ioredis: new Redis(${port})`)
  const redis = new Redis(port)
  try {
    await show(() => redis.set('greeting', 'hello'))
    await show(() => redis.get('greeting'))
    await showRefusal(() => redis.incr('greeting'))
    line()
    line('A pipeline, which arrives at Redis as one:')
    await show(() => redis.pipeline().incr('visits').incr('visits').sadd('seen', 'ada', 'grace').exec())
    line()
    line('A transaction:')
    await show(() => redis.multi().set('stock', 5).decrby('stock', 2).exec())
  } finally {
    redis.disconnect()
  }
}

async function withNodeRedis(port: number): Promise<void> {
  heading(`node-redis: createClient({ socket: { port: ${port} } })`)
  const [redis, worker, subscriber] = await Promise.all([open(port), open(port), open(port)])
  try {
    await show(() => redis.zAdd('scores', { score: 42, value: 'ada' }))
    await show(() => redis.zRangeWithScores('scores', 0, -1))
    line()
    line('A blocking pop on one connection, woken by a push on another:')
    await show(() => Promise.all([worker.blPop('jobs', 5), redis.rPush('jobs', 'resize image 7')]))
    line()
    line('Pub/sub:')
    let deliver: (message: string) => void = () => undefined
    const delivered = new Promise<string>((resolve) => (deliver = resolve))
    await show(() => subscriber.subscribe('news', deliver))
    await show(() => redis.publish('news', 'respool is up'))
    exchange('the subscriber receives', await delivered)
  } finally {
    for (const client of [redis, worker, subscriber]) client.destroy()
  }
}

async function open(port: number) {
  return createClient({ socket: { port } }).connect()
}

async function withRedisCli(port: number): Promise<void> {
  if (!(await succeeds('redis-cli', ['--version']))) return
  heading('redis-cli')
  for (const args of [
    ['get', 'greeting'],
    ['zrange', 'scores', '0', '-1', 'withscores'],
  ]) {
    const command = ['-p', `${port}`, ...args]
    exchange(`$ redis-cli ${command.join(' ')}`, (await run('redis-cli', command)).trim())
  }
}
