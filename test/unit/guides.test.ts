/** What the pages for people name exists. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { KEYS } from '../../src/config/keys.js'
import { describeProblems, load } from '../../src/config/load.js'
import { METRICS } from '../../src/metrics/names.js'
import { examples, pages } from '../helpers/guides.ts'
import { ROOT } from '../helpers/modules.ts'

/** Everything of this form in backticks, with the page that has it. */
function quoted(form: RegExp): { page: string; word: string }[] {
  return [...pages()].flatMap(([page, text]) =>
    [...text.matchAll(/`([^`\n]+)`/g)].map(([, word]) => ({ page, word })).filter(({ word }) => form.test(word)),
  )
}

test('metrics', () => {
  const known = new Set(METRICS.map(({ name }) => name))
  const named = quoted(/^(respool|redis_cmd)_[a-z_]+(\{|$)/).map(({ page, word }) => ({
    page,
    word: word.split('{')[0],
  }))
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter(({ word }) => !known.has(word)),
    [],
  )
})

test('keys of the configuration', () => {
  const known = new Set(KEYS.flatMap(({ segments }) => segments.map((_, nth) => segments.slice(0, nth + 1).join('.'))))
  const sections = new Set(KEYS.map(({ segments }) => segments[0]))
  const named = quoted(/^[a-z]+(\.[a-zA-Z]+)+$/).filter(({ word }) => sections.has(word.split('.')[0]))
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter(({ word }) => !known.has(word)),
    [],
  )
})

test('files', () => {
  const links = [...pages()].flatMap(([page, text]) =>
    [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target]) => ({ page, target })),
  )
  assert.ok(links.length > 20)
  assert.deepEqual(
    links.filter(({ page, target }) => !existsSync(join(ROOT, dirname(page), target))),
    [],
  )
})

test('configurations that are shown are taken', () => {
  const shown = examples().filter(({ code }) => code.startsWith('# respool.yaml\n'))
  assert.ok(shown.length >= 2)
  for (const { page, code } of shown) {
    const loaded = load({ argv: ['-c', 'shown.yaml', '--check'], env: {}, readFile: () => code })
    assert.ok(loaded.ok === true, `${page}: ${loaded.ok === false ? describeProblems(loaded.errors) : ''}\n${code}`)
  }
})
