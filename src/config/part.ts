import type { Config } from './config.js'

/** Goes by another configuration from now on. That cannot fail: whatever can be wrong with one was looked for before. */
export interface Part {
  apply(config: Config): void
}

/** What can fail about another configuration is over: it is put in force, or left. */
export interface Prepared {
  commit(): void
  cancel(): void
}
