import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { slotOf } from '../../src/commands/slot.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { ask, bulkText } from '../integration/support.ts'

interface Answer {
  /** When it came, and how long it took, ms. */
  readonly at: number
  readonly took: number
  /** Null for a good one. */
  readonly error: string | null
}

/** Between rounds of commands, and after an error, ms: so that the machine is not what they wait for. */
const PACE = 5
const PAUSE = 20

/** True for an error that leaves open whether the command was carried out. */
const isUnsure = (error: string) => error.startsWith('-OUTCOMEUNKNOWN')

/**
 * Sessions that count up and write in the slots of one shard, each with keys of its own and one command at a time, so that it is known what
 * each reply must be. Some of what they write is followed by WAIT: that must survive the death of the primary.
 */
export class ShardLoad {
  readonly answers: Answer[] = []
  /** Replies that were not what they had to be. */
  readonly wrong: string[] = []
  readonly #sessions: Session[]
  readonly #done: Promise<unknown>
  #going = true

  /** @param owns tells whether a slot is one of the shard's */
  static async start(
    port: number,
    name: string,
    owns: (slot: number) => boolean,
    sessions: number,
  ): Promise<ShardLoad> {
    const clients = await Promise.all(Array.from({ length: sessions }, () => RawClient.connect(port)))
    return new ShardLoad(clients.map((client, nth) => new Session(client, keyIn(`${name}:${nth}`, owns))))
  }

  private constructor(sessions: Session[]) {
    this.#sessions = sessions
    this.#done = Promise.all(sessions.map((session) => this.#play(session)))
  }

  get errors(): string[] {
    return this.answers.flatMap(({ error }) => error ?? [])
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#done
  }

  /** How long the slowest hundredth of the answers in a stretch of time took, ms. */
  p99(from = 0, to = Infinity): number {
    const times = this.answers.filter(({ at }) => at >= from && at < to).map(({ took }) => took)
    return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? NaN
  }

  /** Looks what is there now; answers how many confirmed counts are not, which may only be those that no replica has confirmed. */
  async missing(port: number): Promise<number> {
    const client = await RawClient.connect(port)
    let missing = 0
    for (const { key, count, safe, unsure } of this.#sessions) {
      const there = Number(bulkText(await ask(client, 'GET', key)))
      assert.ok(there >= safe, `${key}: ${there}, and a replica had confirmed ${safe}`)
      assert.ok(there <= count + unsure, `${key}: ${there}, and only ${count} (+ ${unsure}) were sent`)
      missing += Math.max(0, count - there)
    }
    client.close()
    return missing
  }

  async #play(session: Session): Promise<void> {
    for (let step = 1; this.#going; step++) {
      await this.#ask(session, 'INCR', session.key)
      if (step % 8 === 0) await this.#ask(session, 'WAIT', '1', '100')
      await this.#ask(session, 'SET', `{${session.key}}text`, `${session.key} ${step}`)
      await this.#ask(session, 'GET', `{${session.key}}text`)
      await sleep(PACE)
    }
    session.client.close()
  }

  async #ask(session: Session, ...command: string[]): Promise<void> {
    const began = performance.now()
    session.client.send(encode(command))
    const reply = String(await session.client.frame(30_000))
    const at = performance.now()
    const isError = reply.startsWith('-')
    if (command[0] !== 'WAIT') this.answers.push({ at, took: at - began, error: isError ? reply : null })
    if (isError) await sleep(PAUSE)
    if (!session.accepts(command, reply, isError)) this.wrong.push(`${command.join(' ')}: ${reply}`)
  }
}

class Session {
  /** What the counter must be at least, what it must be whatever is lost with a primary, and how much higher it may be. */
  count = 0
  safe = 0
  unsure = 0

  constructor(
    readonly client: RawClient,
    readonly key: string,
  ) {}

  /** Takes note of a reply; false if it is not one to this command. */
  accepts([name]: string[], reply: string, isError: boolean): boolean {
    if (isError) {
      if (name === 'INCR' && isUnsure(reply)) this.unsure++
      return true
    }
    if (name === 'SET') return reply === '+OK\r\n'
    if (name === 'GET') return reply === '$-1\r\n' || bulkText(reply).startsWith(`${this.key} `)
    const number = Number(/^:(\d+)\r\n$/.exec(reply)?.[1])
    if (name === 'WAIT') {
      if (number > 0) this.safe = this.count
      return number >= 0
    }
    // With a primary, counts that no replica had yet may be lost.
    const fits = number > this.safe && number <= this.count + 1 + this.unsure
    this.count = number
    this.unsure = 0
    return fits
  }
}

/** A key that begins with a name, in a slot that is asked for. */
export function keyIn(name: string, owns: (slot: number) => boolean): string {
  for (let nth = 0; ; nth++) {
    const key = `${name}.${nth}`
    if (owns(slotOf(Buffer.from(key)))) return key
  }
}
