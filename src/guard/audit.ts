/** What is reported of commands while a listener is audited. */
export const AUDITED = [
  /** A rule or a limit would deny it. */
  'denied',
  /** A rule or a limit warns of it. */
  'warned',
  /** It got a connection of its own. */
  'pinned',
  /** A cluster has it done by several nodes. */
  'split',
  /** A cluster cannot do it. */
  'refusedOnCluster',
  /** respool did not carry it, audit or not. */
  'refused',
  /** Too large to be looked at as a whole. */
  'unseen',
] as const
export type Audited = (typeof AUDITED)[number]

/** Rows that are kept; what comes on top is only counted. */
const MOST = 1000

interface Row {
  readonly what: Audited
  readonly command: string
  readonly reason: string
  count: number
}

/** What would become, and has become, of the commands of one listener: a bounded table of counts. */
export class Audit {
  /** Commands that were looked at. */
  commands = 0
  readonly #rows = new Map<string, Row>()
  #others = 0

  constructor(readonly since: Date) {}

  note(what: Audited, command: string, reason: string): void {
    const id = `${what} ${command} ${reason}`
    const row = this.#rows.get(id)
    if (row !== undefined) row.count++
    else if (this.#rows.size < MOST) this.#rows.set(id, { what, command, reason, count: 1 })
    else this.#others++
  }

  /** How many of each there are. */
  sums(): Record<Audited, number> {
    const sums = Object.fromEntries(AUDITED.map((what) => [what, 0])) as Record<Audited, number>
    for (const { what, count } of this.#rows.values()) sums[what] += count
    return sums
  }

  report(): object {
    const rows = [...this.#rows.values()].sort((a, b) => b.count - a.count)
    return { since: this.since.toISOString(), commands: this.commands, found: this.sums(), rows, others: this.#others }
  }
}
