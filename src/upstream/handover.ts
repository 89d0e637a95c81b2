import type { Kind } from './message.js'
import type { Wish } from './subscription-order.js'
import type { Listener } from './topics.js'

/** What goes from one server to another: who hears what, and the wishes that are not fulfilled yet. */
export interface Handover {
  readonly heard: readonly Heard[]
  readonly wishes: readonly Wish[]
}

export interface Heard {
  readonly kind: Kind
  /** latin1, one character a byte. */
  readonly name: string
  /** The word that subscribes. */
  readonly word: string
  readonly listeners: readonly Listener[]
}
