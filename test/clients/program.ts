import { isDeepStrictEqual, inspect } from 'node:util'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/*
 * What the JavaScript programs share: a list of named scenarios, run one after the other; one JSON line
 * {name, ok, detail} per scenario; exit code 0 when all are ok. `main` gives each scenario clients and keys of its own.
 *
 * Usage: PROGRAM HOST PORT [default|2|3] [LIBRARY] [cluster|sentinel|tls CA-FILE]
 */

const SCENARIO_MS = 10_000

const given = process.argv.slice(2)
export const host = given[0] ?? '127.0.0.1'
export const port = Number(given[1] ?? 6379)
export const protocol = given[2] ?? 'default'
export const library = given[3] ?? ''
/** What HOST and PORT are told to be: one Redis, a node of a cluster, a sentinel that knows `SERVICE`, or one Redis with TLS. */
export const topology = given[4] ?? 'one'
export const SERVICE = 'mymaster'
/** What the certificate of a Redis with TLS is checked with. */
export const ca = () => readFileSync(given[5] ?? '')

/** One scenario's clients and keys. */
export interface Context<Client> {
  client: Client
  /** A further client, with the library's own options on top. */
  another: (options?: Record<string, unknown>) => Promise<Client>
  key: (name: string) => string
  unique: string
}

export type Scenarios<Client> = Record<string, (context: Context<Client>) => Promise<void>>

export function equal(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`got ${show(actual)}, expected ${show(expected)}`)
}

export function ok(value: unknown, what: string): asserts value {
  if (!value) throw new Error(what)
}

/** Fails unless the promise is refused with an Error whose message has the text. */
export async function refused(promise: Promise<unknown>, text: string, kind: new (...args: never[]) => Error = Error) {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in outcome) throw new Error(`no error, but ${show(outcome.value)}`)
  const { error } = outcome
  ok(error instanceof kind, `${show(error)} is not a ${kind.name}`)
  ok(error.message.includes(text), `${show(error.message)} lacks ${show(text)}`)
}

export function later<T>(action: () => Promise<T>): Promise<T> {
  return sleep(50).then(action)
}

/** Waits for a callback's calls in order. */
export class Inbox<T> {
  readonly #items: T[] = []
  #wake: () => void = () => undefined

  put = (item: T): void => {
    this.#items.push(item)
    this.#wake()
  }

  get size(): number {
    return this.#items.length
  }

  async take(): Promise<T> {
    while (this.#items.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#items.shift() as T
  }
}

export function main<Client>(
  scenarios: Scenarios<Client>,
  open: (options: Record<string, unknown>) => Promise<Client>,
  close: (client: Client) => void,
): Promise<never> {
  const entries = Object.entries(scenarios)
  return play(Object.fromEntries(entries.map(([name, scenario]) => [name, () => withClients(scenario, open, close)])))
}

/** Plays scenarios, reports each, and ends the process. */
export async function play(scenarios: Record<string, () => Promise<void>>, limitMs = SCENARIO_MS): Promise<never> {
  let failed = 0
  for (const [name, scenario] of Object.entries(scenarios)) {
    const detail = await run(scenario, limitMs)
    if (detail !== '') failed++
    console.log(JSON.stringify({ name, ok: detail === '', detail }))
  }
  // A client that a failed scenario left behind must not keep the program alive.
  process.exit(failed ? 1 : 0)
}

/** What went wrong, or an empty string. */
async function run(scenario: () => Promise<void>, limitMs: number): Promise<string> {
  const limit = new AbortController()
  const tooLong = sleep(limitMs, `no end after ${limitMs} ms`, { signal: limit.signal })
  tooLong.catch(() => undefined)
  try {
    return await Promise.race([scenario().then(() => ''), tooLong])
  } catch (error) {
    return describe(error)
  } finally {
    limit.abort()
  }
}

async function withClients<Client>(
  scenario: Scenarios<Client>[string],
  open: (options: Record<string, unknown>) => Promise<Client>,
  close: (client: Client) => void,
): Promise<void> {
  const clients: Client[] = []
  const another = async (options: Record<string, unknown> = {}) => {
    const client = await open(options)
    clients.push(client)
    return client
  }
  const unique = `js-${randomBytes(6).toString('hex')}`
  try {
    await scenario({ client: await another(), another, unique, key: (name) => `{${unique}}:${name}` })
  } finally {
    clients.forEach(close)
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return show(error)
  const place = /(\w+\.ts):(\d+):\d+\)?$/m.exec(error.stack?.split('\n').slice(2).join('\n') ?? '')
  return `${error.name}: ${error.message}${place ? ` (${place[1]}:${place[2]})` : ''}`
}

function show(value: unknown): string {
  return inspect(value, { depth: 4, breakLength: Infinity }).slice(0, 300)
}
