import { hashes } from './hashes.ts'
import { connection } from './connection.ts'
import { inline } from './inline.ts'
import { keys } from './keys.ts'
import { blocking, lists } from './lists.ts'
import { protocol } from './protocol.ts'
import { pubsub } from './pubsub.ts'
import { formOf, type Family } from './script.ts'
import { scripting } from './scripting.ts'
import { server } from './server.ts'
import { sets } from './sets.ts'
import { sizes } from './sizes.ts'
import { geo, hyperloglog, sortedSets } from './sorted-sets.ts'
import { streams } from './streams.ts'
import { bits, strings } from './strings.ts'
import { transactions } from './transactions.ts'
import { tracking } from './tracking.ts'
import { unknown } from './unknown.ts'

export const corpus: readonly Family[] = [
  strings,
  bits,
  hashes,
  lists,
  sets,
  sortedSets,
  geo,
  hyperloglog,
  streams,
  keys,
  scripting,
  transactions,
  blocking,
  connection,
  server,
  unknown,
  inline,
  protocol,
  sizes,
  pubsub,
  tracking,
]

/** The different command forms of the whole corpus. */
export function commandForms(): Set<string> {
  const forms = new Set<string>()
  for (const { scripts } of corpus) {
    for (const { steps } of scripts) {
      for (const step of steps) {
        const form = formOf(step)
        if (form !== undefined) forms.add(form)
      }
    }
  }
  return forms
}
