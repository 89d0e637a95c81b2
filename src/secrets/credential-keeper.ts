import { secretIn } from '../config/credentials.js'
import type { Login } from '../config/config.js'
import type { EventLog } from '../util/log.js'
import { type Told, runPasswordCommand } from './password-command.js'
import { readText, WatchedFiles } from '../util/watched-files.js'

/** Time for a program to tell the password, ms. */
const COMMAND_LIMIT = 10_000
/** The share of a password's lifetime after which the next one is asked for. */
const RENEW_AT = 0.75
/** The first delay after a program has failed, ms; it doubles up to the longest. */
const FIRST_RETRY = 1000
const LONGEST_RETRY = 60_000
/** Node's timers take no more, ms. */
const LONGEST_TIMER = 2 ** 31 - 1

/** What keepers tell. */
export interface Kept {
  readonly username: string | null
  readonly password: string | null
}

/**
 * Keeps one login up to date.
 *
 *     files ──(looked at every second)──┐
 *     program ──(before it expires)─────┴──► use(login), if it is another one
 *
 * What cannot be read changes nothing: the login goes on being used that was read last.
 */
export class CredentialKeeper {
  #kept: Kept
  readonly #files = new WatchedFiles(() => this.#reread())
  #timer: NodeJS.Timeout | null = null
  #failures = 0
  #stopped = false

  /**
   * @param name where it stands in the configuration
   * @param interval how often a program is run that does not say when its password expires, ms
   * @param use takes each login that is another one than before
   */
  constructor(
    readonly login: Login,
    readonly name: string,
    readonly interval: number,
    readonly log: EventLog,
    readonly use: (login: Kept) => void,
  ) {
    this.#kept = login
  }

  start(): void {
    const { usernameFile, passwordFile, passwordCommand } = this.login
    this.#files.watch([usernameFile, passwordFile].filter((path) => path !== undefined))
    if (passwordCommand !== undefined) void this.#run(passwordCommand)
  }

  stop(): void {
    this.#stopped = true
    this.#files.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #reread(): void {
    const { usernameFile, passwordFile } = this.login
    try {
      const username = usernameFile === undefined ? this.#kept.username : read(usernameFile)
      const password = passwordFile === undefined ? this.#kept.password : read(passwordFile)
      this.#take({ username, password })
    } catch (error) {
      // Files are replaced one after the other, and may be gone for a moment.
      const { code, message } = error as NodeJS.ErrnoException
      this.log.event('warn', 'credentials_unreadable', { name: this.name, error: code ?? message })
    }
  }

  async #run(command: readonly string[]): Promise<void> {
    let delay: number
    try {
      const told = await runPasswordCommand(command, COMMAND_LIMIT)
      if (this.#stopped) return
      this.#failures = 0
      this.#take({ username: told.username ?? this.login.username, password: told.password })
      delay = this.#renewAfter(told)
    } catch (error) {
      if (this.#stopped) return
      delay = Math.min(FIRST_RETRY * 2 ** this.#failures++, LONGEST_RETRY)
      const message = (error as Error).message
      this.log.event('error', 'credentials_command_failed', { name: this.name, error: message, retryInMs: delay })
    }
    this.#timer = setTimeout(() => void this.#run(command), delay)
    this.#timer.unref()
  }

  #renewAfter({ lifetime }: Told): number {
    return Math.min(lifetime === null ? this.interval : Math.max(lifetime * RENEW_AT, FIRST_RETRY), LONGEST_TIMER)
  }

  #take(next: Kept): void {
    const { username, password } = this.#kept
    if (next.username === username && next.password === password) return
    this.#kept = next
    this.use(next)
    this.log.event('info', 'credentials_renewed', { name: this.name })
  }
}

function read(path: string): string {
  const secret = secretIn(readText(path))
  if (secret === null) throw new Error('the file is empty')
  return secret
}
