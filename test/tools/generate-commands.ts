/**
 * Writes src/commands/generated.ts and categories.ts from the COMMAND replies of real servers. Binaries can be given as arguments, oldest
 * first; without any, the installed redis-server and those that fetch-servers.sh unpacks are asked.
 *
 *     test/tools/fetch-servers.sh && node --import tsx test/tools/generate-commands.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCommandReply, type CommandRow } from '../../src/commands/reply.ts'
import { startCommandServer } from './command-server.ts'

const root = join(import.meta.dirname, '../..')
const unpacked = ['valkey-8.0', 'redis-8.0', 'valkey-9.1', 'redis-8.6'].map((name) => `.cache/servers/${name}/server`)
const defaults = ['redis-server', ...unpacked.map((path) => join(root, path))]
const binaries = process.argv.length > 2 ? process.argv.slice(2) : defaults

interface Described {
  readonly letter: string
  readonly title: string
  readonly rows: CommandRow[]
}

async function describe(binary: string, place: number): Promise<Described> {
  const server = await startCommandServer(binary)
  try {
    const [reply] = await server.ask([['COMMAND']])
    return { letter: String.fromCharCode(97 + place), title: server.title, rows: readCommandReply(reply as unknown[]) }
  } finally {
    await server.stop()
  }
}

/** Definition → letters of the servers that have it, for every command; a name's definitions stand oldest first. */
function merge(servers: Described[]): string[] {
  const letters = new Map<string, string>()
  for (const { letter, rows } of servers) {
    for (const { name, arity, flags, keys } of rows) {
      const definition = [quote(name), arity, quote(flags), quote(keys)].join(', ')
      const before = letters.get(definition) ?? ''
      letters.set(definition, before + letter)
    }
  }
  const nameOf = (definition: string) => definition.slice(0, definition.indexOf(','))
  const newest = (letterList: string) => letterList.at(-1)!
  const lines = [...letters].sort(([a, lettersA], [b, lettersB]) => {
    if (nameOf(a) !== nameOf(b)) return nameOf(a) < nameOf(b) ? -1 : 1
    return newest(lettersA) < newest(lettersB) ? -1 : 1
  })
  return lines.map(([definition, letterList]) => `  [${definition}, ${quote(letterList)}],`)
}

function quote(text: string): string {
  return `'${text}'`
}

const servers: Described[] = []
for (const [place, binary] of binaries.entries()) servers.push(await describe(binary, place))
const lines = merge(servers)
const file = `// Made by test/tools/generate-commands.ts from the servers' own COMMAND replies. Do not edit: see policy.ts.

/** Letter → server asked, oldest first. */
export const generatedFrom: Readonly<Record<string, string>> = {
${servers.map(({ letter, title }) => `  ${letter}: ${quote(title)},`).join('\n')}
}

/** \`keys\` is in the notation of \`parseKeySpecs\`, \`servers\` the letters of those that say exactly this. */
export type GeneratedRow = readonly [name: string, arity: number, flags: string, keys: string, servers: string]

/** Sorted by name; where servers differ a name has several rows, and the newest server's is the last of them. */
export const generatedRows: readonly GeneratedRow[] = [
${lines.join('\n')}
]
`
writeFileSync(join(root, 'src/commands/generated.ts'), file)

/** Every command is one or the other, which says nothing of what it does. */
const SPEEDS = ['fast', 'slow']

/** Category → names of its commands, by any of the servers. */
function gather(servers: Described[]): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>()
  for (const { name, categories } of servers.flatMap(({ rows }) => rows)) {
    for (const category of categories.split(' ')) {
      if (category === '' || SPEEDS.includes(category)) continue
      names.set(category, (names.get(category) ?? new Set()).add(name))
    }
  }
  return names
}

const categories = [...gather(servers)].sort(([a], [b]) => (a < b ? -1 : 1))
const categoriesFile = `// Made by test/tools/generate-commands.ts from the servers' own COMMAND replies. Do not edit.

/** ACL category → its commands, by any of the servers that generated.ts names. Without \`fast\` and \`slow\`. */
export const categories: Readonly<Record<string, string>> = {
${categories.map(([category, names]) => `  ${category}: ${quote([...names].sort().join(' '))},`).join('\n')}
}
`
writeFileSync(join(root, 'src/commands/categories.ts'), categoriesFile)
console.log(`${lines.length} rows from ${servers.map(({ title }) => title).join(', ')}`)
