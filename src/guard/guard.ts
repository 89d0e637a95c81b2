import { keyPositions } from '../commands/keys.js'
import { type CommandSpec, isBlocking } from '../commands/spec.js'
import type { Action, GuardSettings, ListenerGuard, Rule } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import { Arguments } from '../resp/arguments.js'
import { Audit } from './audit.js'
import type { HotKeys } from './hot-keys.js'
import { showKey } from './key-names.js'
import { keyCount } from './key-count.js'
import { channelsIn, namesChannels, namesPatterns } from './channels.js'
import { exceededOf, type Limit, limitsFor } from './limits.js'
import { type Clause, clausesFor, decide, type Finding } from './policy.js'
import type { Client, Reports } from './reports.js'
import type { SlowLog } from './slow-log.js'

/** A command in a buffer. */
export interface Given {
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly argc: number
}

/** A command that has been answered. Times in ms, sizes in bytes. */
export interface Answered {
  readonly spec: CommandSpec
  readonly failed: boolean
  readonly waited: number
  readonly size: number
  readonly sent: number
  readonly argc: number
  readonly route: { readonly endpoint: { readonly name: string } }
}

/** What all guards of a process share. */
export interface Shared {
  readonly reports: Reports
  readonly slowLog: SlowLog
  readonly hotKeys: HotKeys
}

/** What there is to check of one command. */
interface Checks {
  readonly clauses: readonly Clause[]
  readonly limits: readonly Limit[]
}

/** In `Guard.plain`: there is nothing to check of this command but its size. */
export const PLAIN = 1

/**
 * What one listener has against the commands of its applications.
 *
 *     command ──► plain, not too large, not to be sampled? ──► dispatched, at the cost of a look into a table
 *            └──► findings of rules and limits ──► counted, logged; an error for the first that denies
 *
 * Decided once for each command, when it comes first; `apply` decides anew. In an audit nothing is plain, and nothing denied.
 */
export class Guard {
  /** By id of command. */
  plain: Uint8Array
  /** Requests larger than this are looked at, bytes. */
  bigRequest = Infinity
  /** Replies larger than this are counted, bytes. */
  bigReply = Infinity
  /** From how long on a command is noted as slow, ms. */
  slowFrom = Infinity
  /** Commands until the next one whose keys are looked at. */
  left: number
  /** True if a command could be denied, so that none may pass unseen. */
  denies = false
  /** Null if nothing is audited. */
  audit: Audit | null = null
  #settings: GuardSettings
  #rules: readonly Rule[] = []
  readonly #checks: (Checks | undefined)[] = []

  /** @param capacity most ids that commands can have */
  constructor(
    settings: GuardSettings,
    own: ListenerGuard,
    readonly shared: Shared,
    readonly capacity: number,
  ) {
    this.plain = new Uint8Array(capacity)
    this.left = shared.hotKeys.next()
    this.#settings = settings
    this.apply(settings, own)
  }

  apply(settings: GuardSettings, own: ListenerGuard): void {
    const audits = own.audit ?? settings.audit
    if (!audits) this.audit = null
    else this.audit ??= new Audit(new Date())
    this.#settings = settings
    this.#rules = [...own.rules, ...settings.rules]
    const { bigRequest, manyKeys, noTtl, endlessBlock } = settings
    const actions = [...this.#rules, bigRequest, manyKeys, noTtl, { action: endlessBlock }]
    this.denies = !audits && actions.some(({ action }) => action === 'deny')
    this.plain = new Uint8Array(this.capacity)
    this.#checks.length = 0
    this.bigRequest = bigRequest.action === 'allow' ? Infinity : bigRequest.bytes
    this.bigReply = settings.bigReply.action === 'allow' ? Infinity : settings.bigReply.bytes
    this.slowFrom = settings.slowLog.threshold === 0 ? Infinity : settings.slowLog.threshold
    this.left = this.shared.hotKeys.next()
  }

  /** The rules in force, those of the listener itself first. */
  get rules(): readonly Rule[] {
    return this.#rules
  }

  /** True if it takes the keys, or channels, to say what there is against the command. */
  needsKeys(spec: CommandSpec): boolean {
    return this.#checksOf(spec).clauses.some(({ patterns }) => patterns.length > 0)
  }

  /**
   * What there is against a command; nothing is counted.
   * @param queued true if it waits in a transaction for its EXEC
   */
  findings(spec: CommandSpec, given: Given, queued: boolean): Finding[] {
    const { clauses, limits } = this.#checksOf(spec)
    const args = new Arguments(given.buf, given.start, given.end)
    const names = () =>
      namesChannels(spec) ? channelsIn(spec, args) : keyPositions(spec, args).map((position) => args.bytes(position))
    const decided = decide(clauses, names, namesPatterns(spec))
    const exceeded = exceededOf(limits, this.#settings, ({ outsideTransactions, exceeded }) => {
      return !(queued && outsideTransactions === true) && exceeded(this.#settings, spec, args)
    })
    return [decided, ...exceeded, this.#findSize(given.end - given.start)].filter((each) => each !== null)
  }

  /**
   * What there is against a request of which only the beginning has come.
   * @param keys those that count, as far as `needsKeys` says so
   * @param bytes how large it is, at the least
   */
  findingsOfLarge(spec: CommandSpec, keys: readonly Buffer[], argc: number, bytes: number): Finding[] {
    const { clauses, limits } = this.#checksOf(spec)
    const exceeded = exceededOf(limits, this.#settings, ({ exceededBy }) => exceededBy?.(this.#settings, argc) === true)
    return [decide(clauses, () => keys), ...exceeded, this.#findSize(bytes)].filter((each) => each !== null)
  }

  /** True if there is nothing to check of a request. */
  isPlain(spec: CommandSpec, bytes: number): boolean {
    return this.plain[spec.id] === PLAIN && bytes <= this.bigRequest
  }

  /** The error that a command gets instead of being dispatched; null for none. Nothing is counted. */
  refuses(spec: CommandSpec, given: Given, queued: boolean): ErrorCode | null {
    if (this.audit !== null || this.isPlain(spec, given.end - given.start)) return null
    return denialIn(this.findings(spec, given, queued))
  }

  /** The same, and what was found is counted and logged. */
  judge(client: Client, spec: CommandSpec, given: Given, queued: boolean): ErrorCode | null {
    if (this.left < 0) this.#sample(spec, given)
    const findings = this.findings(spec, given, queued)
    if (findings.length === 0) return null
    this.report(client, spec, findings, { bytes: given.end - given.start, ...this.#describeKeys(spec, given) })
    return this.audit === null ? denialIn(findings) : null
  }

  /** Counts and logs what was found. */
  report(client: Client, spec: CommandSpec, findings: readonly Finding[], details: object): void {
    const { audit } = this
    for (const { action, rule } of findings) {
      this.shared.reports.add(audit !== null && action === 'deny' ? 'spared' : action, rule, spec.name, client, details)
      audit?.note(action === 'deny' ? 'denied' : 'warned', spec.name, rule)
    }
  }

  /** A command has been answered that took long, or has a large reply. */
  answered(client: Client, request: Answered, ms: number): void {
    const { spec, waited, size, failed, sent, argc } = request
    const { endpoint } = request.route
    if (size > this.bigReply)
      this.shared.reports.add('warn', 'bigReply', spec.name, client, { endpoint: endpoint.name, bytes: size })
    if (ms + waited < this.slowFrom || isBlocking(spec)) return
    this.shared.slowLog.add({
      at: new Date().toISOString(),
      command: spec.name,
      failed,
      totalMs: rounded(ms + waited),
      waitMs: rounded(waited),
      upstreamMs: rounded(ms),
      requestBytes: sent === 0 ? null : sent,
      replyBytes: size,
      keys: argc === 0 ? null : keyCount(spec, argc),
      endpoint: endpoint.name,
      client: { id: client.id, address: client.downstream.remoteAddress, name: client.name },
    })
  }

  #checksOf(spec: CommandSpec): Checks {
    const known = this.#checks[spec.id]
    if (known !== undefined) return known
    const checks = { clauses: clausesFor(spec, this.#rules), limits: limitsFor(spec, this.#settings) }
    if (this.audit === null && checks.clauses.length + checks.limits.length === 0) this.plain[spec.id] = PLAIN
    return (this.#checks[spec.id] = checks)
  }

  #findSize(bytes: number): Finding | null {
    const action: Action = this.#settings.bigRequest.action
    if (bytes <= this.bigRequest || action === 'allow') return null
    return { action, rule: 'bigRequest', code: 'requestTooBig' }
  }

  #describeKeys(spec: CommandSpec, { buf, start, end }: Given): object {
    const args = new Arguments(buf, start, end)
    const positions = keyPositions(spec, args)
    if (positions.length === 0) return {}
    return { keys: positions.length, firstKey: showKey(args.bytes(positions[0]), this.#settings.keyNames) }
  }

  #sample(spec: CommandSpec, { buf, start, end }: Given): void {
    const { hotKeys } = this.shared
    this.left = hotKeys.next()
    hotKeys.look(spec, new Arguments(buf, start, end))
  }
}

/** The error of the first finding that is against the command; null if none is. */
export function denialIn(findings: readonly Finding[]): ErrorCode | null {
  return findings.find(({ action }) => action === 'deny')?.code ?? null
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
