import { type ChildProcess, spawn } from 'node:child_process'
import type { Take } from '../downstream/moving.js'
import { FIRST_FD } from '../sockets/inherited.js'
import type { Sockets } from '../sockets/sockets.js'
import type { EventLog } from '../util/log.js'
import { type ConnectionMessage, FORM, isReady } from './handover.js'
import type { Notifier } from './notifier.js'
import { FIRST_ID } from './predecessor.js'

/** How long a successor may take until it serves, ms. */
const PATIENCE = 30_000
/** Ids that connections may get here until a successor serves. */
const ID_MARGIN = 1_000_000

/**
 * Starts the same command line again, with the sockets that this process listens on; it may be newer code by then, with another
 * configuration.
 *
 *     begun ──► starting ──► serves: both listen, and this process leaves
 *                  └──► failed: said in the log, and this process goes on
 */
export class Succession {
  #starting: ChildProcess | null = null

  constructor(
    readonly sockets: Sockets,
    readonly notifier: Notifier,
    readonly log: EventLog,
    readonly nextId: () => number,
  ) {}

  /** Calls `leave` when the successor serves, and listens on the same sockets, with what takes connections over if it can. */
  async begin(leave: (take: Take | null) => Promise<void>): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== null) {
      this.log.event('error', 'succession_failed', { error: refusal })
      return
    }
    const child = (this.#starting = this.#start())
    this.log.event('info', 'succession_started', { successor: child.pid })
    const form = await this.#outcome(child)
    this.#starting = null
    if (form === null) return
    this.sockets.handedOver()
    this.log.event('info', 'succession_done', { successor: child.pid })
    // Otherwise systemd would take the end of this process for the end of the service.
    await this.notifier.tell(`MAINPID=${child.pid}`)
    await leave(form === FORM ? takeTo(child) : null)
  }

  /** The form of connections that the successor takes; null if it does not serve. */
  async #outcome(child: ChildProcess): Promise<number | null> {
    try {
      return await served(child)
    } catch (error) {
      child.kill('SIGKILL')
      this.log.event('error', 'succession_failed', { error: (error as Error).message })
      return null
    }
  }

  /** Nobody is to succeed any more. */
  cancel(): void {
    this.#starting?.kill('SIGKILL')
  }

  #refusal(): string | null {
    if (this.#starting !== null) return 'a successor is starting already'
    // A container ends with its first process, and systemd in it could not adopt anybody.
    return process.pid === 1 ? 'the first process of a container ends together with it: replace the container' : null
  }

  #start(): ChildProcess {
    const inherited = this.sockets.all
    const env = {
      ...process.env,
      LISTEN_FDS: String(inherited.length),
      LISTEN_FDNAMES: inherited.map(({ name }) => name).join(':'),
      [FIRST_ID]: String(this.nextId() + ID_MARGIN),
    }
    const stdio: (number | 'inherit' | 'ipc')[] = ['inherit', 'inherit', 'inherit']
    inherited.forEach(({ fd }, nth) => (stdio[FIRST_FD + nth] = fd))
    // Its life must not hang on the terminal or the group of this one.
    const options = { env, stdio: [...stdio, 'ipc'] as typeof stdio, detached: true }
    return spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], options)
  }
}

function takeTo(child: ChildProcess): Take {
  return (at, socket, arrival, done) => {
    child.send({ kind: 'connection', at, arrival } satisfies ConnectionMessage, socket, (error) => {
      // It has gone itself.
      if (error !== null) socket.destroy()
      done()
    })
  }
}

/** Resolves with the form of connections that it takes. */
async function served(child: ChildProcess): Promise<number> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`the successor ${why}`))
      timer = setTimeout(() => fail(`was not ready within ${PATIENCE / 1000} s`), PATIENCE)
      child.once('error', reject)
      child.once('exit', (code, signal) => fail(`ended with ${signal ?? `code ${code}`}`))
      child.on('message', (message) => isReady(message) && resolve(message.form))
    })
  } finally {
    clearTimeout(timer)
  }
}
