import type { Protocol, Step } from './corpus/script.ts'
import { INTENDED_DIFFERENCES, type IntendedDifference } from './intended-differences.ts'
import { normalise } from './normalise.ts'
import type { Outcome } from './play.ts'

/** Compares two outcomes of one script, and remembers which intended differences it met. */
export class Comparison {
  readonly #met = new Set<IntendedDifference>()

  constructor(readonly intended: readonly IntendedDifference[] = INTENDED_DIFFERENCES) {}

  /** One line of explanation for each step at which the outcomes differ. */
  between(steps: Step[], protocol: Protocol, direct: Outcome, proxied: Outcome): string[] {
    const found: string[] = []
    if (direct.problem) found.push(`  the direct connection failed ${problemOf(steps, direct)}`)
    if (proxied.problem) found.push(`  the proxied connection failed ${problemOf(steps, proxied)}`)
    // After a failure all that follows is missing, and says nothing more.
    const end = Math.min(endOf(direct, steps), endOf(proxied, steps))
    for (let at = 0; at < end; at++) {
      const [left, right] = [direct.frames[at], proxied.frames[at]]
      const command = steps[at].text
      const same =
        left.length === right.length && left.every((frame, nth) => this.#alike(command, protocol, frame, right[nth]))
      if (!same) found.push(`  step ${at} ${command}\n    direct  ${show(left)}\n    proxied ${show(right)}`)
    }
    return found
  }

  /** The rows of the table that no comparison so far had a use for. */
  stale(): IntendedDifference[] {
    return this.intended.filter((row) => !this.#met.has(row))
  }

  #alike(command: string, protocol: Protocol, direct: Buffer, proxied: Buffer): boolean {
    if (direct.equals(proxied)) return true
    const known = normalise(command, proxied)
    if (normalise(command, direct) === known) return true
    const row = this.intended.find(
      (candidate) =>
        candidate.command.test(command) && (candidate.only ?? protocol) === protocol && candidate.proxied.test(known),
    )
    if (row) this.#met.add(row)
    return row !== undefined
  }
}

function endOf(outcome: Outcome, steps: Step[]): number {
  return outcome.problem?.step ?? steps.length
}

function problemOf(steps: Step[], { problem }: Outcome): string {
  const step = problem && steps[problem.step]
  return `at step ${problem?.step} ${step ? step.text : '(the end)'}: ${problem?.text}`
}

function show(frames: Buffer[]): string {
  if (frames.length === 0) return '(nothing)'
  return frames.map((frame) => `${frame.length} bytes ${quote(frame)}`).join('\n            ')
}

function quote(frame: Buffer): string {
  const text = JSON.stringify(frame.toString('latin1', 0, 600))
  return frame.length > 600 ? `${text}…` : text
}
