import { categories } from './categories.js'
import { generatedRows } from './generated.js'
import { parseKeySpecs, soleKey } from './keyspec.js'
import { maxNameBytes, NameIndex } from './name-index.js'
import { handlingFor, policy, policyFor } from './policy.js'
import { readCommandReply, type CommandRow } from './reply.js'
import { flagsByWireName, type CommandSpec } from './spec.js'
import { spreadOf } from './spread.js'

const maxLearned = 512

/** Command → its categories. */
const categoriesOf = new Map<string, Set<string>>()
for (const [category, names] of Object.entries(categories)) {
  for (const name of names.split(' ')) categoriesOf.set(name, (categoriesOf.get(name) ?? new Set()).add(category))
}

/** A row while the table is being filled: subcommands may still come. */
type GrowingSpec = Omit<CommandSpec, 'subcommands'> & { subcommands: Map<string, CommandSpec> | null }

/**
 * Every command the proxy knows: those of the generated file, those that only the policy names, and those learned from a
 * server while running. Subcommands are found through their container only, as on the server.
 */
export class CommandTable {
  /** Stands for all unknown names. */
  readonly other: CommandSpec
  readonly #specs: GrowingSpec[] = []
  readonly #byName = new Map<string, GrowingSpec>()
  readonly #index = new NameIndex(generatedRows.length + policy.length + maxLearned)
  #learned = 0

  /**
   * @param allowed names of commands that are carried though the policy refuses them
   * @param withdrawn names of commands that are forwarded though the policy has them answered here
   * @param split whether commands with keys in several slots are taken apart
   */
  constructor(
    readonly allowed: readonly string[] = [],
    readonly withdrawn: readonly string[] = [],
    readonly split = true,
  ) {
    this.other = this.#append({ name: 'other', arity: 0, flags: '', keys: '', categories: '' })
    // A name has several rows where servers differ; the last one is the newest server's.
    const newest = new Map(generatedRows.map((row) => [row[0], row]))
    for (const [name, arity, flags, keys] of newest.values()) this.#add({ name, arity, flags, keys, categories: '' })
    for (const { name } of policy) {
      if (!this.#byName.has(name)) this.#add({ name, arity: 0, flags: '', keys: '', categories: '' })
    }
  }

  /** Most ids that there can be. */
  get capacity(): number {
    return 1 + generatedRows.length + policy.length + maxLearned
  }

  /** Number of ids in use. Grows by `learn`. */
  get size(): number {
    return this.#specs.length
  }

  /** The command whose name is the bytes from `start` to `end`, in any case; undefined when unknown. */
  lookup(buf: Buffer, start: number, end: number): CommandSpec | undefined {
    const id = this.#index.find(buf, start, end)
    return id === -1 ? undefined : this.#specs[id]
  }

  /** The row `other` for a number that is no id. */
  byId(id: number): CommandSpec {
    return this.#specs[id] ?? this.other
  }

  /** By lower-case name; `container|name` for a subcommand. */
  get(name: string): CommandSpec | undefined {
    return this.#byName.get(name)
  }

  /**
   * Adds the commands of a COMMAND or COMMAND INFO reply (decoded RESP2) that are not known yet, subcommands included;
   * known ones stay as they are. At most 512 in all, so that a server cannot grow the table, or the metrics labelled with
   * it, without end. Returns how many were new.
   */
  learn(rows: readonly unknown[]): number {
    const before = this.#learned
    for (const row of readCommandReply(rows)) {
      if (this.#learned === maxLearned) break
      if (this.#byName.has(row.name) || !this.#canAdd(row.name)) continue
      this.#add(row)
      this.#learned += 1
    }
    return this.#learned - before
  }

  /**
   * Takes in what COMMAND INFO answers to names: a row for each, null for one that is no command. A server that renames commands
   * gives the row of the original, which the new name then stands for.
   */
  learnNames(names: readonly string[], rows: readonly unknown[]): void {
    this.learn(rows)
    names.forEach((name, nth) => {
      const [row] = readCommandReply([rows[nth]])
      const original = row === undefined ? undefined : this.#byName.get(row.name)
      if (original === undefined || this.#byName.has(name) || name.includes('|') || !this.#canAdd(name)) return
      if (this.#learned === maxLearned) return
      this.#byName.set(name, original)
      this.#index.add(name, original.id)
      this.#learned += 1
    })
  }

  /** Names are labels in metrics and bytes in the index: printable ASCII, not endless, never the label for all unknown ones. */
  #canAdd(name: string): boolean {
    const [container, subcommand] = name.split('|', 2)
    const isName = name.length <= maxNameBytes && /^[!-{}~]+(\|[!-{}~]+)?$/.test(name)
    if (!isName || name === this.other.name) return false
    return subcommand === undefined || this.#byName.has(container)
  }

  #add(row: CommandRow): void {
    const spec = this.#append(row)
    this.#byName.set(row.name, spec)
    const [container, subcommand] = row.name.split('|', 2)
    if (subcommand === undefined) {
      this.#index.add(row.name, spec.id)
      return
    }
    const parent = this.#byName.get(container)
    if (parent === undefined) throw new Error(`${row.name} comes before its container`)
    parent.subcommands ??= new Map()
    parent.subcommands.set(subcommand, spec)
  }

  #append(row: CommandRow): GrowingSpec {
    const flags = row.flags.split(' ').reduce((bits, name) => bits | (flagsByWireName.get(name) ?? 0), 0)
    const keySpecs = parseKeySpecs(policyFor(row.name)?.keys ?? row.keys)
    const spec: GrowingSpec = {
      id: this.#specs.length,
      name: row.name,
      arity: row.arity,
      flags,
      categories: categoriesOf.get(row.name) ?? new Set(row.categories.split(' ')),
      handling: handlingFor(row.name, flags, this.allowed, this.withdrawn),
      spread: spreadOf(row.name, this.split),
      keySpecs,
      soleKey: soleKey(keySpecs),
      subcommands: null,
    }
    this.#specs.push(spec)
    return spec
  }
}
