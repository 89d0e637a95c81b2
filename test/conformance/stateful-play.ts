import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import type { Protocol } from './corpus/script.ts'
import type { Random } from './garble.ts'
import type { StatefulStep } from './stateful-steps.ts'

/** What a session heard: in one order what answers it, in others what Redis promises no order for beside the answers. */
export interface Heard {
  readonly replies: string[]
  readonly messages: string[]
  readonly invalidations: string[]
}

/** A script as it was played on a direct connection: the measure for all others. */
export interface Reference {
  readonly protocol: Protocol
  readonly steps: readonly StatefulStep[]
  /** For each step the database in which others act, and how many frames have come when it is over. */
  readonly databases: readonly number[]
  readonly frames: readonly number[]
  readonly heard: Heard
}

const BLOCKED_WAIT_MS = 15_000
const WAIT_MS = 8000

const greeting = (protocol: Protocol): StatefulStep[] =>
  protocol === 3 ? [{ commands: [['HELLO', 3]], elsewhere: [] }] : []
/** Whatever state a session is in, RESET is answered; a frame too many would come before it. */
const FAREWELL: StatefulStep = { commands: [['RESET'], ['PING', 'the end']], elsewhere: [] }

/** Plays steps directly, one after the other, and notes what came of each. */
export async function reference(port: number, steps: readonly StatefulStep[], protocol: Protocol): Promise<Reference> {
  const [client, other] = await Promise.all([RawClient.connect(port), RawClient.connect(port)])
  const id = Number((await client.call('CLIENT', 'ID')).toString().slice(1))
  const frames: Buffer[] = []
  const played: StatefulStep[] = []
  const databases: number[] = []
  const counts: number[] = []
  let answered = true
  try {
    for (const step of [...greeting(protocol), ...steps, FAREWELL]) {
      // A session that was not answered cannot be waited for: others would act at another moment.
      if (step.commands.length === 0 && !answered) continue
      const database = await databaseOf(other, id)
      const before = frames.length
      client.send(Buffer.concat(step.commands.map(encode)))
      if (step.elsewhere.length > 0) await act(other, database, step.elsewhere)
      await unblocked(other, id)
      frames.push(...(await framesOf(client, other)))
      if (step.commands.length > 0) answered = frames.length > before
      played.push(step)
      databases.push(database)
      counts.push(frames.length)
    }
  } finally {
    for (const one of [client, other]) one.close()
  }
  return { protocol, steps: played, databases, frames: counts, heard: sorted(frames) }
}

/** Plays the same through a port, in writes of any size, and gives what is heard there. */
export async function replay(port: number, serverPort: number, script: Reference, random: Random): Promise<Heard> {
  const [client, other] = await Promise.all([RawClient.connect(port), RawClient.connect(serverPort)])
  const frames: Buffer[] = []
  const hear = async (count: number) => {
    while (frames.length < count) frames.push(await client.frame(WAIT_MS))
  }
  // Redis gathers the keys that one read of it changes, and tells of them together.
  const together = script.steps.some(({ commands }) => commands.some((args) => args.includes('BCAST')))
  try {
    for (const [nth, step] of script.steps.entries()) {
      const last = script.steps[nth + 1]?.elsewhere.length !== 0 || step.elsewhere.length > 0
      const bytes = Buffer.concat(step.commands.map(encode))
      if (bytes.length > 0) await client.sendPieces(together ? [bytes] : cutSomewhere(bytes, random))
      if (step.elsewhere.length > 0) await act(other, script.databases[nth], step.elsewhere)
      if (last || together || random.below(3) === 0) await hear(script.frames[nth])
    }
    // Nothing may be left over.
    await nextTurn()
    frames.push(...client.take())
  } catch (error) {
    frames.push(...client.take(), Buffer.from(`(${error instanceof Error ? error.message : String(error)})`))
  } finally {
    for (const one of [client, other]) one.close()
  }
  return sorted(frames)
}

function cutSomewhere(bytes: Buffer, random: Random): Buffer[] {
  const cut = random.below(2) === 0 ? random.below(bytes.length) : 0
  return cut > 0 ? [bytes.subarray(0, cut), bytes.subarray(cut)] : [bytes]
}

async function act(other: RawClient, database: number, commands: readonly Argument[][]): Promise<void> {
  await other.call('SELECT', database)
  for (const command of commands) await other.call(...command)
}

async function databaseOf(other: RawClient, id: number): Promise<number> {
  return Number(/ db=(\d+) /.exec(await lineOf(other, id))?.[1])
}

const lineOf = async (other: RawClient, id: number) => (await other.call('CLIENT', 'LIST', 'ID', id)).toString('latin1')

async function unblocked(other: RawClient, id: number): Promise<void> {
  const end = Date.now() + BLOCKED_WAIT_MS
  // The line is of a moment after the session's commands were read: they came first.
  while (/ flags=\w*b/.test(await lineOf(other, id))) {
    if (Date.now() > end) throw new Error('blocked for ever')
  }
}

/** All frames that have been sent. Redis answers all it has read before it reads again, so two answers to another client suffice. */
async function framesOf(client: RawClient, other: RawClient): Promise<Buffer[]> {
  await other.call('PING')
  await other.call('PING')
  await nextTurn()
  return client.take()
}

/** Redis 7.0 and later show a key that changed, and a message, in a frame of its own kind. */
const ASYNC = /^(?:>\d+|\*[34])\r\n\$\d+\r\n(p?message|smessage|invalidate)\r\n/

function sorted(frames: Buffer[]): Heard {
  const heard: Heard = { replies: [], messages: [], invalidations: [] }
  for (const frame of frames) {
    const text = frame.toString('latin1').replaceAll(/(\$2\r\nid\r\n:)\d+/g, '$1N')
    const kind = ASYNC.exec(text)?.[1]
    if (kind === undefined) heard.replies.push(text)
    else if (kind === 'invalidate') heard.invalidations.push(text)
    else heard.messages.push(text)
  }
  return { ...heard, replies: steady(heard.replies, UNSUBSCRIBED), messages: steady(heard.messages, BY_PATTERN) }
}

/** Between frames that are looked at as one text. */
const GAP = '\0'
// What comes out of a hash table comes in another order in each server: the names in the middle of frames that follow each other.
const UNSUBSCRIBED = /([>*]3\r\n\$\d+\r\n[ps]?unsubscribe\r\n)(\$\d+\r\n.*\r\n)(:\d+\r\n\0?)/
const BY_PATTERN = /([>*]4\r\n\$8\r\npmessage\r\n)(\$\d+\r\n.*\r\n)(\$\d+\r\n.*\r\n\$\d+\r\n.*\r\n\0?)/

/** Sorts those names, also within the answer to EXEC. */
function steady(frames: readonly string[], one: RegExp): string[] {
  const runs = new RegExp(`(?:${one.source}){2,}`, 'g')
  const sortRun = (run: string) => {
    const names = [...run.matchAll(new RegExp(one.source, 'g'))].map(([, , name]) => name).sort()
    return run.replace(new RegExp(one.source, 'g'), (_, kind: string, __, rest: string) => kind + names.shift()! + rest)
  }
  return frames.join(GAP).replace(runs, sortRun).split(GAP)
}

/** Where they differ, in words; empty if they do not. */
export function differenceOf(expected: Heard, heard: Heard): string {
  for (const stream of ['replies', 'messages', 'invalidations'] as const) {
    const [left, right] = [expected[stream], heard[stream]]
    for (let at = 0; at < Math.max(left.length, right.length); at++) {
      if (left[at] !== right[at]) {
        return `${stream} ${at}: direct ${JSON.stringify(left[at])}, proxied ${JSON.stringify(right[at])}`
      }
    }
  }
  return ''
}

export function describeSteps(steps: readonly StatefulStep[]): string {
  const words = (commands: readonly Argument[][]) => commands.map((args) => args.join(' ')).join(' | ')
  return steps
    .map(
      ({ commands, elsewhere }) =>
        `    ${words(commands)}${elsewhere.length > 0 ? `   elsewhere: ${words(elsewhere)}` : ''}`,
    )
    .join('\n')
}
