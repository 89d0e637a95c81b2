import type { Settings } from './schema.js'

/** What can be written in the configuration but not yet be run: delete a row once it can. */
export const UNSUPPORTED: readonly { path: string; what: string; wanted: (settings: Settings) => boolean }[] = [
  { path: 'workers', what: 'more than one worker', wanted: ({ workers }) => workers > 1 },
]
