import type { CounterHistory } from './counter-history.ts'
import type { PrivateCounter, PrivateText } from './private-keys.ts'
import type { RegisterHistory } from './register-history.ts'
import type { Reply } from './replies.ts'

export type Kind =
  | 'incr'
  | 'swap'
  | 'get'
  | 'mget'
  | 'echo'
  | 'multi'
  | 'queued'
  | 'exec'
  | 'shared incr'
  | 'shared count'
  | 'shared set'
  | 'shared get'

/** One command of a session, and what is known of what it must be answered. */
export class Operation {
  /** When it was sent. */
  start = 0
  /** The reply if nothing fails, and the bytes that this one is; null where others are as good. */
  good: Reply = null
  bytes: string | null = null
  /** What it writes, or wants to hear again. */
  value = ''
  counter: PrivateCounter | null = null
  text: PrivateText | null = null
  texts: readonly PrivateText[] = []
  total: CounterHistory | null = null
  register: RegisterHistory | null = null

  constructor(
    readonly kind: Kind,
    readonly args: readonly string[],
  ) {}
}
