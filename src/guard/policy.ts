import type { Action, Rule } from '../config/config.js'
import { type CommandSpec, Flag } from '../commands/spec.js'
import { INDISPENSABLE } from '../config/rules.js'
import type { ErrorCode } from '../errors.js'
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
  /** Empty if it fits whatever the keys are. */
  readonly patterns: readonly KeyPattern[]
}

/**
 * The rules that may decide about a command, in order. Those behind one that fits in any case never do, and if all allow the command there is
 * nothing to decide.
 */
export function clausesFor(spec: CommandSpec, rules: readonly Rule[]): readonly Clause[] {
  if (INDISPENSABLE.includes(spec.name) || (spec.flags & Flag.noAuth) !== 0) return []
  const clauses: Clause[] = []
  for (const { action, commands, keys } of rules) {
    const word = commands.find((each) => concerns(each, spec))
    if (word === undefined) continue
    const rule = [word, ...keys.map((key) => `~${key}`)].join(' ')
    clauses.push({ action, rule, patterns: keys.map((key) => new KeyPattern(key)) })
    if (keys.length === 0) break
  }
  return clauses.some(({ action }) => action !== 'allow') ? clauses : []
}

function concerns(word: string, { name, categories }: CommandSpec): boolean {
  if (word.startsWith('@')) return word === '@all' || categories.has(word.slice(1))
  return word === name || name.startsWith(`${word}|`)
}

/** What the first clause that fits a command with these keys says; null if it allows the command, or there is none. */
export function decide(clauses: readonly Clause[], keysOf: () => readonly Buffer[]): Finding | null {
  let keys: readonly Buffer[] | null = null
  for (const { action, rule, patterns } of clauses) {
    if (patterns.length > 0) {
      keys ??= keysOf()
      if (!fits(action, patterns, keys)) continue
    }
    if (action === 'allow') return null
    return { action, rule, code: patterns.length === 0 ? 'commandDenied' : 'keysDenied' }
  }
  return null
}

/** One key is enough for a rule that is against the command, but one that allows it must hold for all of them. */
function fits(action: Action, patterns: readonly KeyPattern[], keys: readonly Buffer[]): boolean {
  const fitsOne = (key: Buffer): boolean => patterns.some((pattern) => pattern.fits(key))
  return action === 'allow' ? keys.length > 0 && keys.every(fitsOne) : keys.some(fitsOne)
}
