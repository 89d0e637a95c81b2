import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { Random } from '../conformance/garble.ts'
import { Counters } from './counters.ts'
import { corpusOf } from './corpus.ts'
import { mutated } from './mutate.ts'
import type { Running, Target } from './target.ts'
import type { Watchdog } from './watchdog.ts'

// A fuzzer of our own, small as it is: the packaged ones for JavaScript either are no longer kept or bring machine code that does not load on
// every system this is to run on (it wants a newer C library than Debian 12 has) and is otherwise built from downloads that are no packages.

const SAMPLES = 100
/** One input in so many is a fresh sample instead of a changed one. */
const FRESH = 16

export interface Found {
  executions: number
  /** Inputs that did something new. */
  kept: number
  /** Statements and branches, of all in the modules loaded. */
  covered: number
  total: number
  failure: Failure | null
}

export interface Failure {
  readonly input: Buffer
  readonly error: Error
}

/**
 * Tries inputs until the time is over or one fails: those of the corpus, samples, and mutations of those that did something new.
 *
 *     corpus, samples ──► run ──► anything new? ──► kept ──► changed ──► run …
 */
export async function campaign(
  target: Target,
  running: Running,
  seed: number,
  until: number,
  dog: Watchdog,
): Promise<Found> {
  const random = new Random(seed)
  const counters = new Counters()
  const words = target.words.map((word) => Buffer.from(word, 'latin1'))
  const sample = () => fc.sample(target.samples, { numRuns: SAMPLES, seed: random.below(2 ** 31) })
  const kept: Buffer[] = []
  const found: Found = { executions: 0, kept: 0, covered: 0, total: 0, failure: null }
  let waiting = [...sample(), ...corpusOf(target.name).map(({ bytes }) => bytes)]
  while (found.executions === 0 || Date.now() < until) {
    if (waiting.length === 0 && (kept.length === 0 || random.below(FRESH * SAMPLES) === 0)) waiting = sample()
    const material = { words, others: kept, longest: target.longest }
    const input = waiting.pop() ?? mutated(chosen(kept, random), random, material)
    counters.reset()
    const error = await attempt(running, input, dog)
    found.executions++
    // Signals are looked at between turns only.
    if (found.executions % 500 === 0) await nextTurn()
    if (error !== null) {
      found.failure = { input, error }
      break
    }
    if (counters.news() > 0 || kept.length === 0) {
      kept.push(input)
      found.kept++
    }
  }
  return Object.assign(found, { covered: counters.covered, total: counters.total })
}

/** What was found lately is looked at more often. */
function chosen(kept: readonly Buffer[], random: Random): Buffer {
  const late = Math.min(kept.length, 20)
  return random.below(2) === 0 ? random.pick(kept) : kept[kept.length - 1 - random.below(late)]
}

/** Runs one input; null if all is well, otherwise why not. */
export async function attempt(running: Running, input: Buffer, dog: Watchdog): Promise<Error | null> {
  dog.begin(input)
  Crashes.begin()
  let failure: Error | null = null
  try {
    const result = running.run(input)
    if (result !== undefined) await result
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
  }
  dog.end()
  return Crashes.take() ?? failure
}

/** Faults that nobody caught, such as in the handler of an event: they are of the input that is being run. */
export class Crashes {
  static #first: Error | null = null
  static #watching = false

  static watch(): void {
    process.on('uncaughtException', (error) => {
      if (Crashes.#watching) return void (Crashes.#first ??= error)
      console.error(error)
      process.exit(1)
    })
  }

  static begin(): void {
    Crashes.#watching = true
  }

  static take(): Error | null {
    const error = Crashes.#first
    Crashes.#first = null
    Crashes.#watching = false
    return error
  }
}
