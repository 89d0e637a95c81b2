import { blockingTimeout, blockTime } from '../commands/blocking.js'
import type { CommandSpec } from '../commands/spec.js'
import type { Action, GuardSettings } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import type { Arguments } from '../resp/arguments.js'
import { beginsWith } from './key-pattern.js'
import type { Finding } from './policy.js'

/** Something that is checked of certain commands only. */
export interface Limit {
  readonly rule: string
  readonly code: ErrorCode
  readonly commands: readonly string[]
  readonly action: (settings: GuardSettings) => Action
  /** True if it says nothing of a command that waits in a transaction. */
  readonly outsideTransactions?: boolean
  readonly exceeded: (settings: GuardSettings, spec: CommandSpec, args: Arguments) => boolean
  /** What the number of arguments alone says. */
  readonly exceededBy?: (settings: GuardSettings, argc: number) => boolean
}

const LIMITS: readonly Limit[] = [
  {
    rule: 'manyKeys',
    code: 'tooManyKeys',
    commands: ['del', 'unlink'],
    action: ({ manyKeys }) => manyKeys.action,
    exceeded: ({ manyKeys }, _spec, args) => args.count - 1 > manyKeys.keys,
    exceededBy: ({ manyKeys }, argc) => argc - 1 > manyKeys.keys,
  },
  {
    rule: 'endlessBlock',
    code: 'blocksForEver',
    commands: [...blockingTimeout.keys()],
    action: ({ endlessBlock }) => endlessBlock,
    // There it is answered at once.
    outsideTransactions: true,
    exceeded: (_settings, spec, args) => blockTime(spec, args) === 0,
  },
  {
    rule: 'noTtl',
    code: 'lacksTtl',
    commands: ['set', 'setnx', 'getset', 'mset', 'msetnx'],
    action: ({ noTtl }) => (noTtl.prefixes.length === 0 ? 'allow' : noTtl.action),
    exceeded: ({ noTtl }, spec, args) => {
      if (spec.name === 'set' && setsTtl(args)) return false
      const prefixes = noTtl.prefixes.map((prefix) => Buffer.from(prefix))
      const step = spec.name.startsWith('mset') ? 2 : args.count
      for (let i = 1; i < args.count; i += step) {
        const key = args.bytes(i)
        if (prefixes.some((prefix) => beginsWith(key, prefix))) return true
      }
      return false
    },
  },
]

const TTL_OPTIONS = ['ex', 'px', 'exat', 'pxat', 'keepttl']

/** True if SET gives the key a time to live, or leaves it the one that it has. */
function setsTtl(args: Arguments): boolean {
  for (let i = 3; i < args.count; i++) if (TTL_OPTIONS.includes(args.lower(i))) return true
  return false
}

/** The limits that a command is to be held against. */
export function limitsFor(spec: CommandSpec, settings: GuardSettings): readonly Limit[] {
  return LIMITS.filter(({ commands, action }) => commands.includes(spec.name) && action(settings) !== 'allow')
}

/** Those of them that say yes, as findings. */
export function exceededOf(
  limits: readonly Limit[],
  settings: GuardSettings,
  exceeds: (limit: Limit) => boolean,
): Finding[] {
  return limits.filter(exceeds).flatMap(({ rule, code, action }) => {
    const act = action(settings)
    return act === 'allow' ? [] : [{ action: act, rule, code }]
  })
}
