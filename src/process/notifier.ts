import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { EventLog } from '../util/log.js'

/** How long telling systemd something may take, ms. */
const PATIENCE = 10_000

/**
 * Tells systemd how this process does (https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html), if systemd has asked for it. Node has no datagrams
 * on unix sockets, so that systemd's own program says it, and the unit needs `NotifyAccess=all`.
 */
export class Notifier {
  readonly #wanted: boolean
  #watchdog: NodeJS.Timeout | null = null

  /** @param env the variables for the watchdog are taken out of it, as they mean this process alone */
  constructor(
    env: NodeJS.ProcessEnv,
    pid: number,
    readonly log: EventLog,
  ) {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env
    this.#wanted = NOTIFY_SOCKET !== undefined
    delete env.WATCHDOG_PID
    const microseconds = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid) ? Number(WATCHDOG_USEC) : NaN
    // Twice as often as it is expected.
    if (microseconds > 0) this.#watchdog = setInterval(() => void this.tell('WATCHDOG=1'), microseconds / 2000)
  }

  /** Resolves when systemd has heard it. */
  async tell(...states: string[]): Promise<void> {
    if (!this.#wanted) return
    try {
      await promisify(execFile)('systemd-notify', states, { timeout: PATIENCE })
    } catch (error) {
      this.log.event('warn', 'notify_failed', { states, error: (error as Error).message })
    }
  }

  stop(): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog)
  }
}
