import { describeAddress } from '../config/address.js'
import type { Address, Config, ListenerGuard } from '../config/config.js'
import type { Recorder } from '../metrics/recorder.js'
import type { TurnClock } from '../util/clock.js'
import type { EventLog } from '../util/log.js'
import type { Audited } from './audit.js'
import { Guard, type Shared } from './guard.js'
import { HotKeys } from './hot-keys.js'
import { Reports } from './reports.js'
import { SlowLog } from './slow-log.js'

/** The part of the configuration that guards follow. */
type Guarding = Pick<Config, 'listen' | 'guard'>

/** How often the log tells of an audit, ms. */
const AUDIT_INTERVAL = 60_000

/** The guards of all listeners, and what they note together. */
export class Guards {
  readonly #shared: Shared
  #byListener = new Map<string, Guard>()
  #settings: Guarding['guard']
  #audited = 0
  #toldAt: number

  /**
   * @param capacity most ids that commands can have
   * @param knows whether there is a command of this name
   */
  constructor(
    config: Guarding,
    recorder: Recorder,
    clock: TurnClock,
    readonly log: EventLog,
    readonly capacity: number,
    readonly knows: (name: string) => boolean,
  ) {
    this.#settings = config.guard
    this.#toldAt = clock.now
    this.#shared = {
      reports: new Reports(recorder, clock, log),
      slowLog: new SlowLog(config.guard.slowLog.entries),
      hotKeys: new HotKeys(config.guard, clock.now),
    }
    this.apply(config)
  }

  /** Sessions go on under it from their next command on; those of a listener that it does not have, under what they had. */
  apply(config: Guarding): void {
    const { slowLog, hotKeys } = this.#shared
    const settings = config.guard
    this.#settings = settings
    slowLog.resize(settings.slowLog.entries)
    hotKeys.apply(settings)
    const guards = config.listen.map((listener) => [describeAddress(listener.address), this.of(listener)] as const)
    this.#byListener = new Map(guards)
    for (const listener of config.listen) this.of(listener).apply(settings, listener)
    this.#nameUnknown()
  }

  /** The guard of a listener, which may be one of a configuration that is about to be applied. */
  of(listener: { readonly address: Address } & ListenerGuard): Guard {
    const name = describeAddress(listener.address)
    const known = this.#byListener.get(name)
    if (known !== undefined) return known
    const guard = new Guard(this.#settings, listener, this.#shared, this.capacity)
    this.#byListener.set(name, guard)
    return guard
  }

  sweep(now: number): void {
    this.#shared.hotKeys.sweep(now)
    if (now - this.#toldAt < AUDIT_INTERVAL) return
    this.#toldAt = now
    this.#tellAudits()
  }

  // What the admin server shows.

  slowlog(): object {
    const { slowLog } = this.#shared
    return { thresholdMs: this.#settings.slowLog.threshold, total: slowLog.total, commands: slowLog.list() }
  }

  hotkeys(): object {
    return this.#shared.hotKeys.report()
  }

  audit(): object {
    const listeners = [...this.#byListener].flatMap(([listener, { audit }]) =>
      audit === null ? [] : [{ listener, ...audit.report() }],
    )
    return { listeners }
  }

  /** A rule for a command that nobody knows may be for one of a module, or have a slip in it. */
  #nameUnknown(): void {
    const named = [...this.#byListener.values()].flatMap(({ rules }) => rules.flatMap(({ commands }) => commands))
    const unknown = [...new Set(named)].filter((name) => !name.startsWith('@') && !this.knows(name))
    if (unknown.length > 0) this.log.event('warn', 'guard_rule_for_unknown_command', { commands: unknown })
  }

  #tellAudits(): void {
    const sums: Partial<Record<Audited, number>> = {}
    let commands = 0
    for (const { audit } of this.#byListener.values()) {
      if (audit === null) continue
      commands += audit.commands
      for (const [what, count] of Object.entries(audit.sums()) as [Audited, number][])
        sums[what] = (sums[what] ?? 0) + count
    }
    if (commands === this.#audited) return
    this.#audited = commands
    this.log.event('info', 'audit', { commands, ...sums })
  }
}
