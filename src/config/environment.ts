import { isList, KEYS, PREFIX, readTexts, type Key } from './keys.js'
import { Layer } from './layer.js'
import { didYouMean } from './suggest.js'

/** The one variable whose name is not made from its key's path. */
const SHORT = 'RESPOOL_UPSTREAM'
const LONG = 'RESPOOL_UPSTREAM_URL'

const VARIABLES: ReadonlyMap<string, Key> = new Map([
  ...KEYS.map((key): [string, Key] => [key.variable, key]),
  ...KEYS.filter(({ variable }) => variable === LONG).map((key): [string, Key] => [SHORT, key]),
])

/**
 * Variables that Kubernetes sets in every pod for each Service; those of a Service whose name is or begins with `respool` bear our
 * prefix. Those that end in PORT could be someone's guess at a setting, if not for their value.
 */
const SERVICE_LINK = /^RESPOOL_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/
const SERVICE_PORT = /^RESPOOL_(.+_)?PORT$/
const SERVICE_PORT_VALUE = /^(tcp|udp|sctp):\/\//

/** Reads the variables that begin with `RESPOOL_`. Empty ones count as not set. */
export function readEnvironment(env: Record<string, string | undefined>): Layer {
  const layer = new Layer('environment')
  if (env[SHORT] && env[LONG]) layer.reject('upstream.url', null, `${SHORT} and ${LONG} are both set (keep one)`)
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || !value || isServiceLink(name, value)) continue
    const key = VARIABLES.get(name)
    if (key === undefined) layer.reject(name, null, `unknown variable${didYouMean(name, [...VARIABLES.keys()])}`)
    else layer.give(key, null, () => readTexts(key, isList(key) ? splitList(value) : [value]), name)
  }
  return layer
}

function isServiceLink(name: string, value: string): boolean {
  return SERVICE_LINK.test(name) || (SERVICE_PORT.test(name) && SERVICE_PORT_VALUE.test(value))
}

function splitList(value: string): string[] {
  return value.split(',').map((item) => item.trim())
}
