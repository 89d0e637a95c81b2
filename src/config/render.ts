import Value from 'typebox/value'
import { stringify } from 'yaml'
import type { Config } from './config.js'
import { KEYS } from './keys.js'
import { get, put } from './layer.js'
import { settingsOf } from './settings.js'

/** The effective configuration under the names and in the units of the file, for JSON. Passwords are `***`. */
export function publicConfig(config: Config): object {
  const { auth, upstream, ...others } = settingsOf(config)
  const settings = {
    ...others,
    auth: withoutRead(auth),
    upstream: { ...withoutRead(upstream), sentinel: withoutRead(upstream.sentinel) },
  }
  const shown = {}
  for (const { path, segments, schema } of KEYS) {
    const value = get(settings, segments)
    // Null is an admin address that is off, but a secret or user that is not there.
    if (value === undefined || (value === null && path !== 'admin')) continue
    put(shown, segments, Value.Encode(schema, value))
  }
  return shown
}

/** A login without what was read from the files that it names, so that what is shown can be read again. */
function withoutRead<T extends { usernameFile?: string; passwordFile?: string }>(login: T): object {
  const { usernameFile, passwordFile } = login
  return {
    ...login,
    ...(usernameFile === undefined ? {} : { username: undefined }),
    ...(passwordFile === undefined ? {} : { password: undefined }),
  }
}

/** The same as YAML. */
export function printable(config: Config): string {
  return stringify(publicConfig(config))
}
