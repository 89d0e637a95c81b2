import type { Socket } from 'node:net'
import type { Arrival } from '../downstream/context.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { FORM, isConnection, type ReadyMessage } from './handover.js'

/** The variable by which a process tells its successor from which id on connections are new. */
export const FIRST_ID = 'FIRST_CLIENT_ID'
/** How often to look whether this process can serve, ms. */
const LOOK = 20

/** The process that this one succeeds, if there is one. */
export class Predecessor {
  /** Of connections that this process lets in itself. */
  readonly firstId: number
  readonly #exists: boolean

  /** @param env the variable is taken out of it */
  constructor(
    env: NodeJS.ProcessEnv,
    readonly channel: NodeJS.Process,
  ) {
    const given = env[FIRST_ID]
    delete env[FIRST_ID]
    this.#exists = given !== undefined && channel.connected
    this.firstId = Number(given ?? 1)
  }

  /** Says that it can leave, once this process serves, and takes in what comes from there. */
  async relieve(ready: () => boolean, take: (at: string, socket: Socket, arrival: Arrival) => void): Promise<void> {
    if (!this.#exists) return
    this.channel.on('message', (message: unknown, socket: unknown) => {
      // An application that has gone meanwhile leaves no socket.
      if (isConnection(message) && socket !== undefined) take(message.at, socket as Socket, message.arrival)
    })
    while (!ready()) await sleep(LOOK)
    if (this.channel.connected) this.channel.send!({ kind: 'ready', form: FORM } satisfies ReadyMessage)
  }
}
