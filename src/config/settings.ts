import type { Config } from './config.js'

/** A configuration by the keys of the file: what `get` of a key's segments finds there. Files that secrets came from are not kept. */
export function settingsOf(config: Config) {
  const { target, ...upstream } = config.upstream
  const { username, password } = target
  return { ...config, upstream: { url: target, username, password, ...upstream } }
}
