import { spawn } from 'node:child_process'

/** Most that a program may write, bytes. */
const MOST_OUTPUT = 64 * 1024

/** What a program has told. */
export interface Told {
  /** Null if it told none. */
  readonly username: string | null
  readonly password: string
  /** For how long the password is good, ms; null if it did not say. */
  readonly lifetime: number | null
}

/** A program that did not do what it is for. The message never shows what it wrote. */
export class CommandFailure extends Error {}

/**
 * Runs a program that writes a password, and nothing else, or an object in JSON:
 * `{"password": …, "username": …, "expiresIn": seconds, "expiresAt": "2030-01-01T00:00:00Z"}`.
 *
 * @param limit time after which it is ended, ms
 * @throws CommandFailure
 */
export async function runPasswordCommand([program, ...args]: readonly string[], limit: number): Promise<Told> {
  return readOutput(await outputOf(program, args, limit), Date.now())
}

function outputOf(program: string, args: readonly string[], limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // What it writes on standard error may hold secrets too, and is nobody's.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], shell: false })
    const parts: Buffer[] = []
    let bytes = 0
    const fail = (message: string) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // A grandchild may hold the pipe open for ever.
      child.stdout.destroy()
      reject(new CommandFailure(message))
    }
    const timer = setTimeout(() => fail(`did not end within ${limit} ms`), limit)
    child.stdout.on('data', (part: Buffer) => {
      parts.push(part)
      if ((bytes += part.length) > MOST_OUTPUT) fail(`wrote more than ${MOST_OUTPUT} bytes`)
    })
    child.once('error', (error: NodeJS.ErrnoException) => fail(`cannot be run: ${error.code ?? 'unknown'}`))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(Buffer.concat(parts).toString('utf8'))
      else reject(new CommandFailure(signal === null ? `ended with code ${code}` : `was ended by ${signal}`))
    })
  })
}

/** Reads what such a program has written. @throws CommandFailure */
export function readOutput(output: string, now: number): Told {
  const text = output.replace(/\r?\n$/, '')
  if (text === '') throw new CommandFailure('wrote nothing')
  if (!/^\s*\{/.test(text)) {
    if (/[\r\n]/.test(text)) throw new CommandFailure('wrote more than one line')
    return { username: null, password: text, lifetime: null }
  }
  const { password, username, expiresIn, expiresAt } = fieldsOf(text)
  if (typeof password !== 'string' || password === '') throw new CommandFailure('wrote JSON without a password')
  return {
    username: typeof username === 'string' ? username : null,
    password,
    lifetime: lifetimeOf(expiresIn, expiresAt, now),
  }
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new CommandFailure('wrote something that begins as JSON and is none')
  }
}

function lifetimeOf(expiresIn: unknown, expiresAt: unknown, now: number): number | null {
  if (expiresIn === undefined && expiresAt === undefined) return null
  const lifetime =
    expiresIn !== undefined
      ? Number(expiresIn) * 1000
      : (typeof expiresAt === 'number' ? expiresAt * 1000 : Date.parse(String(expiresAt))) - now
  if (!Number.isFinite(lifetime) || lifetime <= 0)
    throw new CommandFailure('wrote a password that has expired, or no time')
  return lifetime
}
