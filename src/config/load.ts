import { readAdminToken } from './admin-token.js'
import { readCommandLine, type CommandLine } from './command-line.js'
import type { Config, UpstreamTarget } from './config.js'
import { CONSTRAINTS } from './constraints.js'
import { readCredentials, reasonOf } from './credentials.js'
import { readEnvironment } from './environment.js'
import { deepFreeze } from './freeze.js'
import { defaultOf, keyAt, KEYS } from './keys.js'
import { get, Layer, put } from './layer.js'
import type { ConfigProblem } from './mistake.js'
import type { Settings } from './schema.js'
import { UNSUPPORTED } from './support.js'
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
  const credentials = readCredentials(layers, (path) => sources.readFile(path))
  const adminToken = readAdminToken(layers, (path) => sources.readFile(path))
  const errors = [...layers.toReversed(), credentials, adminToken].flatMap(({ problems }) => problems)
  if (layers.every(({ readable }) => readable)) {
    errors.push(...missing(layers), ...conflicts(settings, layers))
    errors.push(...tlsProblems(settings, layers, (path) => sources.readFile(path)))
  }
  const url = settings.upstream.url
  if (errors.length > 0 || url === undefined) return { ok: false, errors }
  const config = configOf(settings, { ...url, ...credentials.login }, adminToken.token)
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
  const rows = [
    ...CONSTRAINTS.map(({ paths, violation }) => ({ paths, message: violation(settings) })),
    ...UNSUPPORTED.map(({ path, what, wanted }) => ({
      paths: [path],
      message: wanted(settings) ? `${what} is not supported by this version` : null,
    })),
  ]
  return rows.flatMap(({ paths, message }) => {
    const path = paths.find((each) => decider(layers, each) !== undefined)
    if (message === null || path === undefined || !paths.every(usable)) return []
    const { source, origins } = decider(layers, path)!
    return [{ source, path, line: origins.get(path)!, message }]
  })
}

function configOf(
  { upstream, adminTokenFile: _path, ...others }: Settings,
  target: UpstreamTarget,
  adminToken: string | null,
): Config {
  const {
    tls,
    sentinel,
    cluster,
    start,
    clientName,
    connectTimeout,
    commandTimeout,
    holdTime,
    maxHeld,
    reconnect,
    keepAlive,
  } = upstream
  return {
    ...others,
    adminToken,
    upstream: {
      target,
      tls,
      sentinel,
      cluster,
      start,
      clientName,
      connectTimeout,
      commandTimeout,
      holdTime,
      maxHeld,
      reconnect,
      keepAlive,
    },
  }
}
