import { setTimeout as sleep } from 'node:timers/promises'
import { type Argument, encode, pieces, RawClient } from '../helpers/raw.ts'
import { until } from '../helpers/waiting.ts'
import { repliesIn, type Protocol, type Script, type Step } from './corpus/script.ts'

/** How a script's bytes are put on the wire. */
export type Mode =
  | { name: 'step by step' }
  | { name: 'pipelined' }
  | { name: 'byte by byte' }
  /** Two writes, cut at this byte of the whole stream. */
  | { name: 'cut in two'; at: number }

/** What a script is played on: a port, and the server behind it. */
export interface Side {
  /** Where the scripts' sessions connect to. */
  readonly port: number
  /** Connected to the server itself, or to all of a cluster. */
  readonly other: Other
  /** Connected to the port: whoever has answered its PING has read all that was sent before, in a read of its own. */
  readonly pacer: RawClient
}

/** Empties what is behind a side between scripts, and plays the part of another application. */
export interface Other {
  empty(): Promise<void>
  act(step: Step): Promise<void>
}

export interface Outcome {
  /** The reply frames of each step. */
  readonly frames: Buffer[][]
  /** What went wrong on the connection itself, and at which step. */
  problem: { step: number; text: string } | undefined
}

const FRAME_WAIT_MS = 2000
const GREETING: Record<Protocol, Step[]> = { 2: [], 3: [commandStep('HELLO', '3')] }
/** Follows every script that leaves the connection open: a reply too many would take its place. */
const FAREWELL = commandStep('PING', 'the end')
/** Beyond this many bytes of one run, byte by byte becomes some kilobytes at a time: a large value has no new cuts. */
const BYTE_BY_BYTE = 3000

/** The steps as sent in this protocol: the protocol is chosen first, and a last PING shows that nothing is left over. */
export function stepsOf(script: Script, protocol: Protocol): Step[] {
  return [...GREETING[protocol], ...script.steps, ...(script.closes ? [] : [FAREWELL])]
}

/** Plays a script in an empty server, over a new connection to the port. */
export async function play(side: Side, script: Script, protocol: Protocol, mode: Mode): Promise<Outcome> {
  await side.other.empty()
  const client = await RawClient.connect(side.port)
  const steps = stepsOf(script, protocol)
  const outcome: Outcome = { frames: steps.map(() => []), problem: undefined }
  let at = 0
  try {
    let sentBefore = 0
    for (const run of runsOf(steps, mode, script.waits)) {
      const bytes = Buffer.concat(run.map((step) => step.bytes))
      await send(client, side.pacer, bytes, mode, sentBefore)
      sentBefore += bytes.length
      for (const step of run) {
        if (step.elsewhere) await side.other.act(step)
        for (let left = repliesIn(protocol, step.replies); left > 0; left--) {
          outcome.frames[at].push(await client.frame(FRAME_WAIT_MS))
        }
        at++
      }
    }
    if (script.closes) await endOf(client)
    if (client.pending.length > 0) throw new Error(`left over: ${JSON.stringify(client.pending.toString('latin1'))}`)
  } catch (error) {
    outcome.problem = { step: at, text: error instanceof Error ? error.message : String(error) }
  } finally {
    client.close()
  }
  return outcome
}

/** What goes out together: single steps, or everything up to a step that happens elsewhere. */
function runsOf(steps: Step[], mode: Mode, waits: boolean): Step[][] {
  if (waits || mode.name === 'step by step') return steps.map((step) => [step])
  const runs: Step[][] = [[]]
  for (const step of steps) {
    if (step.elsewhere) runs.push([step], [])
    else runs[runs.length - 1].push(step)
  }
  return runs
}

async function send(client: RawClient, pacer: RawClient, bytes: Buffer, mode: Mode, sentBefore: number): Promise<void> {
  const parts = partsOf(bytes, mode, sentBefore)
  for (const [nth, part] of parts.entries()) {
    if (nth > 0) await pacer.call('PING')
    client.send(part)
  }
}

function partsOf(bytes: Buffer, mode: Mode, sentBefore: number): Buffer[] {
  if (bytes.length === 0) return []
  if (mode.name === 'byte by byte') {
    return [...pieces(bytes.subarray(0, BYTE_BY_BYTE), 1), ...pieces(bytes.subarray(BYTE_BY_BYTE), 4093)]
  }
  const cut = mode.name === 'cut in two' ? mode.at - sentBefore : 0
  return cut > 0 && cut < bytes.length ? [bytes.subarray(0, cut), bytes.subarray(cut)] : [bytes]
}

async function endOf(client: RawClient): Promise<void> {
  const waiting = new AbortController()
  const late = sleep(FRAME_WAIT_MS, 'late', { signal: waiting.signal }).catch(() => undefined)
  const first = await Promise.race([client.closed, late])
  waiting.abort()
  if (first === 'late') throw new Error('the connection was not closed')
}

function commandStep(...args: string[]): Step {
  return { text: args.join(' '), bytes: encode(args), args, replies: 1, elsewhere: undefined, onceBlocked: false }
}

/** Connected directly to a server. */
export class OtherClient implements Other {
  readonly #client: RawClient

  private constructor(client: RawClient) {
    this.#client = client
  }

  static async connect(port: number): Promise<OtherClient> {
    return new OtherClient(await RawClient.connect(port))
  }

  async empty(): Promise<void> {
    this.#client.send(Buffer.concat([encode(['FLUSHALL']), encode(['SCRIPT', 'FLUSH']), encode(['FUNCTION', 'FLUSH'])]))
    for (let left = 3; left > 0; left--) await this.#client.frame()
  }

  async act(step: Step): Promise<void> {
    if (step.onceBlocked) await this.awaitBlocked()
    await this.call(...(step.elsewhere ?? []))
  }

  async awaitBlocked(): Promise<void> {
    await until(() => this.#hasBlockedClient(), 'a client is blocked', FRAME_WAIT_MS)
  }

  async call(...args: readonly Argument[]): Promise<string> {
    return (await this.#client.call(...args)).toString('latin1')
  }

  close(): void {
    this.#client.close()
  }

  async #hasBlockedClient(): Promise<boolean> {
    const info = await this.#client.call('INFO', 'clients')
    return /blocked_clients:[1-9]/.test(info.toString())
  }
}
