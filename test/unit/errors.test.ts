import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { ERROR_FRAMES, type ErrorCode, ERRORS, type ErrorRow } from '../../src/errors.js'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'

const rows = Object.entries(ERRORS) as [ErrorCode, ErrorRow][]

test('every text begins with a code word and stays on one line', () => {
  for (const [code, { text }] of rows) assert.match(text, /^[A-Z]+ [^\r\n]+$/, code)
})

test('every frame is the text as a RESP error', () => {
  assert.deepEqual(Object.keys(ERROR_FRAMES), Object.keys(ERRORS))
  for (const [code, { text }] of rows) assert.equal(ERROR_FRAMES[code], `-${text}\r\n`)
})

test('what clients are told to send again is safe to send again, and nothing of unknown outcome is', () => {
  for (const [code, { text, retrySafe }] of rows) {
    if (text.startsWith('TRYAGAIN ')) assert.equal(retrySafe, true, code)
    if (text.startsWith('OUTCOMEUNKNOWN ')) assert.equal(retrySafe, false, code)
  }
})

test('bad framing ends the connection', () => {
  for (const [code, { text, closes }] of rows) if (text.includes('Protocol error')) assert.equal(closes, true, code)
})

/** Commands whose last answer is the error, for every text that is Redis's own. */
const OWN_TEXTS: Partial<Record<ErrorCode, string[][]>> = {
  execWithoutMulti: [['EXEC']],
  discardWithoutMulti: [['DISCARD']],
  execAborted: [['MULTI'], ['NOSUCHCOMMAND'], ['EXEC']],
  syntax: [['SET', 'k', 'v', 'BOGUS']],
  notInteger: [
    ['CLIENT', 'LIST', 'ID', 'x'],
    ['INCRBY', 'k', 'x'],
  ],
  numberOutOfRange: [['SELECT', '2147483648']],
  invalidCursor: [['SCAN', 'x']],
  dbOutOfRange: [['SELECT', '16']],
  noProtocol: [['HELLO', '4']],
  protocolNotInteger: [['HELLO', 'x']],
  wrongPassword: [['AUTH', 'nobody', 'x']],
  authNotConfigured: [['AUTH', 'x']],
  clientNameInvalid: [['CLIENT', 'SETNAME', 'a b']],
  noSuchClient: [['CLIENT', 'KILL', '1.2.3.4:5']],
}

async function serverOf(t: TestContext, args: string[] = []): Promise<RedisServer> {
  const redis = await startRedis({ args })
  t.after(() => redis.stop())
  return redis
}

describe("texts that are Redis's own", () => {
  test('are what a real Redis says', async (t) => {
    const { port } = await serverOf(t)
    for (const [code, commands] of Object.entries(OWN_TEXTS) as [ErrorCode, string[][]][]) {
      const client = await RawClient.connect(port)
      let last = ''
      for (const command of commands) last = (await client.call(...command)).toString('latin1')
      assert.equal(last, ERROR_FRAMES[code], code)
      client.close()
    }
  })

  test('also the one for too many connections', async (t) => {
    const { port } = await serverOf(t, ['--maxclients', '1'])
    const first = await RawClient.connect(port)
    t.after(() => first.close())
    await first.call('PING')
    const second = await RawClient.connect(port)
    assert.equal((await second.frame()).toString('latin1'), ERROR_FRAMES.connectionsExceeded)
    await second.closed
  })

  test('also those for bad framing, behind which the connection ends', async (t) => {
    const { port } = await serverOf(t)
    const long = '1'.repeat(70_000)
    const streams: Partial<Record<ErrorCode, string>> = {
      mbulkCountTooBig: `*${long}`,
      mbulkLengthInvalid: '*x\r\n',
      bulkCountTooBig: `*1\r\n$${long}`,
      bulkExpected: '*1\r\n%1\r\n',
      bulkLengthInvalid: '*1\r\n$x\r\n',
      inlineTooBig: long,
      inlineUnbalanced: 'PING "\r\n',
    }
    for (const [code, bytes] of Object.entries(streams) as [ErrorCode, string][]) {
      const client = await RawClient.connect(port)
      client.send(Buffer.concat([encode(['PING']), Buffer.from(bytes)]))
      assert.equal((await client.frame()).toString('latin1'), '+PONG\r\n')
      assert.equal((await client.frame()).toString('latin1'), ERROR_FRAMES[code], code)
      await client.closed
    }
  })
})
