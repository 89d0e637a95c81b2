import { slotOf } from '../../src/commands/slot.ts'
import { RawClient } from '../helpers/raw.ts'
import type { Ask } from './load.ts'
import type { Stage } from './stage.ts'

/** Asks Redis itself what keys hold; on a cluster whoever serves them. */
export class Asking {
  readonly #clients = new Map<number, RawClient>()
  /** By slot. */
  readonly #ports = new Map<number, number>()

  constructor(readonly stage: Stage) {}

  readonly ask: Ask = async (key) => {
    const slot = this.stage.cluster ? slotOf(Buffer.from(key)) : 0
    let port = this.#ports.get(slot) ?? (await this.stage.primaries())[0].port
    for (let hops = 0; hops < 20; hops++) {
      const reply = String(await (await this.#client(port)).call('GET', key))
      const moved = /^-(?:MOVED|ASK) \d+ .*:(\d+)/.exec(reply)
      if (!moved) {
        this.#ports.set(slot, port)
        if (reply === '$-1\r\n') return null
        if (!reply.startsWith('$')) throw new Error(`GET ${key}: ${reply}`)
        return reply.slice(reply.indexOf('\r\n') + 2, -2)
      }
      port = Number(moved[1])
    }
    throw new Error(`nobody serves ${key}`)
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }

  async #client(port: number): Promise<RawClient> {
    const known = this.#clients.get(port) ?? (await RawClient.connect(port))
    this.#clients.set(port, known)
    return known
  }
}
