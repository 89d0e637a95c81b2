import { usersProblems } from './access-checks.js'
import { readAdminToken } from './admin-token.js'
import { readCommandLine, type CommandLine } from './command-line.js'
import type { Config, Login, UpstreamTarget } from './config.js'
import { CONSTRAINTS } from './constraints.js'
import { readCredentials, reasonOf } from './credentials.js'
import { readEnvironment } from './environment.js'
import { deepFreeze } from './freeze.js'
import { defaultOf, keyAt, KEYS } from './keys.js'
import { get, Layer, put } from './layer.js'
import type { ConfigProblem } from './mistake.js'
import type { Settings } from './schema.js'
import { tlsProblems } from './tls.js'
import { readYaml } from './yaml-file.js'

export { describeProblems, type ConfigProblem } from './mistake.js'

export interface Sources {
  /** The arguments after the program's own name. */
  argv: string[]
  env: Record<string, string | undefined>
  /** The text of a file; throws if it cannot be read. */
  readFile(path: string): string
}

export type Loaded =
  { ok: true; config: Config; check: boolean } | { ok: 'help' | 'version' } | { ok: false; errors: ConfigProblem[] }

/** Makes one configuration of the defaults, the file, the environment and the flags, or says everything that is wrong. */
export function load(sources: Sources): Loaded {
  const commandLine = readCommandLine(sources.argv)
  if (commandLine.help) return { ok: 'help' }
  if (commandLine.version) return { ok: 'version' }

  // The strongest first.
  const layers = [commandLine.layer, readEnvironment(sources.env), readConfigFile(commandLine, sources)]
  const settings = merge(layers)
  const readFile = (path: string) => sources.readFile(path)
  const own = readCredentials('upstream', layers, readFile)
  const sentinel = readCredentials('upstream.sentinel', layers, readFile)
  const auth = readCredentials('auth', layers, readFile)
  const admin = readAdminToken(layers, readFile)
  const errors = [...layers.toReversed(), own, sentinel, auth, admin].flatMap(({ problems }) => problems)
  if (layers.every(({ readable }) => readable)) {
    errors.push(...missing(layers), ...conflicts(settings, layers))
    errors.push(...tlsProblems(settings, layers, readFile), ...usersProblems(settings, layers, readFile))
  }
  const url = settings.upstream.url
  if (errors.length > 0 || url === undefined) return { ok: false, errors }
  const logins = { upstream: own.login, sentinel: sentinel.login, auth: auth.login }
  const config = configOf(settings, url, logins, admin.token)
  return { ok: true, config: deepFreeze(config), check: commandLine.check }
}

function readConfigFile({ file }: CommandLine, sources: Sources): Layer {
  if (file === null) return new Layer('')
  let text: string
  try {
    text = sources.readFile(file)
  } catch (error) {
    const layer = new Layer(file)
    layer.readable = false
    layer.reject('', null, `the file cannot be read: ${reasonOf(error)} (check the path after -c)`)
    return layer
  }
  return readYaml(text, file)
}

function merge(layers: readonly Layer[]): Settings {
  const settings = {}
  for (const key of KEYS) {
    const given = layers.map((layer) => get(layer.settings, key.segments)).find((value) => value !== undefined)
    const value = given ?? (given === null ? null : defaultOf(key))
    if (value !== undefined) put(settings, key.segments, value)
  }
  // The keys come from the schema that the type comes from.
  return settings as Settings
}

/** The layer that decides about a key, even if with a value that cannot be used. */
function decider(layers: readonly Layer[], path: string): Layer | undefined {
  return layers.find(({ origins }) => origins.has(path))
}

function missing(layers: readonly Layer[]): ConfigProblem[] {
  const path = 'upstream.url'
  if (decider(layers, path) !== undefined) return []
  const source = layers.at(-1)!.source || 'command line'
  const message =
    'no upstream is given (use --upstream redis://HOST:PORT, the variable RESPOOL_UPSTREAM, or url under upstream in the file)'
  return [{ source, path, line: null, message }]
}

/** What does not fit together, or cannot be run; nothing is said of keys whose values are wrong in themselves. */
function conflicts(settings: Settings, layers: readonly Layer[]): ConfigProblem[] {
  const usable = (path: string) => {
    const layer = decider(layers, path)
    return layer === undefined || get(layer.settings, keyAt(path).segments) !== undefined
  }
  const rows = CONSTRAINTS.map(({ paths, violation }) => ({ paths, message: violation(settings) }))
  return rows.flatMap(({ paths, message }) => {
    const path = paths.find((each) => decider(layers, each) !== undefined)
    if (message === null || path === undefined || !paths.every(usable)) return []
    const { source, origins } = decider(layers, path)!
    return [{ source, path, line: origins.get(path)!, message }]
  })
}

function configOf(
  { upstream, auth, adminTokenFile: _path, ...others }: Settings,
  url: UpstreamTarget,
  logins: Record<'upstream' | 'sentinel' | 'auth', Login>,
  adminToken: string | null,
): Config {
  const { username, password, ...sources } = logins.upstream
  return {
    ...others,
    adminToken,
    auth: { ...without(auth, LOGIN_KEYS), ...logins.auth },
    upstream: {
      ...without(upstream, ['url', ...LOGIN_KEYS]),
      ...sources,
      target: { ...url, username, password },
      sentinel: { ...logins.sentinel, tls: upstream.sentinel.tls },
    },
  }
}

/** Keys that tell a login: a stronger source may have overruled what they say. */
const LOGIN_KEYS = ['username', 'usernameFile', 'password', 'passwordFile', 'passwordCommand'] as const

function without<T extends object, K extends string>(values: T, keys: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !keys.includes(name as K))) as Omit<T, K>
}
