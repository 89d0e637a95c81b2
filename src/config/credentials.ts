import type { Login } from './config.js'
import { keyAt, type Key } from './keys.js'
import { get, type Layer } from './layer.js'
import type { ConfigProblem } from './mistake.js'

type Credentials = Pick<Login, 'username' | 'password'>

/** The sections of the configuration that have a login. */
type Section = 'upstream' | 'upstream.sentinel' | 'auth'

interface Offer {
  key: Key
  value: string | readonly string[]
}

/**
 * User and password come from the strongest source that gives them, be it in the URL or in keys of their own.
 *
 * @param layers the strongest first
 * @param readFile gives a file's text or throws
 */
export function readCredentials(section: Section, layers: readonly Layer[], readFile: (path: string) => string) {
  const reader = new CredentialReader(section, layers, readFile)
  return { login: reader.read(), problems: reader.problems }
}

/** The secret in a file's text, whose last line may have an end; null if there is none. */
export function secretIn(text: string): string | null {
  return text.replace(/\r?\n$/, '') || null
}

class CredentialReader {
  readonly problems: ConfigProblem[] = []

  constructor(
    readonly section: Section,
    readonly layers: readonly Layer[],
    readonly readFile: (path: string) => string,
  ) {}

  read(): Login {
    const user = this.#strongest('username')
    const password = this.#strongest('password')
    if (user !== null && password === null && this.section === 'upstream') {
      const message = 'a user is given without a password (write redis://:PASSWORD@HOST for a password alone)'
      this.#reject(user.layer, user.offer.key, message)
    }
    return { username: null, password: null, ...this.#value('username', user), ...this.#value('password', password) }
  }

  #strongest(part: keyof Credentials): { offer: Offer; layer: Layer } | null {
    for (const layer of this.layers) {
      const [offer, ...others] = this.#offers(layer, part)
      if (offer === undefined) continue
      for (const { key } of others) {
        this.#reject(layer, key, `the ${part} is given in ${offer.key.path} as well (keep one of them)`)
      }
      return { offer, layer }
    }
    return null
  }

  #value(part: keyof Credentials, found: { offer: Offer; layer: Layer } | null): Partial<Login> {
    if (found === null) return {}
    const { key, value } = found.offer
    if (typeof value !== 'string') return { passwordCommand: value }
    if (!key.path.endsWith('File')) return { [part]: value }
    return { [part]: this.#inFile(part, value, found.layer, key), [`${part}File`]: value }
  }

  #inFile(part: string, path: string, layer: Layer, key: Key): string | null {
    try {
      const secret = secretIn(this.readFile(path))
      if (secret === null) this.#reject(layer, key, `the file is empty (it must hold the ${part})`)
      return secret
    } catch (error) {
      this.#reject(layer, key, `the file cannot be read: ${reasonOf(error)}`)
      return null
    }
  }

  #offers({ settings }: Layer, part: keyof Credentials): Offer[] {
    const keys = [part, `${part}File`, `${part}Command`].map((name) => keyAt(`${this.section}.${name}`))
    const offers = keys
      .filter((key) => key !== undefined)
      .map((key) => ({ key, value: get(settings, key.segments) as Offer['value'] | undefined }))
    const inUrl = this.section === 'upstream' ? settings.upstream?.url?.[part] : undefined
    const all = [{ key: keyAt('upstream.url'), value: inUrl }, ...offers]
    return all.filter((offer): offer is Offer => offer.value !== undefined && offer.value !== null)
  }

  #reject(layer: Layer, { path }: Key, message: string): void {
    this.problems.push({ source: layer.source, line: layer.origins.get(path) ?? null, path, message })
  }
}

/** The system's code for why a file could not be read, such as ENOENT; its message would repeat the path. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
