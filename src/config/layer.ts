import type { Address, UpstreamTarget } from './config.js'
import type { Key } from './keys.js'
import { type ConfigProblem, Mistake } from './mistake.js'
import type { Settings } from './schema.js'

type Sparse<T> = T extends readonly unknown[] | Address | UpstreamTarget
  ? T
  : T extends object
    ? { [K in keyof T]?: Sparse<T[K]> }
    : T

/** A part of the settings: any key may be missing. */
export type GivenSettings = Sparse<Settings>

/** What one source gives: the file, the environment or the command line. */
export class Layer {
  readonly settings: GivenSettings = {}
  readonly problems: ConfigProblem[] = []
  /** Lines by the paths of the keys that are given here, rightly or wrongly. */
  readonly origins = new Map<string, number | null>()
  /** False if so much is wrong that nothing can be said of what is missing. */
  readable = true

  constructor(readonly source: string) {}

  /**
   * Takes a key's value, or notes why it cannot be used.
   *
   * @param read gives the decoded value or throws a Mistake
   * @param name how the source calls the key, where that is not by its path
   */
  give(key: Key, line: number | null, read: () => unknown, name = ''): void {
    this.origins.set(key.path, line)
    try {
      put(this.settings, key.segments, read())
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      this.reject(key.path, line, name === '' ? error.message : `${name} ${error.message}`)
    }
  }

  reject(path: string, line: number | null, message: string): void {
    this.problems.push({ source: this.source, path, line, message })
  }
}

type Tree = Record<string, unknown>

/** Sets the value at a path that comes from the schema, never from outside. */
export function put(tree: object, segments: readonly string[], value: unknown): void {
  let node = tree as Tree
  for (const segment of segments.slice(0, -1)) node = (node[segment] ??= {}) as Tree
  node[segments.at(-1)!] = value
}

/** The value at a path; undefined if it is not there. */
export function get(tree: object, segments: readonly string[]): unknown {
  return segments.reduce<unknown>((node, segment) => (node as Tree | undefined)?.[segment], tree)
}
