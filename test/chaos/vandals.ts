import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { garble, Random } from '../conformance/garble.ts'

const AT_A_TIME = 8

/** Applications that say what is no RESP, or begin with it and go away. */
export class Vandals {
  #going = true
  readonly #random = new Random(11)
  readonly #done: Promise<unknown>

  constructor(readonly port: number) {
    this.#done = Promise.all(Array.from({ length: AT_A_TIME }, () => this.#play()))
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#done
  }

  async #play(): Promise<void> {
    while (this.#going) {
      const socket = connect(this.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume()
      const bytes = garble(this.#random)
      // Keys of ours are not among them, but whole databases could be.
      if (!/FLUSH|SWAPDB|SHUTDOWN/i.test(bytes.toString('latin1'))) socket.write(bytes)
      await sleep(this.#random.below(20))
      if (this.#random.below(2) === 0) socket.resetAndDestroy()
      else socket.destroy()
    }
  }
}
