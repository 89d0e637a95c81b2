/**
 * Sends GETs at a fixed rate over some connections, whatever becomes of them, and prints their latencies as JSON. Each counts from the moment
 * when it was due: what had to wait because something before it was slow counts with that time.
 *
 *     node --import tsx test/bench/open-loop.ts '{"host": …}'
 */
import { connect, type Socket } from 'node:net'
import type { OpenLoop } from './generators.ts'

const { host, port, rate, seconds, connections, keyspace, valueBytes } = JSON.parse(process.argv[2]) as OpenLoop

/** Sleeps between two looks at sockets and clock, ms: the same for all that is measured. */
const NAP = 0.1
/** Until it counts, ms. */
const WARM_UP = 500
/** How long it waits for the last replies, ms. */
const PATIENCE = 5000

const REPLY = `$${valueBytes}\r\n`.length + valueBytes + 2
const napping = new Int32Array(new SharedArrayBuffer(4))
const latencies: number[] = []
const began = performance.now() + 100
const counts = began + WARM_UP
const ends = counts + seconds * 1000
let sent = 0
let answered = 0

class Connection {
  readonly socket: Socket
  /** When the commands that are unanswered were due, the oldest first. */
  #due: number[] = []
  #first = 0
  #bytes = 0

  constructor() {
    this.socket = connect(port, host).setNoDelay(true)
    this.socket.on('data', (bytes) => this.#read(bytes))
    this.socket.on('error', fail)
    this.socket.on('close', () => fail(new Error('connection closed')))
  }

  send(due: number): void {
    const key = `key:${`${Math.floor(Math.random() * keyspace)}`.padStart(12, '0')}`
    this.#due.push(due)
    this.socket.write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`, 'latin1')
  }

  #read(bytes: Buffer): void {
    if (this.#bytes === 0 && bytes[0] !== 0x24) fail(new Error(`unexpected: ${bytes.toString('latin1', 0, 100)}`))
    const now = performance.now()
    this.#bytes += bytes.length
    for (; this.#bytes >= REPLY; this.#bytes -= REPLY) {
      const due = this.#due[this.#first++]
      if (due >= counts) latencies.push(now - due)
      answered++
    }
    if (this.#first < 1000) return
    this.#due = this.#due.slice(this.#first)
    this.#first = 0
  }
}

function fail(error: Error): void {
  console.error(error.message)
  process.exit(1)
}

const all = Array.from({ length: connections }, () => new Connection())

function turn(): void {
  const now = performance.now()
  for (;;) {
    const due = began + (sent * 1000) / rate
    if (due > now || due >= ends) break
    all[sent++ % connections].send(due)
  }
  if (now > ends && (answered === sent || now > ends + PATIENCE)) return finish()
  Atomics.wait(napping, 0, 0, NAP)
  setImmediate(turn)
}

function finish(): void {
  if (answered < sent) fail(new Error(`${sent - answered} of ${sent} commands were not answered`))
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))]
  console.log(JSON.stringify({ count: latencies.length, p50: at(0.5), p99: at(0.99), p999: at(0.999) }))
  process.exit(0)
}

setTimeout(turn, 100)
