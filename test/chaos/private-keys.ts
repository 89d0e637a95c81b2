import type { Findings, Kind } from './findings.ts'

/** A key that one session alone uses. It is given up once an outcome is unknown, and looked at again when all is over. */
export abstract class PrivateKey {
  /** True once an outcome is unknown. */
  isUnsure = false
  /** True from when Redis itself may have lost what it had confirmed: values may be older ones, but are still those of this key. */
  isLossy = false

  constructor(
    readonly name: string,
    readonly findings: Findings,
  ) {}

  protected report(kind: Kind, text: string): void {
    if (this.isLossy && (kind === 'lost' || kind === 'reordered')) this.findings.forgiven++
    else this.findings.add(kind, `${this.name}: ${text}`)
  }

  /** Says whether what is there when all is over can be right. */
  abstract settle(there: string | null): void
}

/** Each reply is one more than the one before. */
export class PrivateCounter extends PrivateKey {
  count = 0
  /** On their way, as long as nothing failed. */
  #ahead = 0
  #unsure = 0

  /** What the next one will be told, if nothing fails. */
  next(): number {
    return this.count + ++this.#ahead
  }

  /** @param count null if it was not carried out, undefined if that is unknown */
  counted(count: number | null | undefined): void {
    if (this.#ahead > 0) this.#ahead--
    if (count === undefined) {
      this.#unsure++
      this.isUnsure = true
    }
    if (typeof count !== 'number') return
    if (count <= this.count) this.report('lost', `${count} after ${this.count}`)
    else if (count > this.count + 1 + this.#unsure)
      this.report('doubled', `${count} after ${this.count} (+ ${this.#unsure})`)
    this.#unsure -= Math.max(0, count - this.count - 1)
    this.count = count
  }

  settle(there: string | null): void {
    const count = Number(there ?? 0)
    if (count < this.count) this.report('lost', `${count} in the end, after ${this.count}`)
    else if (!(count <= this.count + this.#unsure))
      this.report('doubled', `${count} in the end, after ${this.count} (+ ${this.#unsure})`)
  }
}

/** Each value names the key and its place among all that were written to it. */
export class PrivateText extends PrivateKey {
  /** The newest that was sent, which is what is there if nothing fails. */
  newest: string | null = null
  #last: string | null = null
  #written = 0
  readonly #maybe = new Set<string>()

  /** The next value, and the one that it replaces. */
  next(): string {
    return (this.newest = `${this.name} ${++this.#written}`)
  }

  /** @param isDone null if it was not carried out, undefined if that is unknown */
  wrote(value: string, isDone: true | null | undefined): void {
    if (isDone) return void (this.#last = value)
    if (isDone === null) return
    this.#maybe.add(value)
    this.isUnsure = true
  }

  saw(value: string | null): void {
    if (value === this.#last) return
    if (value === null) return this.report('lost', `nothing instead of ${this.#last}`)
    // A write happens once: what is replaced does not come back.
    if (this.#maybe.delete(value)) return void (this.#last = value)
    this.report(this.#kindOf(value), `${value} instead of ${this.#last}`)
  }

  settle(there: string | null): void {
    if (there === this.#last || (there !== null && this.#maybe.has(there))) return
    const kind = there === null || this.#kindOf(there) === 'reordered' ? 'lost' : 'crossed'
    this.report(kind, `${there} in the end, after ${this.#last}`)
  }

  #kindOf(value: string): 'crossed' | 'reordered' {
    return value.startsWith(`${this.name} `) ? 'reordered' : 'crossed'
  }
}
