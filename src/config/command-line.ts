import { parseArgs, type ParseArgsConfig } from 'node:util'
import { keyAt, readTexts } from './keys.js'
import { Layer } from './layer.js'
import { didYouMean } from './suggest.js'

interface Flag {
  short?: string
  /** Name of the value in the usage text; a flag without one is a switch. */
  value?: string
  /** The key that the value is for. */
  path?: string
  help: string
}

const FLAGS: Record<string, Flag> = {
  config: { short: 'c', value: 'FILE', help: 'read the configuration from a YAML file' },
  listen: {
    value: 'ADDR',
    path: 'listen',
    help: 'where applications connect; may be repeated (default 127.0.0.1:6379)',
  },
  admin: {
    value: 'ADDR',
    path: 'admin',
    help: 'where metrics and the admin API are served, or off (default 127.0.0.1:9121)',
  },
  upstream: { value: 'URL', path: 'upstream.url', help: 'the Redis to send commands to' },
  workers: { value: 'N', path: 'workers', help: 'processes that share the work (default 1)' },
  'log-level': {
    value: 'L',
    path: 'log.level',
    help: 'trace, debug, info, warn, error, fatal or silent (default info)',
  },
  check: { help: 'check the configuration, print it with secrets hidden, and exit with 0 or 2' },
  version: { help: 'print the version' },
  help: { short: 'h', help: 'print this text' },
}

export interface CommandLine {
  layer: Layer
  /** Path of the configuration file. */
  file: string | null
  check: boolean
  version: boolean
  help: boolean
}

/** @param argv the arguments after the program's own name */
export function readCommandLine(argv: string[]): CommandLine {
  const layer = new Layer('command line')
  const values: Record<string, string[]> = {}
  for (const token of tokensOf(argv)) {
    if (token.kind === 'positional') layer.reject('', null, misplaced(token.value))
    if (token.kind !== 'option') continue
    const value = valueOf(token, layer)
    if (value !== null) (values[token.name] ??= []).push(value)
  }
  for (const [name, given] of Object.entries(values)) giveFlag(layer, name, given)
  const has = (name: string) => values[name] !== undefined
  return { layer, file: values.config?.at(-1) ?? null, check: has('check'), version: has('version'), help: has('help') }
}

/** The text for --help. */
export function usage(): string {
  const rows = Object.entries(FLAGS).map(([name, { short, value, help }]) => {
    const names = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
    return `  ${names.padEnd(20)} ${help}`
  })
  return `Usage: respool [-c FILE] [--listen ADDR]... [--admin ADDR] [--upstream URL] [--workers N]
               [--log-level L] [--check] [--version] [--help]

Redis proxy that serves many application connections over a few pooled ones.

${rows.join('\n')}

ADDR is HOST:PORT, :PORT (every interface), [IPV6]:PORT or unix:PATH.
URL is redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or redis+unix:///PATH[?db=N];
redis+cluster://HOST:PORT,HOST:PORT names the nodes of a cluster, and
redis+sentinel://HOST:PORT,HOST:PORT/SERVICE[/DB] the sentinels of a service;
rediss instead of redis encrypts with TLS. An upstream must be given.

Every key of the file can be set by a variable as well: RESPOOL_POOL_MAX for
pool.max, RESPOOL_UPSTREAM_COMMAND_TIMEOUT for upstream.commandTimeout, and
RESPOOL_UPSTREAM for upstream.url; RESPOOL_LISTEN takes a list with commas.
Variables override the file, and flags override both.

Exit codes: 0 clean stop, 1 fault, 2 bad configuration or usage.`
}

function tokensOf(argv: string[]) {
  const options: ParseArgsConfig['options'] = {}
  for (const [name, { short, value }] of Object.entries(FLAGS)) {
    options[name] = { type: value === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) }
  }
  // Not strict, so that every mistake is seen and not just the first, and none of them is quoted.
  return parseArgs({ args: argv, options, strict: false, tokens: true, allowPositionals: true }).tokens
}

interface OptionToken {
  name: string
  rawName: string
  value?: string | undefined
  inlineValue?: boolean | undefined
}

/** The text given with a flag, empty for a switch; null if the flag is wrong, which is noted. */
function valueOf({ name, rawName, value, inlineValue }: OptionToken, layer: Layer): string | null {
  const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined
  if (flag === undefined) {
    const known = Object.keys(FLAGS).map((each) => `--${each}`)
    layer.reject(rawName, null, `unknown flag${didYouMean(rawName, known) || ' (--help lists them)'}`)
    return null
  }
  if (flag.value === undefined) {
    if (value === undefined) return ''
    layer.reject(rawName, null, 'takes no value')
    return null
  }
  if (value === undefined || value === '' || (!inlineValue && value.startsWith('-'))) {
    layer.reject(rawName, null, `needs a value: ${rawName} ${flag.value}`)
    return null
  }
  return value
}

/** The last one counts if a flag that takes one value is repeated, so that a script can append its own. */
function giveFlag(layer: Layer, name: string, given: string[]): void {
  const { path } = FLAGS[name]
  if (path === undefined) return
  const key = keyAt(path)
  layer.give(key, null, () => readTexts(key, given), `--${name}`)
}

/** The argument itself is not shown: after a mistyped flag it may be a secret. */
function misplaced(value: string): string {
  if (value.includes('://')) return 'a URL stands without a flag (put --upstream before it)'
  return 'an argument stands without a flag (--help lists the flags)'
}
