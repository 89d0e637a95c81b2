import type fc from 'fast-check'

/** Something that takes any bytes, and an oracle that tells whether it has dealt with them rightly. */
export interface Target {
  /** Also its folder in the corpus. */
  readonly name: string
  readonly about: string
  /** Inputs that make some sense, as a beginning. */
  readonly samples: fc.Arbitrary<Buffer>
  /** What mutations put in. */
  readonly words: readonly string[]
  /** Most bytes of an input. */
  readonly longest: number
  start(): Promise<Running>
}

export interface Running {
  /** Fails if something is wrong. Inputs that mean nothing are passed over. */
  readonly run: (input: Buffer) => void | Promise<void>
  readonly stop: () => void | Promise<void>
}
