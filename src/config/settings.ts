import type { Config } from './config.js'

/**
 * A configuration by the keys of the file: what `get` of a key's segments finds there. The URL is without its login, which stands apart; the
 * file that the admin token came from is not kept.
 */
export function settingsOf(config: Config) {
  const { target, ...upstream } = config.upstream
  const { username, password } = target
  const url = { ...target, username: null, password: null }
  return { ...config, upstream: { url, username, password, ...upstream } }
}
