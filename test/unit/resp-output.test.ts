/** Gathered ranges and texts, written to real sockets: every byte arrives, in order. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { Gather } from '../../src/resp/gather.js'
import { Output } from '../../src/resp/output.js'
import { Carry, HEADROOM, READ_SIZE, ReadBuffer } from '../../src/resp/read-buffer.js'
import { until } from '../helpers/waiting.ts'
import { check } from './property.ts'

/** One end of a socket pair to write to, and what came out at the other. */
class Pipe {
  expected = Buffer.alloc(0)
  readonly #chunks: Buffer[] = []
  #length = 0

  constructor(
    readonly near: Socket,
    far: Socket,
  ) {
    far.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
    })
    near.setNoDelay(true)
  }

  expect(bytes: Buffer): void {
    this.expected = Buffer.concat([this.expected, bytes])
  }

  /** Compares what has come with what was to come, and forgets both. */
  async compare(): Promise<void> {
    await until(() => this.#length >= this.expected.length, 'all bytes are there')
    const received = Buffer.concat(this.#chunks.splice(0))
    this.#length = 0
    const expected = this.expected
    this.expected = Buffer.alloc(0)
    assert.ok(received.equals(expected), `${received.length} bytes for ${expected.length}`)
  }
}

let server: Server
let pipes: Pipe[]

before(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  pipes = []
  for (let i = 0; i < 2; i++) {
    const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [far] = (await once(server, 'connection')) as [Socket]
    pipes.push(new Pipe(near, far))
  }
})

after(() => {
  for (const pipe of pipes) pipe.near.destroy()
  server.close()
})

const SIZE = 64 * 1024

interface Move {
  what: 'range' | 'next range' | 'text' | 'write' | 'turn'
  to: number
  at: number
  length: number
}

const move = fc.record<Move>({
  what: fc.constantFrom('range', 'next range', 'next range', 'next range', 'text', 'text', 'write', 'turn'),
  to: fc.nat(1),
  at: fc.nat(SIZE - 1),
  length: fc.oneof(fc.nat(40), fc.constantFrom(0, 8191, 8192, 8193, 30_000)),
})

test('whatever is gathered from where and written when', (t) =>
  check(
    t,
    100,
    fc.asyncProperty(fc.array(move, { maxLength: 40 }), async (moves) => {
      const gather = new Gather()
      const outputs = [new Output(gather), new Output(gather)]
      const buf = Buffer.alloc(SIZE)
      let fill = 0
      let next = 0
      const refill = () => {
        // As with the next read: what is open must have been closed, and the bytes are others.
        gather.close()
        buf.forEach((_, i) => (buf[i] = (i * 7 + (i >> 8) + fill) & 0xff))
        fill += 31
        next = 0
      }
      refill()
      const write = () => {
        gather.close()
        for (const [i, output] of outputs.entries()) output.writeTo(pipes[i].near)
      }
      for (const { what, to, at, length } of moves) {
        if (what === 'turn') refill()
        else if (what === 'write') write()
        else if (what === 'text') {
          const text = `<${at}:${'\xff'.repeat(length % 50)}>`
          outputs[to].text(text)
          pipes[to].expect(Buffer.from(text, 'latin1'))
        } else {
          const start = what === 'range' ? at : next
          const end = Math.min(SIZE, start + length)
          outputs[to].gather.add(outputs[to], buf, start, end)
          pipes[to].expect(Buffer.from(buf.subarray(start, end)))
          next = end
        }
      }
      write()
      // What has been handed over may be overwritten, although it may not have left yet.
      buf.fill(0)
      assert.deepEqual(
        outputs.map((output) => output.bytes),
        [0, 0],
      )
      for (const pipe of pipes) await pipe.compare()
    }),
  ))

describe('gathering', () => {
  const buf = Buffer.from('abcdefghij')

  /** An output that counts the copies. */
  class Counting extends Output {
    copies: string[] = []
    override copy(from: Buffer, start: number, end: number): void {
      this.copies.push(from.toString('latin1', start, end))
      super.copy(from, start, end)
    }
  }

  test('neighbouring ranges of one buffer to one output are copied once', () => {
    const gather = new Gather()
    const output = new Counting(gather)
    for (let i = 0; i < 10; i++) gather.add(output, buf, i, i + 1)
    assert.deepEqual(output.copies, [])
    gather.close()
    assert.deepEqual(output.copies, ['abcdefghij'])
    gather.close()
    assert.equal(output.copies.length, 1, 'closing twice copies nothing twice')
    assert.equal(output.bytes, 10)
  })

  test('ranges apart, of another buffer or to another output are not joined', () => {
    const gather = new Gather()
    const [one, other] = [new Counting(gather), new Counting(gather)]
    gather.add(one, buf, 0, 2)
    gather.add(one, buf, 3, 4)
    gather.add(one, Buffer.from('0123456789'), 4, 6)
    gather.add(other, buf, 6, 7)
    gather.add(one, buf, 7, 8)
    gather.close()
    assert.deepEqual(one.copies, ['ab', 'd', '45', 'h'])
    assert.deepEqual(other.copies, ['g'])
  })

  test('a text goes behind the open run of its output, and leaves that of another open', () => {
    const gather = new Gather()
    const [one, other] = [new Counting(gather), new Counting(gather)]
    gather.add(one, buf, 0, 2)
    other.text('x')
    assert.equal(gather.target, one)
    one.text('y')
    assert.equal(gather.target, null)
    assert.deepEqual(one.copies, ['ab'])
    assert.equal(one.bytes, 3)
    assert.equal(other.bytes, 1)
  })

  test('what is still open is written', async () => {
    const gather = new Gather()
    const output = new Output(gather)
    gather.add(output, Buffer.from('open'), 0, 4)
    assert.equal(output.writeTo(pipes[0].near), 4)
    assert.equal(gather.target, null)
    pipes[0].expect(Buffer.from('open'))
    await pipes[0].compare()
  })

  test('what is cleared is not written', async () => {
    const gather = new Gather()
    const output = new Output(gather)
    output.text('text')
    gather.add(output, Buffer.alloc(20_000), 0, 20_000)
    gather.close()
    gather.add(output, buf, 0, 5)
    output.clear()
    assert.equal(output.bytes, 0)
    gather.close()
    output.text('after')
    output.writeTo(pipes[0].near)
    pipes[0].expect(Buffer.from('after'))
    await pipes[0].compare()
  })
})

describe('carrying over', () => {
  test('kept bytes stand in front of those that are read next', () => {
    const reads = new ReadBuffer()
    const carry = new Carry()
    assert.equal(carry.restore(reads, HEADROOM), HEADROOM, 'nothing is kept at first')
    reads.target.write('one two')
    carry.keep(reads.bytes, HEADROOM + 4, HEADROOM + 7)
    assert.equal(carry.length, 3)
    reads.bytes.fill(0)
    reads.target.write(' three')
    const start = carry.restore(reads, HEADROOM + READ_SIZE)
    assert.equal(reads.bytes.toString('latin1', start, HEADROOM + 6), 'two three')
    carry.keep(reads.bytes, HEADROOM + 6, HEADROOM + 6)
    assert.equal(carry.length, 0)
    assert.equal(carry.restore(reads, HEADROOM), HEADROOM)
  })

  test('more and fewer bytes may be kept than before, as many as there is room for', () => {
    const reads = new ReadBuffer()
    const carry = new Carry()
    for (const length of [1, 64, 65, 100_000, 3, HEADROOM, 2]) {
      for (let i = 0; i < length; i++) reads.bytes[HEADROOM + READ_SIZE - length + i] = (i + length) & 0xff
      carry.keep(reads.bytes, HEADROOM + READ_SIZE - length, HEADROOM + READ_SIZE)
      reads.bytes.fill(0)
      const start = carry.restore(reads, HEADROOM + READ_SIZE)
      assert.equal(HEADROOM - start, length)
      for (let i = 0; i < length; i++) if (reads.bytes[start + i] !== ((i + length) & 0xff)) assert.fail(`byte ${i}`)
    }
  })

  test('texts that are kept are those of their ranges, also after the buffer is used again', () => {
    const reads = new ReadBuffer()
    const carry = new Carry()
    const text = (from: number, to: number) => reads.text(HEADROOM + from, HEADROOM + to)
    reads.target.write('one two three', 'latin1')
    carry.restore(reads, HEADROOM + 13)
    const texts = [text(4, 7), text(7, 13)]
    reads.target.write('\xff\x00 is other', 'latin1')
    carry.restore(reads, HEADROOM + 11)
    assert.deepEqual([...texts, text(0, 2), text(3, 11)], ['two', ' three', '\xff\x00', 'is other'])
  })

  test('connections that share a buffer do not see each other', () => {
    const reads = new ReadBuffer()
    const carries = ['first', 'second', 'third'].map((text) => {
      const carry = new Carry()
      reads.target.write(text)
      carry.keep(reads.bytes, HEADROOM, HEADROOM + text.length)
      return carry
    })
    const restored = carries.map((carry) => reads.bytes.toString('latin1', carry.restore(reads, HEADROOM), HEADROOM))
    assert.deepEqual(restored, ['first', 'second', 'third'])
  })
})
