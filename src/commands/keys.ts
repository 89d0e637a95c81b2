import { resolve, wordAt, type ArgumentReader, type CommandSpec, type KeyBegin, type KeySpec } from './spec.js'

/**
 * Positions of a command's keys, in the order of `COMMAND GETKEYS`; 1 = first argument after the name, for subcommands too.
 * `spec` may be the container's row. Empty when there are none or the command is malformed: then the server says what is
 * wrong with it. Never throws. Keys that only the data can tell (SORT's BY and GET patterns) are not found.
 */
export function keyPositions(spec: CommandSpec, args: ArgumentReader): number[] {
  return positions(resolve(spec, args).keySpecs, args, true)
}

/**
 * Positions of what decides the slot of a command: keys, and the shard channels of SSUBSCRIBE, SUNSUBSCRIBE and SPUBLISH. Unlike COMMAND GETKEYS a cluster finds the first key of PFMERGE
 * if no other follows.
 */
export function slotPositions(spec: CommandSpec, args: ArgumentReader): number[] {
  const { keySpecs } = resolve(spec, args)
  return [...positions(keySpecs, args, true, true), ...positions(keySpecs, args, false)]
}

function positions(specs: readonly KeySpec[], args: ArgumentReader, isKey: boolean, lenient = false): number[] {
  let found: number[] = []
  for (const spec of specs) {
    if (spec.isKey !== isKey) continue
    const begin = beginOf(spec.begin, args)
    if (begin === 0) continue
    const group = groupFrom(begin, spec, args)
    if (group === null && lenient && found.length > 0 && begin >= args.count) continue
    if (group === null) return []
    if (spec.replaces && found.some((position) => args.text(position) !== '')) return []
    found = spec.replaces ? group : found.concat(group)
  }
  return found
}

/** Where the group begins; 0 when its keyword is not there. */
function beginOf(begin: KeyBegin, args: ArgumentReader): number {
  switch (begin.kind) {
    case 'index':
      return begin.index
    case 'keyword':
      return afterKeyword(begin.keyword, begin.startFrom, args)
    case 'option':
      return afterOption(begin, args)
    case 'unknown':
      return 0
  }
}

function afterKeyword(keyword: string, startFrom: number, args: ArgumentReader): number {
  const step = startFrom < 0 ? -1 : 1
  // The last argument is no keyword: nothing would follow it.
  for (let i = startFrom < 0 ? args.count + startFrom : startFrom; i >= 1 && i < args.count - 1; i += step) {
    if (wordAt(args, i) === keyword) return i + 1
  }
  return 0
}

function afterOption(option: KeyBegin & { kind: 'option' }, args: ArgumentReader): number {
  let found = 0
  for (let i = option.startFrom; i < args.count - 1; i++) {
    const word = wordAt(args, i)
    if (word === option.keyword) found = i + 1
    if (found !== 0 && !option.last) break
    i += option.values.get(word) ?? 0
  }
  return found
}

/** The positions of one group; null when the arguments do not fit, which makes the whole command malformed. */
function groupFrom(begin: number, spec: KeySpec, args: ArgumentReader): number[] | null {
  const { find } = spec
  if (find.kind === 'unknown') return []
  let first = begin
  let last: number
  if (find.kind === 'keynum') {
    const count = keyCount(begin + find.keyNumIdx, args)
    first = begin + find.firstKey
    last = first + (count - 1) * find.keyStep
  } else {
    last = lastOfRange(first, find.lastKey, find.limit, args.count)
  }
  if (first < 1 || last < first || last >= args.count) return null
  const group: number[] = []
  for (let i = first; i <= last; i += Math.max(find.keyStep, 1)) group.push(i)
  return group
}

function lastOfRange(first: number, lastKey: number, limit: number, count: number): number {
  if (lastKey >= 0) return first + lastKey
  return limit > 1 ? first + Math.trunc((count - first) / limit) + lastKey : count + lastKey
}

/** The number of keys as the servers read it: plain decimal digits. 0 when it is anything else. */
function keyCount(position: number, args: ArgumentReader): number {
  if (position >= args.count) return 0
  const text = args.text(position)
  return /^[1-9]\d{0,18}$/.test(text) ? Number(text) : 0
}
