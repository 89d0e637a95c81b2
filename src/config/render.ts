import Value from 'typebox/value'
import { stringify } from 'yaml'
import type { Config } from './config.js'
import { KEYS } from './keys.js'
import { get, put } from './layer.js'

/** The effective configuration under the names and in the units of the file, for JSON. Passwords are `***`. */
export function publicConfig(config: Config): object {
  const { target, ...upstream } = config.upstream
  const { username, password } = target
  const settings = { ...config, upstream: { url: target, username, password, ...upstream } }
  const shown = {}
  for (const { segments, schema } of KEYS) {
    const value = get(settings, segments)
    // Null is an admin address that is off, but a user or password that is not there.
    if (value === undefined || (value === null && segments[0] === 'upstream')) continue
    put(shown, segments, Value.Encode(schema, value))
  }
  return shown
}

/** The same as YAML. */
export function printable(config: Config): string {
  return stringify(publicConfig(config))
}
