import { randomInt } from 'node:crypto'
import { host, port } from './program.ts'

/*
 * What the programs that transfer money share. Each application has a connection of its own, and until the key `closed` exists
 * it takes some money from one account to another: WATCH both, read them, then write both and a line of the journal in
 * one transaction. An application whose connection is lost is dead, and another one takes its place. At the end one line
 * of JSON is printed, as in `Report`.
 *
 * Usage: PROGRAM HOST PORT APPLICATIONS
 */

const ACCOUNTS = 500

export interface Report {
  /** The names of the transfers whose EXEC was answered with success. */
  confirmed: string[]
  /** Transfers that ended with a null EXEC. */
  conflicts: number
  lost: number
  /** Anything else that went wrong. */
  errors: string[]
}

export interface Transfer {
  from: string
  to: string
  amount: number
  line: string
}

/** One application's connection. */
export interface Teller {
  /** WATCH and read both accounts and `closed`. */
  look(transfer: Transfer): Promise<(string | null)[]>
  /** True if the transaction was carried out, false if a watched key had changed. */
  move(transfer: Transfer, rich: number, poor: number): Promise<boolean>
  isLost(error: unknown): boolean
  close(): void
}

export async function transfers(open: (host: string, port: number) => Promise<Teller>): Promise<void> {
  const report: Report = { confirmed: [], conflicts: 0, lost: 0, errors: [] }
  const application = async (number: number) => {
    let teller: Teller | undefined
    for (let count = 1; ; count++) {
      try {
        teller ??= await open(host, port)
        const name = `${number}:${count}`
        const transfer = random(name)
        const [rich, poor, closed] = await teller.look(transfer)
        if (closed !== null) break
        if (await teller.move(transfer, Number(rich), Number(poor))) report.confirmed.push(name)
        else report.conflicts++
      } catch (error) {
        if (teller?.isLost(error) !== true) {
          report.errors.push(String(error))
          break
        }
        report.lost++
        teller.close()
        teller = undefined
      }
    }
    teller?.close()
  }
  const applications = Number(process.argv[4])
  await Promise.all(Array.from({ length: applications }, (_, number) => application(number)))
  console.log(JSON.stringify(report))
  process.exit(0)
}

function random(name: string): Transfer {
  const first = randomInt(ACCOUNTS)
  const second = (first + 1 + randomInt(ACCOUNTS - 1)) % ACCOUNTS
  const [from, to, amount] = [`account:${first}`, `account:${second}`, 1 + randomInt(10)]
  return { from, to, amount, line: `${name} ${from} ${to} ${amount}` }
}
