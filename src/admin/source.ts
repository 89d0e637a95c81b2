import type { Registry } from 'prom-client'
import type { Level } from '../config/config.js'
import type { Vitals } from '../metrics/vitals.js'

/** Several processes have to be asked first. */
type Later<T> = T | Promise<T>

/** What the admin server shows of the running proxy. Secrets are already hidden in what these give. */
export interface AdminSource {
  registry: Pick<Registry, 'metrics' | 'contentType'>
  /** Whether traffic should be sent here, and if not, why. */
  ready(): { ready: boolean; reasons: string[] }
  /** Whether start-up is over. */
  started(): boolean
  stats(): Later<object>
  vitals(): Later<Vitals>
  topology(): Later<object>
  /** @param most if given, only so many: those that were active last */
  clients(most?: number): Later<object[]>
  config(): object
  /** Commands that took long, keys that are used most, and what an audit has found. */
  slowlog(): Later<object>
  hotkeys(): Later<object>
  audit(): Later<object>

  /** What calls that change something must bear; null if nothing was configured. */
  token(): string | null
  /** Reads the configuration again; says what has changed, or why nothing has. */
  reload(): Promise<{ result: string }>
  /** Begins to end. */
  drain(): void
  setLogLevel(level: Level): void
}
