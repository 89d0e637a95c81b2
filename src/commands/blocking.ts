import { Flag, resolve, wordAt, type ArgumentReader, type CommandSpec } from './spec.js'

type Unit = 'seconds' | 'milliseconds'

/** Where a blocking command's time limit stands, and its unit. Seconds may have a fraction. */
interface TimeFact {
  readonly at: 'first' | 'last' | 'option'
  readonly unit: Unit
}

const firstSeconds: TimeFact = { at: 'first', unit: 'seconds' }
const lastSeconds: TimeFact = { at: 'last', unit: 'seconds' }
const lastMilliseconds: TimeFact = { at: 'last', unit: 'milliseconds' }
const optionMilliseconds: TimeFact = { at: 'option', unit: 'milliseconds' }

export const blockingTimeout: ReadonlyMap<string, TimeFact> = new Map([
  ['blpop', lastSeconds],
  ['brpop', lastSeconds],
  ['brpoplpush', lastSeconds],
  ['blmove', lastSeconds],
  ['blmpop', firstSeconds],
  ['bzpopmin', lastSeconds],
  ['bzpopmax', lastSeconds],
  ['bzmpop', firstSeconds],
  ['wait', lastMilliseconds],
  ['waitaof', lastMilliseconds],
  ['xread', optionMilliseconds],
  ['xreadgroup', optionMilliseconds],
])

/** Options of XREAD and XREADGROUP before STREAMS, with the number of their values. */
const streamReadOptions: ReadonlyMap<string, number> = new Map([
  ['block', 1],
  ['count', 1],
  ['group', 2],
  ['claim', 1],
])

/**
 * How long the server may keep the connection waiting, in milliseconds; 0 = for ever, -1 = it does not wait,
 * NaN = the server will refuse the time given. A blocking command of unknown form counts as 0.
 */
export function blockTime(spec: CommandSpec, args: ArgumentReader): number {
  const { name, flags } = resolve(spec, args)
  const fact = blockingTimeout.get(name)
  if (fact === undefined) return (flags & Flag.blocking) !== 0 ? 0 : -1
  const position = timePosition(fact, args)
  if (position === null) return -1
  return position >= 1 && position < args.count ? parseTime(args.text(position), fact.unit) : NaN
}

/** The arguments of a blocking command with another time, ms; `blockTime` has found a good one there. */
export function withBlockTime(spec: CommandSpec, args: ArgumentReader, time: number): string[] {
  const texts = Array.from({ length: args.count }, (_, i) => args.text(i))
  const fact = blockingTimeout.get(resolve(spec, args).name)
  const position = fact === undefined ? null : timePosition(fact, args)
  if (fact === undefined || position === null) return texts
  texts[position] = fact.unit === 'seconds' ? String(time / 1000) : String(time)
  return texts
}

function timePosition(fact: TimeFact, args: ArgumentReader): number | null {
  switch (fact.at) {
    case 'first':
      return 1
    case 'last':
      return args.count - 1
    case 'option':
      return blockPosition(args)
  }
}

/** Where the value of BLOCK stands before STREAMS, or null if there is none; the last one counts. */
function blockPosition(args: ArgumentReader): number | null {
  let position: number | null = null
  for (let i = 1; i < args.count; i++) {
    const word = wordAt(args, i)
    if (word === 'streams') break
    if (word === 'block') position = i + 1
    i += streamReadOptions.get(word) ?? 0
  }
  return position
}

const formats: Record<Unit, RegExp> = {
  seconds: /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i,
  milliseconds: /^(0|[1-9]\d*)$/,
}

function parseTime(text: string, unit: Unit): number {
  if (!formats[unit].test(text)) return NaN
  // Servers round up, so that a tiny time does not become 0, which is for ever.
  const time = unit === 'seconds' ? Math.ceil(Number(text) * 1000) : Number(text)
  return time >= 0 && time < 2 ** 63 ? Math.abs(time) : NaN
}
