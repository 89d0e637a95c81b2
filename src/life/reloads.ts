import { createHash } from 'node:crypto'
import type { Config } from '../config/config.js'
import { load, type ConfigProblem, type Sources } from '../config/load.js'
import type { Prepared } from '../config/part.js'
import { type Change, planReload } from '../config/reload-plan.js'
import { publicConfig } from '../config/render.js'
import type { Recorder } from '../metrics/recorder.js'
import type { EventLog } from '../util/log.js'
import { WatchedFiles } from '../util/watched-files.js'

/** What runs, and can go by another configuration. */
export interface Reloadable {
  readonly config: Config
  /** Fails, and has changed nothing, if it cannot. */
  prepare(config: Config): Promise<Prepared>
}

export type Cause = 'signal' | 'file' | 'call'

/** What came of a reload. */
export interface Reload {
  readonly result: 'applied' | 'unchanged' | 'refused'
  /** The keys that differ, and what each needs: those that need a restart stay as they were. */
  readonly changes: readonly Change[]
  readonly problems: readonly ConfigProblem[]
}

/**
 * Reads the configuration again and has it take the place of the running one: all or nothing.
 *
 *     asked ──► read ──► planned ──► prepared ──► in force: applied, unchanged
 *                 └─────────┴───────────┴───────► refused, with what is wrong; nothing has changed
 *
 * Invariant: one goes on at a time, and what comes before `commit` changes nothing that anybody could see.
 */
export class Reloads {
  #last: Promise<unknown> = Promise.resolve()
  /** The files that were read last. */
  #files = new Set<string>()
  readonly #watched = new WatchedFiles(() => void this.reload('file'))

  constructor(
    readonly sources: Sources,
    readonly running: Reloadable,
    readonly recorder: Recorder,
    readonly log: EventLog,
  ) {
    this.#note(running.config)
    // To know which files there are.
    if (running.config.reload === 'watch') this.#read()
    this.#watch()
  }

  reload(cause: Cause): Promise<Reload> {
    const next = this.#last.then(() => this.#reload(cause))
    this.#last = next.catch(() => undefined)
    return next
  }

  stop(): void {
    this.#watched.stop()
  }

  async #reload(cause: Cause): Promise<Reload> {
    const reload = await this.#replace()
    const { result, changes, problems } = reload
    this.recorder.reloads.add(result === 'refused' ? 'failed' : 'ok')
    if (result === 'refused') this.log.event('error', 'config_refused', { cause, problems })
    else this.log.event('info', 'config_reloaded', { cause, result, changes })
    this.#watch()
    return reload
  }

  async #replace(): Promise<Reload> {
    const loaded = this.#read()
    if (loaded.ok !== true) return refused(loaded.ok === false ? loaded.errors : [])
    const { changes, config, problems } = planReload(this.running.config, loaded.config)
    if (problems.length > 0) return refused(problems, changes)
    if (changes.length > 0) {
      try {
        const prepared = await this.running.prepare(config)
        prepared.commit()
      } catch (error) {
        const { message } = error as Error
        return refused([{ source: 'reload', path: '', line: null, message }], changes)
      }
    }
    this.#note(config, changes)
    return { result: changes.length > 0 ? 'applied' : 'unchanged', changes, problems: [] }
  }

  #read() {
    const files = new Set<string>()
    const readFile = (path: string) => {
      files.add(path)
      return this.sources.readFile(path)
    }
    const loaded = load({ ...this.sources, readFile })
    this.#files = files
    return loaded
  }

  #watch(): void {
    this.#watched.watch(this.running.config.reload === 'watch' ? this.#files : [])
  }

  /** What the metrics say of the configuration that runs. */
  #note(config: Config, changes: readonly Change[] = []): void {
    this.recorder.configHash = hashOf(config)
    this.recorder.configLoadedAt = Date.now()
    this.recorder.configPending = changes.filter(({ effect }) => effect === 'restart').length
  }
}

function refused(problems: readonly ConfigProblem[], changes: readonly Change[] = []): Reload {
  return { result: 'refused', changes, problems }
}

/** The same number for the same configuration, exact as a floating-point number. Secrets do not enter into it. */
function hashOf(config: Config): number {
  return createHash('sha256')
    .update(JSON.stringify(publicConfig(config)))
    .digest()
    .readUIntBE(0, 6)
}
