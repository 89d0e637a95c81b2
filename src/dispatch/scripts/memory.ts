import { hash } from 'node:crypto'

/** A script's body, and the name by which EVALSHA calls it. */
export interface Script {
  readonly sha: string
  readonly body: Buffer
  /** What `lookOf` says of its body. */
  readonly look: number
}

/** Bytes that `lookOf` looks at. */
const SAMPLES = 32

/**
 * The bodies of the scripts that applications used last.
 *
 *     by SHA1   [ used longest ago … used last ]     the first leave when there are too many, or too many bytes
 *     by look   the newest script of each look
 *
 * Invariant: both hold the same scripts, but for those by look whose look a newer one has; their bodies have `bytes` bytes.
 * Most bodies come again and again, so that their digest is known from a look at a few bytes and one comparison.
 */
export class ScriptMemory {
  bytes = 0
  readonly #bySha = new Map<string, Script>()
  readonly #byLook = new Map<number, Script>()
  #newest: Script | null = null

  constructor(
    readonly maxCount: number,
    readonly maxBytes: number,
  ) {}

  /** False if it is configured to remember nothing. */
  get enabled(): boolean {
    return this.maxCount > 0 && this.maxBytes > 0
  }

  get size(): number {
    return this.#bySha.size
  }

  /** Takes in the body in this range, which is copied if it is new; null if it is too large to be remembered. */
  remember(buf: Buffer, start: number, end: number): Script | null {
    if (end - start > this.maxBytes) return null
    const look = lookOf(buf, start, end)
    const alike = this.#byLook.get(look)
    if (alike !== undefined && alike.body.compare(buf, start, end) === 0) return this.#use(alike)
    const sha = hash('sha1', buf.subarray(start, end))
    const known = this.#bySha.get(sha)
    const script = known ?? { sha, body: Buffer.copyBytesFrom(buf, start, end - start), look }
    this.#byLook.set(look, script)
    if (known !== undefined) return this.#use(known)
    this.#bySha.set(sha, script)
    this.bytes += end - start
    this.#newest = script
    while (this.#bySha.size > this.maxCount || this.bytes > this.maxBytes) this.#dropOldest()
    return script
  }

  /** The script of this SHA1, in hexadecimal of any case. */
  find(sha: string): Script | null {
    const script = this.#bySha.get(sha) ?? this.#bySha.get(sha.toLowerCase())
    return script === undefined ? null : this.#use(script)
  }

  #use(script: Script): Script {
    if (this.#newest === script) return script
    this.#newest = script
    this.#bySha.delete(script.sha)
    this.#bySha.set(script.sha, script)
    return script
  }

  #dropOldest(): void {
    const [oldest] = this.#bySha.values()
    this.#bySha.delete(oldest.sha)
    if (this.#byLook.get(oldest.look) === oldest) this.#byLook.delete(oldest.look)
    this.bytes -= oldest.body.length
  }
}

/** A number that tells most bodies apart: made of their length and some of their bytes. */
function lookOf(buf: Buffer, start: number, end: number): number {
  let look = end - start
  const step = Math.floor(look / SAMPLES) + 1
  for (let at = start; at < end; at += step) look = (Math.imul(look, 31) + buf[at]) | 0
  return look
}
