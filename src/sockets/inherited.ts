import { closeSync } from 'node:fs'
import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'

/** What an address is for. */
export type Purpose = 'listen' | 'admin'

interface Given {
  readonly fd: number
  readonly name: string
}

/** The first of the file descriptors that are handed over, as systemd counts. */
export const FIRST_FD = 3
/** Names of sockets that a predecessor hands over begin so; the rest is the address, as its configuration has it. */
const OF_PREDECESSOR = 'at='

/** What a socket is called on its way to a successor. Colons separate names. */
export function nameFor(address: Address): string {
  return OF_PREDECESSOR + encodeURIComponent(describeAddress(address))
}

/**
 * Listening sockets that were there before this process: from systemd (https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html)
 * or from the respool that this one succeeds, which hands them over in the same way. Of systemd's the one named `admin` is for the
 * admin server, and the others are for the listeners, in their order. A predecessor's are named by their addresses.
 */
export class Inherited {
  #given: Given[]

  /**
   * @param env the variables are taken out of it, so that no child process takes the sockets for its own
   * @throws if they make no sense
   */
  constructor(env: NodeJS.ProcessEnv, pid: number) {
    const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env
    for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) delete env[name]
    const meant = LISTEN_FDS !== undefined && (LISTEN_PID === undefined || LISTEN_PID === String(pid))
    const count = meant ? Number(LISTEN_FDS) : 0
    if (!Number.isInteger(count) || count < 0) throw new Error(`LISTEN_FDS must be a number, not ${LISTEN_FDS}`)
    const names = LISTEN_FDNAMES.split(':')
    this.#given = Array.from({ length: count }, (_, nth) => ({ fd: FIRST_FD + nth, name: names[nth] ?? '' }))
  }

  /** The file descriptor of the socket for an address, which is its caller's now; null if there is none. */
  take(purpose: Purpose, address: Address): number | null {
    const own = nameFor(address)
    const found =
      this.#given.find(({ name }) => name === own) ??
      this.#given.find(({ name }) => !name.startsWith(OF_PREDECESSOR) && (name === 'admin') === (purpose === 'admin'))
    if (found === undefined) return null
    this.#given = this.#given.filter((one) => one !== found)
    return found.fd
  }

  /** Closes those that nobody has taken; answers what they are called. */
  closeRest(): string[] {
    const rest = this.#given
    this.#given = []
    for (const { fd } of rest) closeSync(fd)
    return rest.map(({ name }) => decodeURIComponent(name))
  }
}
