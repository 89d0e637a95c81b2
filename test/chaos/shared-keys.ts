import { CounterHistory } from './counter-history.ts'
import { RegisterHistory } from './register-history.ts'

const COUNTERS = 4
const REGISTERS = 4

/** Keys that all sessions use at the same time: what became of each is a history, judged when all is over. */
export class SharedKeys {
  readonly counters: CounterHistory[]
  readonly registers: RegisterHistory[]

  constructor(readonly name: string) {
    this.counters = Array.from({ length: COUNTERS }, (_, nth) => new CounterHistory(`shared:counter:${name}:${nth}`))
    this.registers = Array.from({ length: REGISTERS }, (_, nth) => new RegisterHistory(`shared:text:${name}:${nth}`))
  }
}
