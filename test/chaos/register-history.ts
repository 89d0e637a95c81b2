import type { Finding } from './findings.ts'

/*
 * What several sessions wrote to one key, each time another value, and read from it. The time in which a value must have been there
 * goes from the first end to the last beginning of those that had to do with it:
 *
 *     SET a ├────┤                                     a:      ├────────┤     the register held `a` all that time
 *     GET a        ├───┤    ├───┤
 *     SET b            ├─────────────┤    GET b ├─┤    b: one point somewhere between its first end and last beginning will do
 *
 * Linearizable is what has no two such times that overlap, and none of the points wholly within one (P. Gibbons and E. Korach, Testing
 * shared memories, 1997). A write without an answer has no end, and counts only if somebody read it.
 */
export class RegisterHistory {
  readonly #values = new Map<string | null, Value>([
    [null, { written: -Infinity, firstEnd: -Infinity, lastStart: -Infinity }],
  ])

  constructor(readonly key: string) {}

  /** @param end Infinity if there was no answer */
  wrote(value: string, start: number, end: number): void {
    const known = this.#values.get(value)
    if (known) [known.written, known.firstEnd] = [start, Math.min(known.firstEnd, end)]
    else this.#values.set(value, { written: start, firstEnd: end, lastStart: start })
    const { lastStart } = this.#values.get(value)!
    this.#values.get(value)!.lastStart = Math.max(lastStart, start)
  }

  read(value: string | null, start: number, end: number): void {
    const known = this.#values.get(value)
    if (!known) return void this.#values.set(value, { written: Infinity, firstEnd: end, lastStart: start })
    known.firstEnd = Math.min(known.firstEnd, end)
    known.lastStart = Math.max(known.lastStart, start)
  }

  /**
   * @param final what is there when everything is over
   * @param now when that is
   */
  check(final: string | null, now: number): Finding[] {
    this.read(final, now, now)
    const findings: Finding[] = []
    const held: Span[] = []
    const points: Span[] = []
    for (const [value, { written, firstEnd, lastStart }] of this.#values) {
      if (written === Infinity) findings.push({ kind: 'crossed', text: `${this.key}: nobody wrote ${value}` })
      else if (firstEnd < written) findings.push({ kind: 'crossed', text: `${this.key}: ${value} read too early` })
      else if (firstEnd < lastStart) held.push({ value, from: firstEnd, to: lastStart })
      else if (firstEnd < Infinity) points.push({ value, from: lastStart, to: firstEnd })
    }
    held.sort((a, b) => a.from - b.from)
    const kind = (one: Span, other: Span) => (one.value === final || other.value === final ? 'lost' : 'reordered')
    for (let nth = 1; nth < held.length; nth++) {
      const [one, other] = [held[nth - 1], held[nth]]
      if (other.from < one.to)
        findings.push({ kind: kind(one, other), text: `${this.key}: ${one.value} and ${other.value} at one time` })
    }
    for (const point of points) {
      const around = held[lastBefore(held, point.from)]
      if (around && point.to < around.to)
        findings.push({ kind: kind(point, around), text: `${this.key}: ${point.value} while it was ${around.value}` })
    }
    return findings
  }
}

interface Value {
  /** When its write began; Infinity as long as nobody is known to have written it. */
  written: number
  firstEnd: number
  lastStart: number
}

interface Span {
  readonly value: string | null
  readonly from: number
  readonly to: number
}

/** The last of the spans, sorted by where they begin, that begins before a time; -1 if none does. */
function lastBefore(spans: Span[], time: number): number {
  let [low, high] = [0, spans.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (spans[middle].from < time) low = middle + 1
    else high = middle
  }
  return low - 1
}
