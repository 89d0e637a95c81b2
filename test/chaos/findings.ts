/**
 * What must never happen to a command, whatever happens to a connection:
 *
 * - crossed: a reply that belongs to another command, key or session, or to nobody;
 * - lost: what was confirmed is gone, or a command on a connection that lives got no reply;
 * - doubled: carried out, or answered, more often than asked for;
 * - reordered: older than what had been seen before, by the session or by anybody who had finished.
 */
export const KINDS = ['crossed', 'lost', 'doubled', 'reordered'] as const
export type Kind = (typeof KINDS)[number]

export interface Finding {
  readonly kind: Kind
  readonly text: string
}

/** Enough of each kind to go by; the others are only counted. */
const KEPT = 20

export class Findings {
  readonly counts: Record<Kind, number> = { crossed: 0, lost: 0, doubled: 0, reordered: 0 }
  readonly texts: string[] = []
  /** What Redis itself has lost, as it may when it fails over. */
  forgiven = 0

  add(kind: Kind, text: string): void {
    if (++this.counts[kind] <= KEPT) this.texts.push(`${kind}: ${text}`)
  }

  addAll(findings: Iterable<Finding>): void {
    for (const { kind, text } of findings) this.add(kind, text)
  }

  get total(): number {
    return KINDS.reduce((sum, kind) => sum + this.counts[kind], 0)
  }
}
