import type { Action, Rule } from '../config/config.js'
import { type CommandSpec, Flag } from '../commands/spec.js'
import { formatPatterns, INDISPENSABLE } from '../config/rules.js'
import type { ErrorCode } from '../errors.js'
import { namesChannels } from './channels.js'
import { KeyPattern } from './key-pattern.js'

/** What the guard has against a command. */
export interface Finding {
  readonly action: 'warn' | 'deny'
  /** What it goes by: the words of a rule that fit, or the name of a limit. Bounded in number by the configuration. */
  readonly rule: string
  /** The error for it, if it is denied. */
  readonly code: ErrorCode
}

/** A rule, as far as it concerns one command. */
export interface Clause {
  readonly action: Action
  readonly rule: string
  readonly code: ErrorCode
  /** Of keys, or of channels if the command names such; empty if it fits whatever these are. */
  readonly patterns: readonly KeyPattern[]
}

/**
 * The rules that may decide about a command, in order. Those behind one that fits in any case never do, and if all allow the command there is
 * nothing to decide.
 */
export function clausesFor(spec: CommandSpec, rules: readonly Rule[]): readonly Clause[] {
  if (INDISPENSABLE.includes(spec.name) || (spec.flags & Flag.noAuth) !== 0) return []
  const clauses: Clause[] = []
  const ofChannels = namesChannels(spec)
  for (const { action, commands, keys, channels } of rules) {
    const word = commands.find((each) => concerns(each, spec))
    if (word === undefined) continue
    const always = keys.length + channels.length === 0
    const patterns = (ofChannels ? channels : keys).map((each) => new KeyPattern(each))
    if (!always && patterns.length === 0) continue
    const code = always ? 'commandDenied' : ofChannels ? 'channelsDenied' : 'keysDenied'
    clauses.push({ action, rule: [word, ...formatPatterns({ keys, channels })].join(' '), code, patterns })
    if (always) break
  }
  return clauses.some(({ action }) => action !== 'allow') ? clauses : []
}

function concerns(word: string, { name, categories }: CommandSpec): boolean {
  if (word.startsWith('@')) return word === '@all' || categories.has(word.slice(1))
  return word === name || name.startsWith(`${word}|`)
}

/**
 * What the first clause that fits a command with these keys or channels says; null if it allows the command, or there is none.
 * @param ofPatterns true if they are patterns themselves
 */
export function decide(
  clauses: readonly Clause[],
  namesOf: () => readonly Buffer[],
  ofPatterns = false,
): Finding | null {
  let names: readonly Buffer[] | null = null
  for (const { action, rule, code, patterns } of clauses) {
    if (patterns.length > 0) {
      names ??= namesOf()
      if (!fits(action, patterns, names, ofPatterns)) continue
    }
    return action === 'allow' ? null : { action, rule, code }
  }
  return null
}

/**
 * One key is enough for a rule that is against the command, but one that allows it must hold for all of them. What is itself a pattern is
 * taken for all that it may mean.
 */
function fits(action: Action, patterns: readonly KeyPattern[], names: readonly Buffer[], ofPatterns: boolean): boolean {
  const how = !ofPatterns ? 'fits' : action === 'allow' ? 'covers' : 'meets'
  const fitsOne = (name: Buffer): boolean => patterns.some((pattern) => pattern[how](name))
  return action === 'allow' ? names.length > 0 && names.every(fitsOne) : names.some(fitsOne)
}
