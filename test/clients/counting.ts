import { host, port } from './program.ts'

/*
 * What the programs that count share. Each session has a connection and keys of its own, so that what every reply must be is
 * known: it counts up, and writes texts that no one else writes, in single commands, in pipelines, over many keys, and under WATCH. No
 * library sends anything again. What came is printed, one line of `OPERATION KEY VALUE REPLY` with tabs between for each key of
 * a command, and judged elsewhere. It goes on until standard input ends.
 *
 * Usage: PROGRAM HOST PORT SESSIONS NAME
 */

/** Counters and texts of a session, and how many of them there are in a pipeline, or a command over many keys. */
const KEYS = 300
const AT_ONCE = 6

/** One session's connection. */
export interface Connection {
  incr(key: string): Promise<unknown>
  /** In one write: INCR of the counter, SET of the text and GET of it, each time. Error replies stand in the places of replies. */
  pipeline(counters: string[], texts: string[], values: string[]): Promise<unknown[]>
  mset(texts: string[], values: string[]): Promise<unknown>
  mget(texts: string[]): Promise<unknown[]>
  /** WATCH and GET the counter, then INCR it in a transaction: the count, or null if the key had changed. */
  transact(key: string): Promise<unknown>
  /** INCR and GET of the counter in a transaction that goes out in one write. */
  multi(key: string): Promise<unknown[]>
  isLost(): boolean
  close(): void
}

export async function counting(open: (host: string, port: number) => Promise<Connection>): Promise<void> {
  let going = true
  process.stdin.resume().once('end', () => (going = false))
  const [, , , , sessions, name] = process.argv
  const session = async (nth: number) => {
    let connection: Connection | undefined
    for (let step = nth; going; step++) {
      connection ??= await open(host, port)
      await play(connection, `${name}:${nth}`, step)
      if (!connection.isLost()) continue
      connection.close()
      connection = undefined
    }
    connection?.close()
  }
  await Promise.all(Array.from({ length: Number(sessions) }, (_, nth) => session(nth)))
  process.stdout.end(() => process.exit(0))
}

async function play(connection: Connection, session: string, step: number): Promise<void> {
  const numbers = Array.from({ length: AT_ONCE }, (_, i) => (step * AT_ONCE + i) % KEYS)
  const counters = numbers.map((nth) => `counter:${session}:${nth}`)
  // Two in each slot.
  const texts = numbers.map((nth) => `text:{${session}:${nth >> 1}}:${nth}`)
  const values = texts.map((text) => `${text} ${step}`)
  switch (step % 5) {
    case 0:
      record('incr', counters[0], '', await caught(connection.incr(counters[0])))
      return
    case 1: {
      const replies = await caught(connection.pipeline(counters, texts, values))
      const reply = (nth: number) => (Array.isArray(replies) ? replies[nth] : replies)
      counters.forEach((counter, i) => {
        record('incr', counter, '', reply(3 * i))
        record('set', texts[i], values[i], reply(3 * i + 1))
        record('get', texts[i], '', reply(3 * i + 2))
      })
      return
    }
    case 2: {
      const set = await caught(connection.mset(texts, values))
      texts.forEach((text, i) => record('mset', text, values[i], set))
      const got = await caught(connection.mget(texts))
      texts.forEach((text, i) => record('get', text, '', Array.isArray(got) ? got[i] : got))
      return
    }
    case 3:
      record('exec', counters[0], '', await caught(connection.transact(counters[0])))
      return
    default: {
      const replies = await caught(connection.multi(counters[0]))
      const [count, value] = Array.isArray(replies) ? replies : [replies, '']
      record('multi', counters[0], `${value as string}`, count)
    }
  }
}

/** An error begins with `!`, and null is `~`. */
function record(operation: string, key: string, value: string, reply: unknown): void {
  const text = reply instanceof Error ? `!${reply.message}` : reply === null ? '~' : `${reply as string | number}`
  process.stdout.write(`${operation}\t${key}\t${value}\t${text.replace(/\s/g, ' ')}\n`)
}

function caught<T>(reply: Promise<T>): Promise<T | Error> {
  return reply.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
}
