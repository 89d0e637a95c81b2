import { isDeepStrictEqual } from 'node:util'
import type { Config } from './config.js'
import { CONSTRAINTS } from './constraints.js'
import { deepFreeze } from './freeze.js'
import { KEYS } from './keys.js'
import { get, put } from './layer.js'
import type { ConfigProblem } from './mistake.js'
import type { Settings } from './schema.js'
import { settingsOf } from './settings.js'

/**
 * What a changed key needs.
 *
 * - live: in force at once
 * - connections: in force for new connections, while open ones keep what they have been opened with
 * - restart: kept as it is until the process starts again
 */
export type Effect = 'live' | 'connections' | 'restart'

/** By key, or by section for those of its keys that have no row of their own. */
export const EFFECTS: Readonly<Record<string, Effect>> = {
  // Listeners are added and removed too; connections of a removed one stay.
  listen: 'connections',
  admin: 'restart',
  adminToken: 'live',
  adminTokenFile: 'live',
  auth: 'live',
  passthrough: 'live',
  upstream: 'restart',
  'upstream.username': 'live',
  'upstream.usernameFile': 'live',
  'upstream.password': 'live',
  'upstream.passwordFile': 'live',
  'upstream.passwordCommand': 'live',
  'upstream.passwordInterval': 'live',
  'upstream.sentinel.username': 'live',
  'upstream.sentinel.password': 'live',
  'upstream.sentinel.passwordFile': 'live',
  'upstream.connectTimeout': 'live',
  'upstream.commandTimeout': 'live',
  'upstream.holdTime': 'live',
  'upstream.maxHeld': 'live',
  'upstream.keepAlive': 'connections',
  pool: 'live',
  'pool.maxLifetime': 'connections',
  'pool.jitter': 'connections',
  commands: 'restart',
  standIn: 'restart',
  guard: 'live',
  limits: 'live',
  'limits.outstanding': 'connections',
  'limits.outputBytes': 'connections',
  'limits.handshakeTimeout': 'connections',
  scripts: 'restart',
  cache: 'restart',
  drain: 'live',
  reload: 'live',
  log: 'live',
  tracing: 'restart',
  workers: 'restart',
}

export function effectOf(path: string): Effect {
  const effect = EFFECTS[path]
  if (effect !== undefined) return effect
  const dot = path.lastIndexOf('.')
  if (dot === -1) throw new Error(`no row for ${path}`)
  return effectOf(path.slice(0, dot))
}

export interface Change {
  /** Such as `pool.max`. */
  readonly key: string
  readonly effect: Effect
}

export interface Plan {
  readonly changes: readonly Change[]
  /** What is to run: as wanted, but for the keys that need a restart. */
  readonly config: Config
  /** Why that cannot be: what is kept does not go together with what is new. */
  readonly problems: readonly ConfigProblem[]
}

/** What becomes of a configuration that is to take the place of the running one. */
export function planReload(running: Config, wanted: Config): Plan {
  const old = settingsOf(running)
  const next = settingsOf(structuredClone(wanted))
  const changed = KEYS.filter(({ segments }) => !isDeepStrictEqual(get(old, segments), get(next, segments)))
  const changes = changed.map(({ path }) => ({ key: path, effect: effectOf(path) }))
  for (const { path, segments } of changed) {
    if (effectOf(path) === 'restart') put(next, segments, get(old, segments))
  }
  const { url, username, password, ...upstream } = next.upstream
  const config: Config = { ...next, upstream: { ...upstream, target: { ...url, username, password } } }
  return { changes, config: deepFreeze(config), problems: changes.length === 0 ? [] : conflictsIn(config) }
}

function conflictsIn(config: Config): ConfigProblem[] {
  // All that constraints look at is there.
  const settings = settingsOf(config) as unknown as Settings
  return CONSTRAINTS.flatMap(({ paths, violation }) => {
    const message = violation(settings)
    if (message === null) return []
    const kept = paths.filter((path) => effectOf(path) === 'restart').join(', ') || 'others'
    return [
      { source: 'reload', path: paths[0], line: null, message: `${message}; ${kept} changes with a restart only` },
    ]
  })
}
