import assert from 'node:assert/strict'
import { RawClient } from '../helpers/raw.ts'

/** An ordinary client that works all the time, and notices if it is not served or gets what is not its own. */
export class Witness {
  readonly #client: RawClient
  readonly #working: Promise<void>
  #rounds = 0
  #round: Promise<void> = Promise.resolve()
  #stopped = false

  private constructor(client: RawClient) {
    this.#client = client
    this.#working = this.#work()
    // Whoever asks next is told; nobody has to be listening at the moment it happens.
    this.#working.catch(() => undefined)
  }

  static async start(port: number): Promise<Witness> {
    return new Witness(await RawClient.connect(port))
  }

  /** Waits for two rounds to end: the second has begun after this call. Fails as the witness failed. */
  async isServed(): Promise<void> {
    for (let left = 2; left > 0; left--) await Promise.race([this.#working, this.#round])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#working
    this.#client.close()
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#round = this.#doRound(`round ${this.#rounds++}`)
      await this.#round
    }
  }

  async #doRound(value: string): Promise<void> {
    assert.equal((await this.#client.call('SET', 'witness', value)).toString(), '+OK\r\n')
    assert.equal((await this.#client.call('GET', 'witness')).toString(), `$${value.length}\r\n${value}\r\n`)
  }
}
