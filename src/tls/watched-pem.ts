import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { type Pem, readPem } from '../config/pem.js'
import type { EventLog } from '../util/log.js'

/** How often the files are looked at, ms. Asking again and again also notices links that lead elsewhere, as Kubernetes renews secrets. */
const INTERVAL = 1000

const read = (path: string): string => readFileSync(path, 'utf8')

/** The files of one use of TLS: read at once, and again whenever they have changed. What cannot be used changes nothing. */
export class WatchedPem {
  #pem: Pem
  readonly #paths: readonly string[]
  readonly #changed = () => this.#reload()

  /**
   * @param name where they stand in the configuration
   * @param use takes what was read
   * @throws PemMistake
   */
  constructor(
    readonly files: Pem,
    readonly name: string,
    readonly log: EventLog,
    readonly use: (pem: Pem) => void,
  ) {
    const { ca, cert, key } = files
    this.#paths = [ca, cert, key].filter((path) => path !== undefined)
    this.#pem = readPem(files, read)
    use(this.#pem)
    for (const path of this.#paths) watchFile(path, { interval: INTERVAL, persistent: false }, this.#changed)
  }

  stop(): void {
    for (const path of this.#paths) unwatchFile(path, this.#changed)
  }

  #reload(): void {
    const { name, log } = this
    try {
      const pem = readPem(this.files, read)
      if (pem.ca === this.#pem.ca && pem.cert === this.#pem.cert && pem.key === this.#pem.key) return
      this.use(pem)
      this.#pem = pem
      log.event('info', 'tls_renewed', { name })
    } catch (error) {
      // A certificate and its key do not change in the same moment: another change follows.
      log.event('warn', 'tls_renewal_failed', { name, error: (error as Error).message, advice: KEPT })
    }
  }
}

const KEPT = 'connections go on with what was read before; the files are read again when they change'
