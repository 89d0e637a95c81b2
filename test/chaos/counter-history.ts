import type { Finding } from './findings.ts'

/*
 * What several sessions did to one counter, and when. Each reply says at which place among all of them it was carried out:
 *
 *     INCR → 1 ├──┤              one that ended before another began must have a lower place;
 *     INCR → 2     ├─────┤       no place is taken twice;
 *     INCR → ?   ├──────────…    a place that nobody was told of must be that of one without an answer, which
 *     INCR → 4             ├──┤  began before whoever was told a higher place had ended.
 *
 * That is all that linearizability asks of a counter, in n log n.
 */
export class CounterHistory {
  readonly #known: Place[] = []
  /** When those began whose outcome is unknown: each may have happened at any time since, or never. */
  readonly #unknown: number[] = []

  constructor(readonly key: string) {}

  counted(count: number, start: number, end: number): void {
    this.#known.push({ at: count, isRead: false, start, end })
  }

  read(count: number, start: number, end: number): void {
    this.#known.push({ at: count, isRead: true, start, end })
  }

  unknown(start: number): void {
    this.#unknown.push(start)
  }

  /** @param final what is there when everything is over */
  check(final: number): Finding[] {
    const told = new Set<number>()
    const findings: Finding[] = []
    for (const { at, isRead } of this.#known) {
      if (isRead) continue
      if (told.has(at)) findings.push({ kind: 'doubled', text: `${this.key}: two were told ${at}` })
      if (at < 1) findings.push({ kind: 'lost', text: `${this.key}: one was told ${at}` })
      told.add(at)
    }
    const highest = this.#known.reduce((most, { at }) => Math.max(most, at), 0)
    if (final < highest) findings.push({ kind: 'lost', text: `${this.key}: ${final} in the end, after ${highest}` })
    return [...findings, ...this.#outOfOrder(), ...this.#unexplained(told, Math.max(final, highest))]
  }

  /** Who began after somebody had ended who has a higher place. */
  #outOfOrder(): Finding[] {
    const findings: Finding[] = []
    const byEnd = [...this.#known].sort((a, b) => a.end - b.end)
    let ended = 0
    let highest = 0
    for (const { at, isRead, start } of [...this.#known].sort((a, b) => a.start - b.start)) {
      for (; byEnd[ended].end < start; ended++) highest = Math.max(highest, byEnd[ended].at)
      if (at < highest || (at === highest && !isRead && at > 0))
        findings.push({ kind: 'reordered', text: `${this.key}: ${at}, when somebody had been told ${highest}` })
    }
    return findings
  }

  /** Places that nobody was told of, and that none without an answer can have taken. */
  #unexplained(told: Set<number>, highest: number): Finding[] {
    const deadlines = this.#earliestEndAbove(highest)
    const starts = this.#unknown.sort((a, b) => a - b)
    const findings: Finding[] = []
    let used = 0
    // Deadlines rise with the places, so that the earliest start is the best one for the lowest place.
    for (let at = 1; at <= highest; at++) {
      if (told.has(at)) continue
      if (used < starts.length && starts[used] <= deadlines[at]) used++
      else findings.push({ kind: 'doubled', text: `${this.key}: nobody can have made it ${at}` })
    }
    return findings
  }

  /** By place: when the first one ended that saw this place taken. */
  #earliestEndAbove(highest: number): Float64Array {
    const earliest = new Float64Array(highest + 1).fill(Infinity)
    for (const { at, end } of this.#known) earliest[at] = Math.min(earliest[at], end)
    for (let at = highest - 1; at >= 0; at--) earliest[at] = Math.min(earliest[at], earliest[at + 1])
    return earliest
  }
}

interface Place {
  readonly at: number
  readonly isRead: boolean
  readonly start: number
  readonly end: number
}
