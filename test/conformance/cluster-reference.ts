import slotOf from 'cluster-key-slot'
import { encode, type Argument, type RawClient } from '../helpers/raw.ts'
import { CLUSTER_REFUSALS, CROSS_SLOT, IN_VAIN, type ClusterRefusal } from './cluster-refusals.ts'
import type { Protocol, Script, Step } from './corpus/script.ts'
import { play, stepsOf, type Outcome, type Side } from './play.ts'

/** How far a script has come with a transaction, and the slot that all of its keys are in, once there is one. */
interface Stage {
  now: 'open' | 'watching' | 'queueing' | 'doomed'
  slot: number | null
}

/** Commands with keys in several slots that are taken apart. */
const TAKEN_APART = /^(MGET|MSET|DEL|UNLINK|EXISTS|TOUCH|XREAD(?!.* BLOCK)) /i
/** Sent in the place of what a cluster refuses, with the row's number. */
const NONSENSE = 'NOSUCHCOMMAND'
const REFUSED = new RegExp(`^-ERR unknown command '${NONSENSE}', with args beginning with: '(\\d+)' '([^']*)'`)
const ROWS = [CROSS_SLOT, ...CLUSTER_REFUSALS]
/** Wait on a connection of their own, which a session that watches keys has already, at one node. */
const BLOCKS = /^(BL|BR|BZ|XREAD(GROUP)? .*BLOCK)/i
const BEGINS = /^(raw ")?MULTI(\\r|$)/i
const ENDS_TRANSACTION = /^(raw ")?(EXEC|(RESET|DISCARD)$)/i
const ENDS_WATCH = /^(RESET|UNWATCH)$/i

/**
 * Rewrites scripts for the single Redis that a cluster is compared with: in the place of what a cluster refuses stands what any server
 * refuses, so that both have the same data afterwards, and the same transactions fail.
 */
export class Reference {
  readonly #met = new Set<ClusterRefusal>()
  readonly #answers = new Map<string, Promise<Buffer[]>>()

  /** @param client asks Redis about commands */
  constructor(readonly client: RawClient) {}

  /** What the single Redis answers, as it is on a cluster; and the steps, whose words say what is in vain, and so may be refused otherwise. */
  async play(side: Side, script: Script, protocol: Protocol): Promise<{ steps: Step[]; outcome: Outcome }> {
    const rewritten = await this.#rewrite(script, protocol)
    const outcome = await play(side, rewritten, protocol, { name: 'step by step' })
    const frames = outcome.frames.map((each) => each.map((frame) => this.#translate(frame)))
    return { steps: stepsOf(rewritten, protocol), outcome: { ...outcome, frames } }
  }

  async #rewrite(script: Script, protocol: Protocol): Promise<Script> {
    const stage: Stage = { now: 'open', slot: null }
    // The session can do nothing but subscribe, and is told so whatever else it says.
    if (protocol === 2 && script.name === 'commands while subscribed') return script
    const steps: Step[] = []
    for (const step of script.steps) {
      const before = stage.now
      const row = await this.#refusal(step, stage, protocol)
      if (row !== undefined) this.#met.add(row)
      const text = before === 'doomed' && stage.now === 'doomed' ? `${IN_VAIN}${step.text}` : step.text
      steps.push({ ...step, text, bytes: row === undefined ? step.bytes : insteadOf(row, before, step.text) })
    }
    return { ...script, steps }
  }

  #translate(frame: Buffer): Buffer {
    const [, row, name] = REFUSED.exec(frame.toString('latin1', 0, 200)) ?? []
    return row === undefined ? frame : Buffer.from(`-${ROWS[Number(row)].answer.replace('%', name)}\r\n`)
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
    const inside = now === 'queueing' || now === 'doomed'
    if ((inside ? ENDS_TRANSACTION : ENDS_WATCH).test(step.text)) Object.assign(stage, { now: 'open', slot: null })
    if (BEGINS.test(step.text) && now !== 'doomed') stage.now = 'queueing'
    if (now === 'doomed') return undefined
    if (now === 'queueing' && (await this.#isFaulty(step))) {
      stage.now = 'doomed'
      return undefined
    }
    const holds = (row: ClusterRefusal) => (row.during ?? now) === now && (row.only ?? protocol) === protocol
    const row = (await this.#crosses(step, stage))
      ? CROSS_SLOT
      : CLUSTER_REFUSALS.find((each) => holds(each) && each.command.test(step.text))
    if (now === 'queueing' && row !== undefined && row.atExec !== true) stage.now = 'doomed'
    return row
  }

  async #crosses({ args, text }: Step, stage: Stage): Promise<boolean> {
    if (args === undefined) return false
    const [slot, ...others] = new Set((await this.#keysOf(args)).map((key) => slotOf(key)))
    if (slot === undefined) return false
    const watches = /^WATCH /i.test(text)
    if (watches && stage.now === 'queueing') return false
    if (others.length > 0) return stage.now === 'queueing' || !TAKEN_APART.test(text)
    if (watches && stage.now === 'open') stage.now = 'watching'
    const blocks = stage.now === 'watching' && BLOCKS.test(text)
    if (!watches && !blocks && stage.now !== 'queueing') return false
    stage.slot ??= slot
    return stage.slot !== slot
  }

  /** Whether Redis takes it into a transaction. */
  async #isFaulty({ args, text }: Step): Promise<boolean> {
    if (args === undefined || NEVER_QUEUED.test(text)) return false
    const id = encode([...args]).toString('latin1')
    const [, answer] = await this.#ask(id, [['MULTI'], args, ['DISCARD']])
    return answer.toString('latin1', 0, 7) !== '+QUEUED'
  }

  async #keysOf(args: readonly Argument[]): Promise<Buffer[]> {
    const [frame] = await this.#ask(`keys ${encode([...args]).toString('latin1')}`, [['COMMAND', 'GETKEYS', ...args]])
    if (frame[0] === STAR) return elementsOf(frame)
    // Redis only tells of its key if others follow.
    return /^PFMERGE$/i.test(String(args[0])) && args.length === 2 ? [Buffer.from(String(args[1]))] : []
  }

  /** The answers to commands that are always answered alike. */
  #ask(id: string, commands: (readonly Argument[])[]): Promise<Buffer[]> {
    let answers = this.#answers.get(id)
    if (answers === undefined) {
      this.client.send(Buffer.concat(commands.map((args) => encode([...args]))))
      answers = Promise.all(commands.map(() => this.client.frame()))
      this.#answers.set(id, answers)
    }
    return answers
  }
}

/** What any server refuses at the same time: at once, or at EXEC. */
function insteadOf(row: ClusterRefusal, now: Stage['now'], text: string): Buffer {
  if (row.atExec === true && now === 'queueing')
    return encode(['EVAL', `return redis.error_reply('${row.answer}')`, '0'])
  return encode([NONSENSE, ROWS.indexOf(row), nameOf(row, text)])
}

const nameOf = ({ command }: ClusterRefusal, text: string) =>
  (command.exec(text)?.[1] ?? '').toLowerCase().replace(' ', '|')

const NEVER_QUEUED = /^(EXEC|QUIT|WATCH .|(MULTI|DISCARD|RESET)$)/i
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
