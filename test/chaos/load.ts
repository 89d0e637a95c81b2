import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../conformance/garble.ts'
import type { Carrier } from './carrier.ts'
import { Findings } from './findings.ts'
import { LIBRARIES, LibraryCarrier } from './library-carriers.ts'
import { RawCarrier } from './raw-carrier.ts'
import { type Common, Session } from './session.ts'
import { SharedKeys } from './shared-keys.ts'

/** Commands sent at once, by session. */
const DEPTHS = [1, 1, 4, 16, 64, 128]

export interface LoadOptions {
  /** Part of all keys, so that loads on one Redis do not meet. */
  name: string
  port: number
  seed: number
  /** Sessions on plain connections. */
  raw: number
  /** Sessions in each client library. */
  libraries: number
  /** Overrides how many commands are sent at once. */
  depth?: number
}

/** Answers what a key holds, asked for directly. */
export type Ask = (key: string) => Promise<string | null>

/** Many sessions, and the judgement of every reply that they get. */
export class Load {
  readonly common: Common
  readonly #carriers: Carrier[]
  readonly #played: Promise<unknown>
  readonly #judged: SharedKeys[] = []
  #generation = 0

  constructor({ name, port, seed, raw, libraries, depth }: LoadOptions) {
    this.common = {
      findings: new Findings(),
      random: new Random(seed),
      tally: { checked: 0, errors: 0, unknown: 0, errorTexts: new Map() },
      shared: new SharedKeys(name),
      lossy: false,
    }
    this.#judged.push(this.common.shared)
    const session = (nth: string, isResp3 = false) => new Session(`${name}.${nth}`, this.common, isResp3)
    this.#carriers = [
      ...Array.from(
        { length: raw },
        (_, nth) => new RawCarrier(session(`raw${nth}`, nth % 2 === 1), port, depth ?? DEPTHS[nth % DEPTHS.length]),
      ),
      ...LIBRARIES.flatMap((library) =>
        Array.from({ length: libraries }, (_, nth) => new LibraryCarrier(session(`${library}${nth}`), port, library)),
      ),
    ]
    this.#played = Promise.all(this.#carriers.map((carrier) => carrier.play()))
    // Awaited at the end; a fault of its own must not be missed until then.
    this.#played.catch(() => undefined)
  }

  /** When that session last had a good reply that has waited longest for one. */
  get slowest(): number {
    return Math.min(...this.#carriers.map(({ session }) => session.lastGood))
  }

  get reconnected(): number {
    return this.#carriers.reduce((sum, { reconnected }) => sum + Math.max(0, reconnected), 0)
  }

  /** From now on Redis may lose what it has confirmed. */
  beginLosses(): void {
    this.common.lossy = true
    for (const { session } of this.#carriers) for (const key of session.keys) key.isLossy = true
    this.#judged.length = 0
    this.#share(false)
  }

  /** From now on it may not: all go on with new keys. */
  endLosses(): void {
    this.common.lossy = false
    this.#share(true)
    for (const { session } of this.#carriers) session.renew()
  }

  /** Lets everybody finish, and compares what is there with what was confirmed. */
  async finish(ask: Ask, patience = 15_000): Promise<void> {
    for (const carrier of this.#carriers) carrier.stop()
    if (!(await this.#isOver(patience))) {
      for (const { session, outstanding } of this.#carriers)
        if (outstanding > 0)
          this.common.findings.add('lost', `${session.name}: ${outstanding} commands without a reply`)
      for (const carrier of this.#carriers) carrier.abandon()
      if (!(await this.#isOver(5000))) throw new Error('a session does not end')
    }
    await this.#settle(ask)
  }

  /** Ends it without a judgement. */
  abandon(): void {
    for (const carrier of this.#carriers) {
      carrier.stop()
      carrier.abandon()
    }
  }

  async #isOver(patience: number): Promise<boolean> {
    const limit = new AbortController()
    const tooLong = sleep(patience, false, { signal: limit.signal }).catch(() => false)
    const isOver = await Promise.race([this.#played.then(() => true), tooLong])
    limit.abort()
    return isOver
  }

  async #settle(ask: Ask): Promise<void> {
    for (const { session } of this.#carriers) {
      for (const key of session.keys) if (!key.isLossy) key.settle(await ask(key.name))
    }
    for (const { counters, registers } of this.#judged) {
      for (const counter of counters) this.common.findings.addAll(counter.check(Number((await ask(counter.key)) ?? 0)))
      for (const register of registers) {
        const there = await ask(register.key)
        this.common.findings.addAll(register.check(there, performance.now()))
      }
    }
  }

  #share(isJudged: boolean): void {
    this.common.shared = new SharedKeys(`${this.#judged.length}:${++this.#generation}:${this.common.shared.name}`)
    if (isJudged) this.#judged.push(this.common.shared)
  }
}
