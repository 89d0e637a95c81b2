import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sumSeries } from '../helpers/exposition.ts'
import { encode, frameEnd, pieces } from '../helpers/raw.ts'
import { until } from '../helpers/waiting.ts'

const end = (text: string) => frameEnd(Buffer.from(text, 'latin1'), 0)

describe('frame reader of the tests', () => {
  const frames = [
    '+OK\r\n',
    '-ERR no\r\n',
    ':-1\r\n',
    '$-1\r\n',
    '$0\r\n\r\n',
    '$4\r\na\r\nb\r\n',
    '*-1\r\n',
    '*0\r\n',
    '*2\r\n*1\r\n:1\r\n$1\r\nx\r\n',
    '_\r\n',
    ',1.5\r\n',
    '#t\r\n',
    '(123456789012345678901234567890\r\n',
    '!5\r\nERR x\r\n',
    '=7\r\ntxt:abc\r\n',
    '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n',
    '~2\r\n:1\r\n:2\r\n',
    '>2\r\n+message\r\n%0\r\n',
    '|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n',
  ]

  for (const frame of frames) {
    it(`finds the end of ${JSON.stringify(frame)} and not before`, () => {
      assert.equal(end(`${frame}+next\r\n`), frame.length)
      for (let cut = 0; cut < frame.length; cut++) {
        const answer = end(frame.slice(0, cut))
        assert.ok(answer < 0 && -answer > cut && -answer <= frame.length, `${cut} bytes: ${answer}`)
      }
    })
  }

  it('refuses what is no frame', () => {
    assert.throws(() => end('hello\r\n'), /not a frame/)
    assert.throws(() => end('*x\r\n'), /not a frame/)
    assert.throws(() => end('*1\r\n?\r\n'), /not a frame/)
  })

  it('encodes commands by bytes, not characters', () => {
    assert.equal(encode(['SET', 'é', 1]).toString('utf8'), '*3\r\n$3\r\nSET\r\n$2\r\né\r\n$1\r\n1\r\n')
    assert.equal(encode([Buffer.from([255])]).toString('latin1'), '*1\r\n$1\r\n\xff\r\n')
  })

  it('cuts bytes into pieces that make the whole', () => {
    const cut = pieces(Buffer.from('abcde'), 2)
    assert.deepEqual(cut.map(String), ['ab', 'cd', 'e'])
  })
})

describe('metric values of the tests', () => {
  const text = `# HELP a_total things
# TYPE a_total counter
a_total{cmd="get",status="ok"} 3
a_total{cmd="set",status="ok"} 4
a_total{cmd="say \\"hi\\", all",status="error"} 5
# TYPE b_seconds histogram
# TYPE c gauge
c 1.5e3 1700000000
`

  it('are summed over the series that bear the labels', () => {
    assert.equal(sumSeries(text, 'a_total', {}), 12)
    assert.equal(sumSeries(text, 'a_total', { status: 'ok' }), 7)
    assert.equal(sumSeries(text, 'a_total', { cmd: 'say "hi", all' }), 5)
    assert.equal(sumSeries(text, 'a_total', { cmd: 'get', status: 'error' }), 0)
    assert.equal(sumSeries(text, 'c', {}), 1500)
  })

  it('are 0 for a declared metric without series, and an error for an unknown one', () => {
    assert.equal(sumSeries(text, 'b_seconds_count', {}), 0)
    assert.throws(() => sumSeries(text, 'a', {}), /no metric is called a/)
  })
})

describe('until', () => {
  it('gives the first truthy value, past failures', async () => {
    let calls = 0
    const value = await until(() => {
      calls++
      if (calls === 1) throw new Error('not yet')
      return calls === 3 && 'there'
    }, 'three calls')
    assert.equal(value, 'there')
  })

  it('fails with what was awaited and the last error', async () => {
    const never = until(() => Promise.reject(new Error('broken pipe')), 'it works', 20)
    await assert.rejects(never, /until it works; last: Error: broken pipe/)
  })
})
