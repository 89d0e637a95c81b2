import { Flag, resolve, type ArgumentReader, type CommandSpec } from './spec.js'

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
  if (fact.at === 'option') return blockOption(args)
  const position = fact.at === 'first' ? 1 : args.count - 1
  return position >= 1 && position < args.count ? parseTime(args.text(position), fact.unit) : NaN
}

/** The value of BLOCK before STREAMS; the last one counts. */
function blockOption(args: ArgumentReader): number {
  let time = -1
  for (let i = 1; i < args.count; i++) {
    const word = args.text(i).toLowerCase()
    if (word === 'streams') break
    if (word === 'block') time = i + 1 < args.count ? parseTime(args.text(i + 1), 'milliseconds') : NaN
    i += streamReadOptions.get(word) ?? 0
  }
  return time
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
