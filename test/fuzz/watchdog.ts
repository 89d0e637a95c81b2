import { Worker } from 'node:worker_threads'

/** An input that takes longer hangs, ms: far more than a loaded machine needs for any of them. */
const LIMIT = 60_000
/** As much of an input as is written to the file; none is longer. */
const MOST_BYTES = 64 * 1024

/**
 * Ends the process if one input takes for ever, which the thread that runs it could not do itself, and writes the input to a file.
 *
 *     main thread     begin(input): copies it, beat += 1        end(): beat = 0
 *     own thread      looks ten times in the limit whether the beat is still the same, and not 0
 */
export class Watchdog {
  readonly #numbers: Int32Array
  readonly #bytes: Uint8Array
  readonly #worker: Worker
  #beats = 0

  /** @param words what is said when that happens, before the process is killed */
  constructor(path: string, words: string) {
    const shared = new SharedArrayBuffer(8 + MOST_BYTES)
    this.#numbers = new Int32Array(shared, 0, 2)
    this.#bytes = new Uint8Array(shared, 8)
    const workerData = { shared, limit: LIMIT, path, words }
    this.#worker = new Worker(new URL('watchdog-thread.mjs', import.meta.url), { workerData, execArgv: [] })
    this.#worker.unref()
  }

  begin(input: Buffer): void {
    const kept = input.subarray(0, MOST_BYTES)
    this.#bytes.set(kept)
    this.#numbers[1] = kept.length
    this.#beats = (this.#beats % 2 ** 30) + 1
    Atomics.store(this.#numbers, 0, this.#beats)
  }

  end(): void {
    Atomics.store(this.#numbers, 0, 0)
  }

  stop(): Promise<number> {
    return this.#worker.terminate()
  }
}
