import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { keysOfTable, modulesBelow, ROOT } from './helpers/modules.ts'

// The shape of the project, checked. Each check lists every offence it finds, so that one run shows them all.

/**
 * The parts of src/, lowest first. A part imports from lower rows only, never from a neighbour in its own row. A row
 * names folders, or single modules that belong elsewhere than the rest of their folder.
 */
const LAYERS = [
  ['util', 'errors'],
  ['resp', 'config', 'metrics'],
  ['commands', 'tls', 'sockets', 'secrets'],
  ['upstream', 'guard'],
  ['cache'],
  ['routing'],
  ['dispatch'],
  ['downstream'],
  ['life'],
  ['proxy'],
  // The exposition stays out of the hot path's reach: what works there records into plain arrays.
  ['admin', 'tracing', 'metrics/exporter', 'metrics/names'],
  ['process'],
  ['main'],
]

const MAX_LINES = 400
/** Written by a tool, as its first line says. */
const GENERATED = new Set(['commands/generated.ts'])

/** Installed for what comes next; each with its reason. */
const NOT_IMPORTED_YET: Record<string, string> = {}

const TOP_LEVEL = new Set([
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'eslint.config.js', 'README.md', 'LICENSE', 'Dockerfile'],
  ...['src', 'config', 'deploy', 'test'],
])

/** What the README says how to do. */
const PUBLIC_SCRIPTS = ['test', 'demo', 'build', 'lint', 'format', 'bench', 'audit']

const source = modulesBelow('src')
const tests = modulesBelow('test')

describe('these checks', () => {
  it('notice an import from a higher layer, from a neighbour and from nowhere', () => {
    assert.deepEqual(judge('resp/a.ts', 'commands/b.ts'), ['resp/a.ts → commands/b.ts'])
    assert.deepEqual(judge('config/a.ts', 'resp/b.ts'), ['config/a.ts → resp/b.ts'])
    assert.deepEqual(judge('proxy.ts', 'metrics/exporter.ts'), ['proxy.ts → metrics/exporter.ts'])
    assert.deepEqual(judge('extras/a.ts', 'util/b.ts'), ['extras/a.ts: not in the table of layers'])
    assert.deepEqual(judge('dispatch/local/a.ts', 'dispatch/b.ts'), [])
    assert.deepEqual(judge('main.ts', 'util/b.ts'), [])
  })

  it('notice a cycle, and nothing besides it', () => {
    const graph = { a: ['b'], b: ['c'], c: ['b', 'd'], d: [] }
    assert.deepEqual(cycles(new Map(Object.entries(graph))), ['b → c, c → b'])
  })
})

describe('imports in src', () => {
  it('come from lower layers only', () => {
    const offences = source.flatMap((module) => module.local.flatMap((target) => judge(module.path, target)))
    assert.deepEqual(offences, [])
  })

  it('lead to files that exist', () => {
    const known = new Set(source.map(({ path }) => path))
    const lost = source.flatMap(({ path, local }) => local.filter((target) => !known.has(target)).map(edge(path)))
    assert.deepEqual(lost, [])
  })

  it('form no cycle, not even of types', () => {
    assert.deepEqual(cycles(new Map(source.map(({ path, local }) => [path, local]))), [])
  })

  it('of packages are declared, and every declared package is imported or has a reason', () => {
    const declared = Object.keys((readJson('package.json') as { dependencies: object }).dependencies)
    const imported = new Set(source.flatMap(({ packages }) => packages))
    const unused = declared.filter((name) => !imported.has(name))
    assert.deepEqual(unused, Object.keys(NOT_IMPORTED_YET))
    assert.deepEqual(
      [...imported].filter((name) => !declared.includes(name)),
      [],
    )
  })
})

describe('files', () => {
  it(`in src have at most ${MAX_LINES} lines`, () => {
    const long = source.filter(({ path, lines }) => lines > MAX_LINES && !GENERATED.has(path))
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines} lines`),
      [],
    )
  })

  for (const path of GENERATED) {
    it(`src/${path} says that no one should edit it`, () => {
      assert.match(readFileSync(join(ROOT, 'src', path), 'utf8').split('\n')[0], /do not edit/i)
    })
  }

  it('at top level are the ones that belong there', () => {
    const ignored = new Set(
      readFileSync(join(ROOT, '.gitignore'), 'utf8')
        .split('\n')
        .map((line) => line.replace(/\/$/, '')),
    )
    const strange = readdirSync(ROOT).filter(
      (name) => !name.startsWith('.') && !ignored.has(name) && !TOP_LEVEL.has(name),
    )
    assert.deepEqual(strange, [])
  })
})

describe('type checking and linting', () => {
  it('is never evaded by `any`', () => {
    assert.deepEqual(
      [...source, ...tests].flatMap(({ name, anys }) => anys.map((line) => `${name}:${line}`)),
      [],
    )
  })

  it('is switched off nowhere without a reason', () => {
    const evasions = [...source, ...tests].flatMap(({ name, evasions }) => evasions.map((text) => `${name}: ${text}`))
    assert.deepEqual(evasions, [])
  })
})

it('every error code is used', () => {
  const used = new Set(source.filter(({ path }) => path !== 'errors.ts').flatMap(({ words }) => [...words]))
  assert.deepEqual(
    keysOfTable('src/errors.ts', 'ERRORS').filter((code) => !used.has(code)),
    [],
  )
})

it('the README names the scripts that it should, and no other', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const named = [...readme.matchAll(/\bnpm (?:run )?([a-z:]+)\b/g)].map(([, name]) => name)
  const { scripts } = readJson('package.json') as { scripts: Record<string, string> }
  assert.deepEqual(
    PUBLIC_SCRIPTS.filter((name) => !named.includes(name)),
    [],
    'missing from the README',
  )
  assert.deepEqual(
    named.filter((name) => !(name in scripts) && !NPM_COMMANDS.has(name)),
    [],
    'missing from package.json',
  )
})

const NPM_COMMANDS = new Set(['ci', 'install'])

/** The row of a module in the table and its part's name there. */
function placeOf(path: string): { layer: number; part: string } | undefined {
  const module = path.replace(/\.ts$/, '')
  for (const part of [module, path.split('/')[0]]) {
    const layer = LAYERS.findIndex((row) => row.includes(part))
    if (layer >= 0) return { layer, part }
  }
  return undefined
}

function judge(from: string, to: string): string[] {
  const [lower, upper] = [placeOf(to), placeOf(from)]
  if (!upper) return [`${from}: not in the table of layers`]
  if (!lower) return [`${to}: not in the table of layers`]
  const fine = lower.layer < upper.layer || lower.part === upper.part || bothOnTop(lower.part, upper.part)
  return fine ? [] : [edge(from)(to)]
}

/** Modules that were taken out of one folder into one row stay one part. */
function bothOnTop(one: string, other: string): boolean {
  return one.includes('/') && dirname(one) === dirname(other)
}

function edge(from: string): (to: string) => string {
  return (to) => `${from} → ${to}`
}

/** One line for each set of modules that all reach each other, with the edges among them. */
function cycles(graph: Map<string, string[]>): string[] {
  const reach = new Map([...graph.keys()].map((path) => [path, reachableFrom(path, graph)]))
  const reaches = (from: string, to: string) => reach.get(from)?.has(to) ?? false
  const found = new Set<string>()
  for (const path of graph.keys()) {
    const circle = [...graph.keys()].filter((other) => reaches(path, other) && reaches(other, path))
    const edges = circle.flatMap((from) => (graph.get(from) ?? []).filter((to) => circle.includes(to)).map(edge(from)))
    if (edges.length > 0) found.add(edges.join(', '))
  }
  return [...found]
}

function reachableFrom(start: string, graph: Map<string, string[]>): Set<string> {
  const seen = new Set<string>()
  const open = [start]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const next of graph.get(path) ?? []) {
      if (seen.has(next)) continue
      seen.add(next)
      open.push(next)
    }
  }
  return seen
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}
