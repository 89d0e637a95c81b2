/** What the byte comparison has to leave out, since ids differ from one connection to the next: a session keeps its own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'

let port: number
const stops: (() => unknown)[] = []

before(async () => {
  const server = await startRedis()
  stops.push(() => server.stop())
  port = server.port
  if (SELF_CHECK) return
  const respool = await startRespool({ upstream: server.url })
  stops.push(() => respool.stop())
  port = respool.port
})

after(async () => {
  for (const stop of stops.reverse()) await stop()
})

test('a session has one id, while it watches and after it blocked, whatever its protocol and database', async () => {
  const client = await RawClient.connect(port)
  const other = await RawClient.connect(port)
  const own = await client.call('CLIENT', 'ID')
  const seen = async (what: string) => [what, (await client.call('CLIENT', 'ID')).toString()]
  const ids = [await seen('at first')]
  await client.call('WATCH', 'k')
  ids.push(await seen('watching'))
  await client.call('MULTI')
  await client.call('EXEC')
  ids.push(await seen('after a transaction'))
  await client.call('BLPOP', 'k', '0.01')
  ids.push(await seen('after blocking'))
  await client.call('HELLO', '3')
  await client.call('SELECT', '5')
  ids.push(await seen('with another protocol and database'))
  for (const command of ['SUBSCRIBE', 'PSUBSCRIBE']) await client.call(command, 'c')
  ids.push(await seen('subscribed'))
  await client.call('RESET')
  ids.push(await seen('reset'))
  assert.deepEqual(
    ids,
    ids.map(([what]) => [what, own.toString()]),
  )
  assert.notEqual((await other.call('CLIENT', 'ID')).toString(), own.toString())
  client.close()
  other.close()
})

test('inside a transaction Redis itself tells the id of the connection that the session leases', async () => {
  const client = await RawClient.connect(port)
  await client.call('MULTI')
  await client.call('CLIENT', 'ID')
  const inside = (await client.call('EXEC')).toString().replace('*1\r\n', '')
  assert.match(inside, /^:[1-9]\d*\r\n$/)
  // It keeps that connection.
  assert.equal((await client.call('CLIENT', 'ID')).toString(), inside)
  client.close()
})
