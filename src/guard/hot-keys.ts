import { createHash } from 'node:crypto'
import { keyPositions } from '../commands/keys.js'
import type { CommandSpec } from '../commands/spec.js'
import type { GuardSettings } from '../config/config.js'
import type { Arguments } from '../resp/arguments.js'
import { showKey } from './key-names.js'
import { TopKeys } from './top-keys.js'

/** How often the past loses half of its weight, ms. */
const HALF_LIFE = 60_000
/** Longer keys are kept by their digest, bytes. */
const LONGEST = 256

/** Which keys are used most, by looking at one command in `sample`. */
export class HotKeys {
  #top: TopKeys
  #agedAt: number

  constructor(
    public settings: GuardSettings,
    now: number,
  ) {
    this.#top = new TopKeys(settings.hotKeys.keys)
    this.#agedAt = now
  }

  apply(settings: GuardSettings): void {
    if (settings.hotKeys.keys !== this.settings.hotKeys.keys) this.#top = new TopKeys(settings.hotKeys.keys)
    this.settings = settings
  }

  /** How many commands pass before the next one is looked at: by chance, lest it be the same one of every pipeline. */
  next(): number {
    const { sample } = this.settings.hotKeys
    return sample === 0 ? NEVER : Math.floor(Math.random() * (2 * sample - 1))
  }

  /** Counts one of the command's keys for all of them. */
  look(spec: CommandSpec, args: Arguments): void {
    if (this.settings.hotKeys.sample === 0) return
    const positions = keyPositions(spec, args)
    if (positions.length === 0) return
    const key = args.bytes(positions[Math.floor(Math.random() * positions.length)])
    const word = key.length <= LONGEST ? key.toString('latin1') : digest(key)
    this.#top.add(word, positions.length)
  }

  sweep(now: number): void {
    if (now - this.#agedAt < HALF_LIFE) return
    this.#agedAt = now
    this.#top.age()
  }

  report(): object {
    const { hotKeys, keyNames } = this.settings
    const total = this.#top.total
    const rounded = (share: number): number => Math.round(share * 10_000) / 10_000
    return {
      sample: hotKeys.sample,
      keyNames,
      sampled: Math.round(total),
      keys: this.#top.list().map(({ word, count, error }) => ({
        key: showKey(Buffer.from(word, 'latin1'), keyNames),
        share: rounded(count / total),
        shareAtLeast: rounded((count - error) / total),
      })),
    }
  }
}

/** More commands than there will be before somebody looks again. */
const NEVER = 2 ** 30

const digest = (key: Buffer): string =>
  `${key.toString('latin1', 0, 64)}…${createHash('sha256').update(key).digest('hex').slice(0, 12)}`
