import slotOf from 'cluster-key-slot'
import { encode, type Argument, type RawClient } from '../helpers/raw.ts'
import { CLUSTER_REFUSALS, CROSS_SLOT, type ClusterRefusal } from './cluster-refusals.ts'
import type { Protocol, Script, Step } from './corpus/script.ts'

/** How far a script has come with a transaction, and the slot that all of its keys are in, once there is one. */
interface Stage {
  now: 'open' | 'watching' | 'queueing' | 'doomed'
  slot: number | null
}

/** Commands with keys in several slots that are taken apart. */
const TAKEN_APART = /^(MGET|MSET|DEL|UNLINK|EXISTS|TOUCH|XREAD(?!.* BLOCK)) /i
/** Sent in the place of what a cluster refuses, with the row's number. */
const NONSENSE = 'NOSUCHCOMMAND'
const REFUSED = new RegExp(`^-ERR unknown command '${NONSENSE}', with args beginning with: '(\\d+)'`)
const ROWS = [CROSS_SLOT, ...CLUSTER_REFUSALS]
const BEGINS = /^(raw ")?MULTI(\\r|$)/i
const ENDS = /^(EXEC|(RESET|DISCARD|UNWATCH)$)/i

/**
 * Rewrites scripts for the single Redis that a cluster is compared with: in the place of what a cluster refuses stands what any server
 * refuses, so that both have the same data afterwards, and the same transactions fail.
 */
export class Reference {
  readonly #met = new Set<ClusterRefusal>()
  readonly #keys = new Map<string, Promise<Buffer[]>>()

  /** @param client asks Redis for the keys of commands */
  constructor(readonly client: RawClient) {}

  async rewrite(script: Script, protocol: Protocol): Promise<Script> {
    const stage: Stage = { now: 'open', slot: null }
    // The session can do nothing but subscribe, and is told so whatever else it says.
    if (protocol === 2 && script.name === 'commands while subscribed') return script
    const steps: Step[] = []
    for (const step of script.steps) {
      const row = await this.#refusal(step, stage, protocol)
      if (row !== undefined) this.#met.add(row)
      steps.push(row === undefined ? step : { ...step, bytes: encode([NONSENSE, ROWS.indexOf(row)]) })
    }
    return { ...script, steps }
  }

  /** A reply of the single Redis as it is on a cluster. */
  translate(frame: Buffer): Buffer {
    const row = REFUSED.exec(frame.toString('latin1', 0, 200))?.[1]
    return row === undefined ? frame : Buffer.from(`-${ROWS[Number(row)].answer}\r\n`)
  }

  /** The script with all of its keys in the slot of a tag; null if it cannot be had so. */
  async tagged(script: Script, tag: string): Promise<Script | null> {
    const steps: Step[] = []
    for (const step of script.steps) {
      const args = step.args ?? step.elsewhere
      if (args === undefined) return null
      const keys = await this.#keysOf(args)
      const isKey = (arg: Argument) => keys.some((key) => key.equals(Buffer.from(String(arg))))
      const moved = args.map((arg, at) => (at > 0 && isKey(arg) ? `{${tag}}${String(arg)}` : arg))
      steps.push(step.elsewhere ? { ...step, elsewhere: moved } : { ...step, args: moved, bytes: encode([...moved]) })
    }
    return { ...script, steps }
  }

  stale(): ClusterRefusal[] {
    return ROWS.filter((row) => !this.#met.has(row))
  }

  async #refusal(step: Step, stage: Stage, protocol: Protocol): Promise<ClusterRefusal | undefined> {
    const { now } = stage
    if (ENDS.test(step.text)) Object.assign(stage, { now: 'open', slot: null })
    if (BEGINS.test(step.text) && now !== 'doomed') stage.now = 'queueing'
    // Of what follows nothing is looked at any more.
    if (now === 'doomed') return undefined
    const holds = (row: ClusterRefusal) => (row.during ?? now) === now && (row.only ?? protocol) === protocol
    const row =
      CLUSTER_REFUSALS.find((each) => holds(each) && each.command.test(step.text)) ??
      ((await this.#crosses(step, stage)) ? CROSS_SLOT : undefined)
    if (row !== undefined && now === 'queueing') stage.now = 'doomed'
    return row
  }

  async #crosses({ args, text }: Step, stage: Stage): Promise<boolean> {
    if (args === undefined) return false
    const [slot, ...others] = new Set((await this.#keysOf(args)).map((key) => slotOf(key)))
    if (slot === undefined) return false
    if (others.length > 0) return stage.now === 'queueing' || !TAKEN_APART.test(text)
    const watches = /^WATCH /i.test(text)
    if (watches && stage.now === 'open') stage.now = 'watching'
    if (!watches && stage.now !== 'queueing') return false
    stage.slot ??= slot
    return stage.slot !== slot
  }

  #keysOf(args: readonly Argument[]): Promise<Buffer[]> {
    const id = encode([...args]).toString('latin1')
    let keys = this.#keys.get(id)
    if (keys === undefined) {
      keys = this.client
        .call('COMMAND', 'GETKEYS', ...args)
        .then((frame) => (frame[0] === STAR ? elementsOf(frame) : []))
      this.#keys.set(id, keys)
    }
    return keys
  }
}

const STAR = '*'.charCodeAt(0)

/** The bulk strings of an array. */
function elementsOf(frame: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let at = frame.indexOf('\r\n') + 2
  while (at < frame.length) {
    const start = frame.indexOf('\r\n', at) + 2
    const length = Number(frame.toString('latin1', at + 1, start - 2))
    elements.push(frame.subarray(start, start + length))
    at = start + length + 2
  }
  return elements
}
