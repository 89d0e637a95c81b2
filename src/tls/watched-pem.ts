import { type Pem, readPem } from '../config/pem.js'
import type { EventLog } from '../util/log.js'
import { readText, WatchedFiles } from '../util/watched-files.js'

/** The files of one use of TLS: read at once, and again whenever they have changed. What cannot be used changes nothing. */
export class WatchedPem {
  #pem: Pem
  readonly #watched = new WatchedFiles(() => this.#reload())

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
    this.#pem = readPem(files, readText)
    use(this.#pem)
    const paths = [ca, cert, key].filter((path) => path !== undefined)
    this.#watched.watch(paths)
  }

  stop(): void {
    this.#watched.stop()
  }

  #reload(): void {
    const { name, log } = this
    try {
      const pem = readPem(this.files, readText)
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
