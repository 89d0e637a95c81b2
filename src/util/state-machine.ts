/**
 * States as a table of allowed moves and one function that makes them. A move that the table does not list is a fault
 * of the program and throws; asking first with `can` is how a late event learns that it came too late.
 */
export class StateMachine<S extends string> {
  constructor(
    readonly moves: Readonly<Record<S, readonly S[]>>,
    public current: S,
  ) {}

  can(next: S): boolean {
    return this.moves[this.current].includes(next)
  }

  to(next: S): void {
    if (!this.can(next)) throw new Error(`illegal move from ${this.current} to ${next}`)
    this.current = next
  }
}
