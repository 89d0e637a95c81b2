/** Words with which Redis refuses a load for good; others, such as BUSY and LOADING, are about the moment. */
const FOR_GOOD = /^(ERR|NOPERM)/

/**
 * Which scripts a Redis certainly has.
 *
 *     unknown ──(load sent)──► on its way, on one connection ──(answered well)──► loaded
 *        ▲                           │ failed            └──────(refused)───────► refused
 *        └───────────────────────────┴──(forget: scripts flushed, or another Redis by now)──┘
 *
 * Invariant: an answer counts only if nothing was forgotten since its load was sent, because answers on several connections are not
 * read in the order in which Redis worked. Only loading makes certain: of scripts that it knows from EVAL alone a Redis may drop some.
 * Scripts are any objects, and what is known of them goes when they go.
 */
export class LoadedScripts {
  #settled = new WeakMap<object, 'loaded' | 'refused'>()
  #coming = new WeakMap<object, object>()
  #era = 0

  /** True if loading the script again, ahead of a command on the connection, would change nothing. */
  has(script: object, connection: object): boolean {
    return this.#settled.has(script) || this.#coming.get(script) === connection
  }

  refused(script: object): boolean {
    return this.#settled.get(script) === 'refused'
  }

  /** A load goes out on the connection. Gives what `answered` needs to know. */
  sent(script: object, connection: object): number {
    this.#coming.set(script, connection)
    return this.#era
  }

  /** Its answer has come: an error's text, or null for a good one. */
  answered(script: object, connection: object, era: number, error: string | null): void {
    if (era !== this.#era) return
    if (this.#coming.get(script) === connection) this.#coming.delete(script)
    if (error === null) this.#settled.set(script, 'loaded')
    else if (FOR_GOOD.test(error)) this.#settled.set(script, 'refused')
  }

  /** Redis said that it does not have the script, or so it seems. */
  doubt(script: object): void {
    if (this.#settled.get(script) === 'loaded') this.#settled.delete(script)
  }

  forget(): void {
    this.#settled = new WeakMap()
    this.#coming = new WeakMap()
    this.#era++
  }
}
