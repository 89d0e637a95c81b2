/** The page of limits says what is: each key and constant has the value that it shows, and each test that it names is there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseSize } from '../../src/config/units.js'
import { defaultOf, KEYS, readTexts } from '../../src/config/keys.js'
import { modulesBelow, ROOT } from '../helpers/modules.ts'

const GUIDES = join(ROOT, 'deploy/guides')

interface Row {
  readonly what: string
  readonly limit: string
  readonly shown: string
  readonly test: string
}

const rows: Row[] = readFileSync(join(GUIDES, 'limits.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (what|-+) /.test(line))
  .map((line) => {
    const [, what, limit, shown, , named] = line.split(' | ').join('|').split('|')
    return { what: what.trim(), limit: limit.trim(), shown: shown.trim(), test: named.trim() }
  })

/** The value of a constant: a number, or a product of some. */
function constant(path: string, name: string): number {
  const text = new RegExp(`^(?:export )?const ${name} = ([\\d_ *<]+)$`, 'm').exec(
    readFileSync(join(GUIDES, path), 'utf8'),
  )
  assert.ok(text !== null, `${path} has no constant ${name}`)
  const [base, shift] = text[1].split('<<')
  const factors = base.split('*').map((factor) => Number(factor.replaceAll('_', '')))
  return factors.reduce((product, factor) => product * factor, 1) * 2 ** Number(shift ?? 0)
}

test('values', () => {
  assert.ok(rows.length > 40)
  for (const { what, limit, shown } of rows) {
    const link = /^\[`(\w+)`\]\((.+)\)$/.exec(limit)
    if (link !== null) {
      assert.equal(constant(link[2], link[1]), parseSize(shown.replace(/ ([KM])iB/, '$1b')), what)
      continue
    }
    const key = KEYS.find(({ path }) => limit === `\`${path}\``)
    assert.ok(key !== undefined, `${what}: ${limit} is no key`)
    assert.deepEqual(readTexts(key, [shown]), defaultOf(key), what)
  }
})

test('tests', () => {
  for (const { what, test: named } of rows) {
    const link = /^\[(.+)\]\((.+)\)$/.exec(named)
    assert.ok(link !== null, `${what}: ${named}`)
    const text = readFileSync(join(GUIDES, link[2]), 'utf8')
    assert.match(text, /node:test/)
    const title = new RegExp(`\\b(it|test)\\((['"\`])${link[1].replace(/[.*+?^\${}()|[\\]\\\\]/g, '\\\\$&')}\\2`)
    assert.match(text, title, what)
  }
})

/** Those that are no limit of anything that is kept. */
const OTHERS: readonly string[] = []

test('no constant that says how many there may be is left out', () => {
  const listed = new Set(rows.map(({ limit }) => limit))
  const missing = modulesBelow('src')
    .filter(({ path }) => !path.startsWith('admin/page/'))
    .flatMap(({ path, words }) =>
      [...words].filter((word) => /^(MOST|MAX|LARGEST)(_[A-Z]+)*$/.test(word)).map((word) => ({ path, word })),
    )
    .filter(({ path, word }) => !listed.has(`[\`${word}\`](../../src/${path})`))
    .map(({ path, word }) => `${path} ${word}`)
  assert.deepEqual(
    missing.filter((one) => !OTHERS.includes(one)),
    [],
  )
})
