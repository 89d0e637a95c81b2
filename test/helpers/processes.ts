import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './waiting.ts'

const running = new Set<ChildProcess>()
const directories = new Set<string>()

// `exit` covers an ordinary end and a crash; a signal's default action would skip it.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(code))
}

/** A new directory under the system's temporary one, removed at process exit at the latest. */
export function temporaryDirectory(prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), `${prefix}-`))
  directories.add(directory)
  return directory
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  directories.delete(directory)
}

/** A child process whose output is collected; killed at process exit at the latest. */
export class Child {
  readonly command: string
  readonly #process: ChildProcess
  readonly #chunks: Buffer[] = []
  readonly #exited: Promise<number>
  #failure: Error | undefined

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
    this.command = [command, ...args].join(' ')
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    running.add(this.#process)
    this.#process.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.#process.stderr?.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.#exited = new Promise((resolve) => {
      // `close` and not `exit`: only then is all output collected.
      this.#process.once('close', (code, signal) => {
        running.delete(this.#process)
        resolve(code ?? (signal ? 128 + signalNumber(signal) : -1))
      })
    })
    this.#process.once('error', (error) => (this.#failure = error))
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw this.#failure ?? new Error(`not started: ${this.command}`)
    return this.#process.pid
  }

  get alive(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Everything written to standard output and standard error so far, in order of arrival. */
  output(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  /** Exit code; 128 + signal number when a signal ended it. */
  get exited(): Promise<number> {
    return this.#exited
  }

  signal(signal: NodeJS.Signals): void {
    if (this.alive) this.#process.kill(signal)
  }

  /** Sends the signal and waits for the end; after `graceMs` sends SIGKILL. Gives the exit code. */
  async stop(signal: NodeJS.Signals, graceMs = 15_000): Promise<number> {
    this.signal(signal)
    const hard = setTimeout(() => this.signal('SIGKILL'), graceMs)
    const code = await this.#exited
    clearTimeout(hard)
    return code
  }

  /** Waits until `check` gives something truthy; fails at once, with the output, when the process ends instead. */
  async ready(check: () => Promise<unknown>, what: string, timeoutMs = 20_000): Promise<void> {
    const waiting = new AbortController()
    const ended = this.#exited.then((code) => {
      if (!waiting.signal.aborted) throw this.#failure ?? new Error(`exit code ${code}`)
    })
    try {
      await Promise.race([until(check, what, timeoutMs), ended])
    } catch (error) {
      await this.stop('SIGKILL')
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`${why}, before ${what}: ${this.command}\n${this.output()}`, { cause: error })
    } finally {
      waiting.abort()
    }
  }
}

function signalNumber(signal: NodeJS.Signals): number {
  return SIGNAL_NUMBERS[signal] ?? 0
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
}
