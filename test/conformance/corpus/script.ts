import { encode, type Argument } from '../../helpers/raw.ts'

export type Protocol = 2 | 3

/** How many frames answer a step: the same number in both protocols, or one for RESP2 and one for RESP3. */
export type Replies = number | readonly [resp2: number, resp3: number]

export interface Step {
  /** The command in words, for messages and for the tables of exceptions. */
  readonly text: string
  /** What the session sends; nothing if the step happens elsewhere. */
  readonly bytes: Buffer
  readonly args: readonly Argument[] | undefined
  readonly replies: Replies
  /** A command that another client, connected directly, sends and has answered before the script goes on. */
  readonly elsewhere: readonly Argument[] | undefined
  /** The other client first waits until the server has a blocked client. */
  readonly onceBlocked: boolean
}

export interface Script {
  readonly name: string
  readonly steps: readonly Step[]
  /** Only for this protocol. */
  readonly only: Protocol | undefined
  /** The server closes the connection at the end. */
  readonly closes: boolean
  /** Each step waits for the replies to the one before: the server answers otherwise if they come together. */
  readonly waits: boolean
}

export interface Family {
  readonly name: string
  readonly scripts: readonly Script[]
}

/** A command in words, split at each space; as an array where an argument is empty, binary or has spaces. */
export type StepLike = string | readonly Argument[] | Step
export interface ScriptLike {
  steps: readonly StepLike[]
  only?: Protocol
  closes?: boolean
  waits?: boolean
}

export function family(name: string, scripts: Record<string, readonly StepLike[] | ScriptLike>): Family {
  return {
    name,
    scripts: Object.entries(scripts).map(([scriptName, like]) => {
      const { steps, only, closes, waits } = isList(like) ? { steps: like } : like
      return { name: scriptName, steps: steps.map(toStep), only, closes: closes ?? false, waits: waits ?? false }
    }),
  }
}

/** A command that is answered by another number of frames than one. */
export function answered(replies: Replies, like: string | readonly Argument[]): Step {
  const args = toArguments(like)
  return { text: textOf(args), bytes: encode([...args]), args, replies, elsewhere: undefined, onceBlocked: false }
}

/** Any bytes. */
export function raw(bytes: Buffer | string, replies: Replies = 1): Step {
  const sent = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1')
  const text = `raw ${preview(sent)}`
  return { text, bytes: sent, args: undefined, replies, elsewhere: undefined, onceBlocked: false }
}

/** A command of another client; `replies` counts frames that it makes the session under test receive. */
export function elsewhere(like: string | readonly Argument[], replies: Replies = 0, onceBlocked = false): Step {
  const args = toArguments(like)
  const text = `elsewhere ${textOf(args)}`
  return { text, bytes: Buffer.alloc(0), args: undefined, replies, elsewhere: args, onceBlocked }
}

/** The same for a list of keys or commands: `each(['a', 'b'], (x) => `GET ${x}`)`. */
export function each<T>(items: readonly T[], command: (item: T) => StepLike): StepLike[] {
  return items.map(command)
}

export function repliesIn(protocol: Protocol, replies: Replies): number {
  if (typeof replies === 'number') return replies
  return protocol === 2 ? replies[0] : replies[1]
}

/**
 * What makes a command form: the name, the option words (written in capitals in the corpus), and what kind of thing
 * each other argument is. `SET k v EX 10` and `SET a b EX 20` are one form, `SET k v EX abc` is another.
 */
export function formOf(step: Step): string | undefined {
  if (step.elsewhere) return undefined
  if (!step.args) return step.text
  const [name, ...rest] = step.args
  return [String(name).toUpperCase(), ...rest.map(kindOf)].join(' ')
}

function kindOf(argument: Argument): string {
  const text = Buffer.isBuffer(argument) ? argument.toString('latin1') : String(argument)
  if (/^[A-Z][A-Z-]+$/.test(text)) return text
  if (/^-\d+$/.test(text)) return '-n'
  if (/^\d+$/.test(text)) return text.length > 15 ? 'huge' : 'n'
  if (/^[+-]?\d*\.\d+(e\d+)?$/.test(text)) return 'float'
  if (text === '') return 'empty'
  if (text.length > 1000) return 'large'
  return /^[\x20-\x7e]*$/.test(text) ? 'text' : 'binary'
}

function toStep(like: StepLike): Step {
  return typeof like === 'string' || isList(like) ? answered(1, like) : like
}

function toArguments(like: string | readonly Argument[]): readonly Argument[] {
  return typeof like === 'string' ? like.split(' ') : like
}

function isList<T, U>(value: readonly T[] | U): value is readonly T[] {
  return Array.isArray(value)
}

function textOf(args: readonly Argument[]): string {
  return args.map((arg) => (Buffer.isBuffer(arg) ? preview(arg) : shorten(String(arg)))).join(' ')
}

function preview(bytes: Buffer): string {
  return shorten(JSON.stringify(bytes.toString('latin1', 0, 100)))
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
