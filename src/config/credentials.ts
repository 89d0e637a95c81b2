import type { UpstreamTarget } from './config.js'
import { keyAt, type Key } from './keys.js'
import type { Layer } from './layer.js'
import type { ConfigProblem } from './mistake.js'

type Credentials = Pick<UpstreamTarget, 'username' | 'password'>

interface Offer {
  key: Key
  value: string
}

/**
 * User and password come from the strongest source that gives them, be it in the URL or in keys of their own.
 *
 * @param layers the strongest first
 * @param readFile gives a file's text or throws
 */
export function readCredentials(layers: readonly Layer[], readFile: (path: string) => string) {
  const reader = new CredentialReader(layers, readFile)
  return { login: reader.read(), problems: reader.problems }
}

class CredentialReader {
  readonly problems: ConfigProblem[] = []

  constructor(
    readonly layers: readonly Layer[],
    readonly readFile: (path: string) => string,
  ) {}

  read(): Credentials {
    const user = this.#strongest('username')
    const login = this.#strongest('password')
    const password = login === null ? null : this.#password(login.offer, login.layer)
    if (user !== null && login === null) {
      const message = 'a user is given without a password (write redis://:PASSWORD@HOST for a password alone)'
      this.#reject(user.layer, user.offer.key, message)
    }
    return { username: user?.offer.value ?? null, password }
  }

  #strongest(part: keyof Credentials): { offer: Offer; layer: Layer } | null {
    for (const layer of this.layers) {
      const [offer, other] = offersOf(layer, part)
      if (offer === undefined) continue
      if (other !== undefined) {
        this.#reject(layer, other.key, `the ${part} is given in ${offer.key.path} as well (keep one of them)`)
      }
      return { offer, layer }
    }
    return null
  }

  #password({ key, value }: Offer, layer: Layer): string | null {
    if (key !== keyAt('upstream.passwordFile')) return value
    const password = this.#readSecret(value, layer, key)?.replace(/\r?\n$/, '')
    if (password === '') this.#reject(layer, key, 'the file is empty (it must hold the password)')
    return password || null
  }

  #readSecret(path: string, layer: Layer, key: Key): string | undefined {
    try {
      return this.readFile(path)
    } catch (error) {
      this.#reject(layer, key, `the file cannot be read: ${reasonOf(error)}`)
      return undefined
    }
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

function offersOf({ settings: { upstream } }: Layer, part: keyof Credentials): Offer[] {
  const offers = [
    { key: keyAt('upstream.url'), value: upstream?.url?.[part] },
    { key: keyAt(`upstream.${part}`), value: upstream?.[part] },
    { key: keyAt('upstream.passwordFile'), value: part === 'password' ? upstream?.passwordFile : undefined },
  ]
  return offers.filter((offer): offer is Offer => typeof offer.value === 'string')
}
