import { readFileSync, unwatchFile, watchFile } from 'node:fs'

/** How often files are looked at, ms. Asking again and again also notices links that lead elsewhere, as Kubernetes changes a ConfigMap. */
const INTERVAL = 1000

/** Tells when any of some files has changed, once it has stayed as it is for a while: none is read while it is being written. */
export class WatchedFiles {
  #paths = new Set<string>()
  #settling: NodeJS.Timeout | null = null
  readonly #changed = () => {
    this.#settling?.close()
    this.#settling = setTimeout(this.onChange, INTERVAL).unref()
  }

  constructor(readonly onChange: () => void) {}

  /** These from now on, and no others. */
  watch(paths: Iterable<string>): void {
    const wanted = new Set(paths)
    for (const path of this.#paths) if (!wanted.has(path)) unwatchFile(path, this.#changed)
    for (const path of wanted) {
      if (!this.#paths.has(path)) watchFile(path, { interval: INTERVAL, persistent: false }, this.#changed)
    }
    this.#paths = wanted
  }

  stop(): void {
    this.watch([])
    this.#settling?.close()
  }
}

export const readText = (path: string): string => readFileSync(path, 'utf8')
