import { ERRORS } from '../../src/errors.ts'
import type { RawClient } from '../helpers/raw.ts'
import { ask, connectAll } from '../integration/support.ts'

const ERROR_TEXTS = new Set<string>(Object.values(ERRORS).map(({ text }) => `-${text}\r\n`))

/** True for an error that respool says something with; Redis's own are not among them. */
export const isOwnError = (reply: string) => ERROR_TEXTS.has(reply)

/** Sessions that read, each its own key again and again, while something happens to other sessions. */
export class Neighbours {
  /** Replies that were right, and clear errors. */
  right = 0
  errors = 0
  /** Replies that belong to somebody else, or to nobody. */
  readonly wrong: string[] = []
  #on = true
  readonly #all: Promise<unknown>

  static async start(port: number, server: RawClient, count: number): Promise<Neighbours> {
    for (let nth = 0; nth < count; nth++) await ask(server, 'SET', `neighbour:${nth}`, `value of ${nth}`)
    return new Neighbours(await connectAll(port, count))
  }

  private constructor(clients: RawClient[]) {
    this.#all = Promise.all(clients.map((client, nth) => this.#read(client, nth)))
  }

  async stop(): Promise<void> {
    this.#on = false
    await this.#all
  }

  async #read(client: RawClient, nth: number): Promise<void> {
    const value = `value of ${nth}`
    while (this.#on) {
      const reply = await ask(client, 'GET', `neighbour:${nth}`)
      if (reply === `$${value.length}\r\n${value}\r\n`) this.right++
      else if (isOwnError(reply)) this.errors++
      else this.wrong.push(`neighbour ${nth}: ${JSON.stringify(reply)}`)
    }
    client.close()
  }
}
