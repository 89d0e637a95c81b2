import type { Random } from '../conformance/garble.ts'
import type { Findings } from './findings.ts'
import { Operation } from './operation.ts'
import { PrivateCounter, type PrivateKey, PrivateText } from './private-keys.ts'
import { ErrorReply, type Reply } from './replies.ts'
import type { SharedKeys } from './shared-keys.ts'

/** What all sessions of a load have in common. */
export interface Common {
  readonly findings: Findings
  shared: SharedKeys
  /** True while Redis itself may lose what it has confirmed. */
  lossy: boolean
  readonly random: Random
  readonly tally: Tally
}

export interface Tally {
  /** Replies that were looked at and are no errors. */
  checked: number
  errors: number
  unknown: number
  readonly errorTexts: Map<string, number>
}

/** Errors that a server or the proxy may give when something is broken. Any other would be a fault. */
const EXPECTED_ERRORS =
  /^(TRYAGAIN|OUTCOMEUNKNOWN|EXECABORT|MISCONF|OOM|CLUSTERDOWN|LOADING|READONLY|MASTERDOWN|MOVED|ASK|UNBLOCKED|ERR max number of clients)/
const UNKNOWN_OUTCOME = /^OUTCOMEUNKNOWN/

const PRIVATE = 4

/**
 * What one application does, whatever carries its commands: on keys of its own, where it knows what every reply must be, and on keys that all
 * share, of which it keeps the history. `batch` makes commands that may go out together; for each of them `answered` or `unanswered` is
 * called, in their order.
 */
export class Session {
  readonly #counters: PrivateCounter[]
  readonly #texts: PrivateText[]
  /** All keys of its own so far. */
  readonly keys: PrivateKey[] = []
  #generation = 0
  #step = 0
  /** When a reply came last that was no error. */
  lastGood = -Infinity
  /** Errors so far, so that whoever carries the commands can make a pause. */
  failures = 0

  /** @param isResp3 what nulls look like on its connection */
  constructor(
    readonly name: string,
    readonly common: Common,
    readonly isResp3 = false,
  ) {
    this.#counters = Array.from({ length: PRIVATE }, (_, nth) => this.#newCounter(nth))
    this.#texts = Array.from({ length: PRIVATE }, (_, nth) => this.#newText(nth))
  }

  /** Commands to be sent at once. Each shared key occurs only once, so that nobody overlaps with oneself there. */
  batch(size: number, transactions: boolean): Operation[] {
    const { random } = this.common
    const operations: Operation[] = []
    const shared = random.below(64)
    for (let nth = random.below(4); operations.length < size; nth++) {
      const dice = random.below(100)
      if (nth % 4 === 3 && nth >> 2 < 8) operations.push(this.#onShared((shared + (nth >> 2)) % 8, dice))
      else if (dice < 30) operations.push(this.#incr(random.below(PRIVATE)))
      else if (dice < 60) operations.push(this.#swap(random.below(PRIVATE)))
      else if (dice < 80) operations.push(this.#get(random.below(PRIVATE)))
      else if (dice < 90) operations.push(this.#echo())
      else if (dice < 96 || !transactions || size - operations.length < 4) operations.push(this.#mget())
      else operations.push(...this.#transaction(random.below(PRIVATE)))
    }
    return operations
  }

  /** From now on it uses new keys of its own. */
  renew(): void {
    for (const key of [...this.#counters, ...this.#texts]) key.isUnsure = true
  }

  answered(operation: Operation, reply: Reply, end: number): void {
    // A command of a transaction may be refused when its turn comes.
    const error = operation.kind === 'exec' && Array.isArray(reply) ? reply[0] : reply
    if (error instanceof ErrorReply) return this.#failed(operation, error)
    this.common.tally.checked++
    this.lastGood = end
    if (!this.#fits(operation, reply, end))
      this.common.findings.add('crossed', `${this.name}: ${operation.args.join(' ')}: ${JSON.stringify(reply)}`)
  }

  /** Its connection is gone, and nobody knows what became of it. */
  unanswered(operation: Operation): void {
    this.failures++
    this.common.tally.unknown++
    this.#notKnown(operation)
  }

  #failed(operation: Operation, { text }: ErrorReply): void {
    const { tally, findings } = this.common
    this.failures++
    tally.errors++
    const word = text.replace(/[\d.:]*\d+/g, 'N').slice(0, 90)
    tally.errorTexts.set(word, (tally.errorTexts.get(word) ?? 0) + 1)
    if (!EXPECTED_ERRORS.test(text)) findings.add('crossed', `${this.name}: ${operation.args.join(' ')}: -${text}`)
    if (!UNKNOWN_OUTCOME.test(text)) return this.#notDone(operation)
    tally.unknown++
    this.#notKnown(operation)
  }

  #notDone({ kind, counter, text, value }: Operation): void {
    if (kind === 'incr' || kind === 'exec') counter?.counted(null)
    else if (kind === 'swap') text?.wrote(value, null)
  }

  #notKnown({ kind, counter, text, value, total, register, start }: Operation): void {
    if (kind === 'incr' || kind === 'exec') counter?.counted(undefined)
    else if (kind === 'swap') text?.wrote(value, undefined)
    else if (kind === 'shared incr') total?.unknown(start)
    else if (kind === 'shared set') register?.wrote(value, start, Infinity)
  }

  /** Takes note of a reply; false if it cannot be one to this command. */
  #fits(operation: Operation, reply: Reply, end: number): boolean {
    const { kind, start, value } = operation
    const isText = reply === null || typeof reply === 'string'
    switch (kind) {
      case 'echo':
        return reply === value
      case 'multi':
        return reply === 'OK'
      case 'queued':
        return reply === 'QUEUED'
      case 'incr':
        if (typeof reply !== 'number') return false
        operation.counter!.counted(reply)
        return true
      case 'exec':
        if (!Array.isArray(reply) || typeof reply[0] !== 'number' || reply[1] !== `${reply[0]}`) return false
        operation.counter!.counted(reply[0])
        return reply.length === 2
      case 'swap':
        if (!isText) return false
        operation.text!.saw(reply)
        operation.text!.wrote(value, true)
        return true
      case 'get':
        if (isText) operation.text!.saw(reply)
        return isText
      case 'mget':
        return this.#several(operation, reply)
      case 'shared incr':
        if (typeof reply === 'number') operation.total!.counted(reply, start, end)
        return typeof reply === 'number'
      case 'shared count':
        if (!isText || !/^\d+$/.test(reply ?? '0')) return false
        operation.total!.read(Number(reply), start, end)
        return true
      case 'shared set':
        operation.register!.wrote(value, start, end)
        return reply === 'OK'
      case 'shared get':
        if (!isText || (reply !== null && !reply.startsWith(`${operation.register!.key} `))) return false
        operation.register!.read(reply, start, end)
        return true
    }
  }

  #several({ texts }: Operation, reply: Reply): boolean {
    if (!Array.isArray(reply) || reply.length !== texts.length) return false
    return texts.every((text, nth) => {
      const value = reply[nth]
      if (value !== null && typeof value !== 'string') return false
      text.saw(value)
      return true
    })
  }

  #onShared(nth: number, dice: number): Operation {
    const { counters, registers } = this.common.shared
    if (nth < counters.length) {
      const total = counters[nth]
      const args = dice < 70 ? ['INCR', total.key] : ['GET', total.key]
      return Object.assign(new Operation(dice < 70 ? 'shared incr' : 'shared count', args), { total })
    }
    const register = registers[nth - counters.length]
    if (dice < 60) return Object.assign(new Operation('shared get', ['GET', register.key]), { register })
    const value = `${register.key} ${this.name} ${++this.#step}`
    const operation = new Operation('shared set', ['SET', register.key, value])
    return Object.assign(operation, { register, value, good: 'OK', bytes: '+OK\r\n' })
  }

  #incr(nth: number): Operation {
    const counter = this.#counterAt(nth)
    const operation = new Operation('incr', ['INCR', counter.name])
    const good = counter.next()
    return Object.assign(operation, { counter, good, bytes: `:${good}\r\n` })
  }

  /** A write whose reply names the write before. */
  #swap(nth: number): Operation {
    const text = this.#textAt(nth)
    const before = text.newest
    const value = text.next()
    const operation = new Operation('swap', ['SET', text.name, value, 'GET'])
    return Object.assign(operation, { text, value, good: before, bytes: this.#bulk(before) })
  }

  #get(nth: number): Operation {
    const text = this.#textAt(nth)
    const good = text.newest
    return Object.assign(new Operation('get', ['GET', text.name]), { text, good, bytes: this.#bulk(good) })
  }

  #echo(): Operation {
    const value = `${this.name} ${++this.#step}`
    return Object.assign(new Operation('echo', ['ECHO', value]), { value, good: value, bytes: this.#bulk(value) })
  }

  /** In several slots of a cluster. */
  #mget(): Operation {
    const texts = [0, 1, 2].map((nth) => this.#textAt(nth))
    const good = texts.map(({ newest }) => newest)
    const bytes = `*3\r\n${good.map((text) => this.#bulk(text)).join('')}`
    return Object.assign(new Operation('mget', ['MGET', ...texts.map(({ name }) => name)]), { texts, good, bytes })
  }

  #transaction(nth: number): Operation[] {
    const counter = this.#counterAt(nth)
    const good = counter.next()
    const queued = { good: 'QUEUED', bytes: '+QUEUED\r\n' }
    return [
      Object.assign(new Operation('multi', ['MULTI']), { good: 'OK', bytes: '+OK\r\n' }),
      Object.assign(new Operation('queued', ['INCR', counter.name]), queued),
      Object.assign(new Operation('queued', ['GET', counter.name]), queued),
      Object.assign(new Operation('exec', ['EXEC']), {
        ...{ counter, good: [good, `${good}`] },
        bytes: `*2\r\n:${good}\r\n${this.#bulk(`${good}`)}`,
      }),
    ]
  }

  #bulk(text: string | null): string {
    if (text === null) return this.isResp3 ? '_\r\n' : '$-1\r\n'
    return `$${text.length}\r\n${text}\r\n`
  }

  #counterAt(nth: number): PrivateCounter {
    if (this.#counters[nth].isUnsure) this.#counters[nth] = this.#newCounter(nth)
    return this.#counters[nth]
  }

  #textAt(nth: number): PrivateText {
    if (this.#texts[nth].isUnsure) this.#texts[nth] = this.#newText(nth)
    return this.#texts[nth]
  }

  #newCounter(nth: number): PrivateCounter {
    const counter = new PrivateCounter(`own:counter:${this.name}:${nth}.${++this.#generation}`, this.common.findings)
    counter.isLossy = this.common.lossy
    this.keys.push(counter)
    return counter
  }

  #newText(nth: number): PrivateText {
    const text = new PrivateText(`own:text:${this.name}:${nth}.${++this.#generation}`, this.common.findings)
    text.isLossy = this.common.lossy
    this.keys.push(text)
    return text
  }
}
