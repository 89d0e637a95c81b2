import { splitInline } from '../../src/resp/inline.js'
import { isSteady, STEPS } from '../conformance/shuffle.ts'
import { encode } from '../helpers/raw.ts'
import { latin1 } from './bytes.ts'

/**
 * Scripts for sessions, in text. A line is a command in the words of an inline request; `> WORDS` is sent as such a request and not as an array.
 *
 *     @garbage N    bytes that end the connection, as QUIT does: what comes behind it may make that end overtake its answer, so nothing does
 *     @half         the connection ends within a request; what follows is another session
 *     @abort        the connection ends while everything is on its way; nothing follows
 */
export interface SessionScript {
  readonly steps: readonly SessionStep[]
  readonly end: 'farewell' | 'half' | 'abort' | 'closed'
}

export interface SessionStep {
  /** The command in words, as tables of exceptions have it. */
  readonly text: string
  readonly bytes: Buffer
  readonly blocks: boolean
}

const MOST_STEPS = 30
const GARBAGE = ['*1\r\n:1\r\n', '*1\r\n$x\r\n', 'SET k "abc\r\n', '*x\r\n', '*1\r\n$-1\r\n']

const OF_THE_SESSION = [
  ...['HELLO 2', 'HELLO 3', 'HELLO 4', 'RESET', 'QUIT', 'MULTI', 'EXEC', 'DISCARD', 'WATCH k', 'UNWATCH', 'SELECT 1'],
  ...[
    'SUBSCRIBE c',
    'SUBSCRIBE c d',
    'PSUBSCRIBE c*',
    'SSUBSCRIBE c',
    'UNSUBSCRIBE',
    'UNSUBSCRIBE c',
    'PUNSUBSCRIBE',
    'SUNSUBSCRIBE',
  ],
  ...['CLIENT GETNAME', 'CLIENT SETNAME n', 'CLIENT REPLY ON', 'BLPOP k 0.01', 'BLPOP nobody 0.01', 'AUTH x'],
]
/** While a RESP2 session is subscribed, only a server of its version can tell that it does not know the one left out. */
const COMMANDS = STEPS.filter(({ text }) => !text.startsWith('SCRIPT SHOW'))
/** Known to be harmless as they stand. */
const EXACT = new Set([...OF_THE_SESSION, ...COMMANDS.map(({ args }) => args!.join(' '))])
const NAMES = new Set([...EXACT].map((text) => text.split(' ')[0].toUpperCase()))

/** What must not be varied: times are short by chance, numbers large, scripts endless, and some subcommands another matter. */
const FIXED =
  /\d{6}|^(EVAL|FUNCTION|SCRIPT|CLIENT|HELLO|AUTH|COMMAND|RESTORE|PUBSUB|OBJECT|X?GROUP)|EXPIRE|SETEX|\b(PX|EX|PXAT|EXAT|IDLE|TIME|BLOCK)\b/i
const BLOCKS = /^B[LRZ]/i
const CLOSES = /^(@garbage|QUIT\b)/i
/** Whatever state a session is in, RESET is answered; a frame too many would come before it. */
const FAREWELL = [['RESET'], ['PING', 'the end']].map(stepOf)

export const SAMPLE_LINES: readonly string[] = COMMANDS.map(({ args }) =>
  args!.map((arg) => quoted(Buffer.isBuffer(arg) ? arg.toString('latin1') : String(arg))).join(' '),
)
export const SESSION_LINES: readonly string[] = [
  ...OF_THE_SESSION,
  ...GARBAGE.map((_, i) => `@garbage ${i}`),
  '@half',
  '@abort',
  '> PING',
  '> MULTI',
  '> GET k',
]

export function scriptsIn(input: Buffer): SessionScript[] {
  const scripts: SessionScript[] = []
  let steps: SessionStep[] = []
  for (const line of input.toString('latin1').split('\n').slice(0, MOST_STEPS)) {
    if (line === '@abort') return [...scripts, { steps, end: 'abort' }]
    if (line === '@half') {
      scripts.push({ steps, end: 'half' })
      steps = []
      continue
    }
    const step = stepIn(line)
    if (step !== null) steps.push(step)
    if (step === null || !CLOSES.test(step.text)) continue
    scripts.push({ steps, end: 'closed' })
    steps = []
  }
  return [...scripts, { steps: [...steps, ...FAREWELL], end: 'farewell' }]
}

function stepIn(line: string): SessionStep | null {
  const garbage = /^@garbage (\d)$/.exec(line)
  if (garbage !== null) {
    const bytes = latin1(GARBAGE[Number(garbage[1]) % GARBAGE.length])
    return { text: line, bytes, blocks: false }
  }
  const inline = line.startsWith('> ')
  const args = splitInline(inline ? line.slice(2) : line)
  if (args === null || args.length === 0 || !isHarmless(args)) return null
  return inline ? { ...stepOf(args), bytes: latin1(`${line.slice(2)}\r\n`) } : stepOf(args)
}

function stepOf(args: readonly string[]): SessionStep {
  return { text: args.join(' '), bytes: encode(args.map(latin1)), blocks: BLOCKS.test(args[0]) }
}

function isHarmless(args: readonly string[]): boolean {
  const text = args.join(' ')
  if (EXACT.has(text)) return true
  if (!NAMES.has(args[0].toUpperCase()) || FIXED.test(text) || !isSteady(text)) return false
  return !BLOCKS.test(text) || args[/^B[LZ]MPOP$/i.test(args[0]) ? 1 : args.length - 1] === '0.01'
}

/** A word of an inline request. */
function quoted(text: string): string {
  if (/^[!#-&(-[\]-~]+$/.test(text)) return text
  const escape = (char: string) =>
    /[ !#-[\]-~]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  return `"${Array.from(text, escape).join('')}"`
}
