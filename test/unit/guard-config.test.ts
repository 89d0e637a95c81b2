import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { categories } from '../../src/commands/categories.ts'
import type { Config } from '../../src/config/config.ts'
import { describeProblems, load } from '../../src/config/load.ts'
import { Mistake } from '../../src/config/mistake.ts'
import { printable } from '../../src/config/render.ts'
import { CATEGORIES, formatRule, parseRule } from '../../src/config/rules.ts'

function config(yaml: string, env: Record<string, string> = {}): Config {
  const result = load({ argv: ['--upstream', 'redis://h', '-c', 'f'], env, readFile: () => yaml })
  assert.ok(result.ok === true, result.ok === false ? describeProblems(result.errors) : '')
  return result.config
}

function mistakes(yaml: string): string {
  const result = load({ argv: ['--upstream', 'redis://h', '-c', 'f'], env: {}, readFile: () => yaml })
  return result.ok === false ? describeProblems(result.errors) : 'none'
}

describe('a rule', () => {
  const forms = {
    'deny keys': { action: 'deny', commands: ['keys'], keys: [], channels: [] },
    '  WARN  Keys  CONFIG|Set @Dangerous ': {
      action: 'warn',
      commands: ['keys', 'config|set', '@dangerous'],
      keys: [],
      channels: [],
    },
    'allow @all ~app:* ~Foo[a-z]': { action: 'allow', commands: ['@all'], keys: ['app:*', 'Foo[a-z]'], channels: [] },
    'deny ~secret': { action: 'deny', commands: ['@all'], keys: ['secret'], channels: [] },
    'deny set ~a &b &c*': { action: 'deny', commands: ['set'], keys: ['a'], channels: ['b', 'c*'] },
    'warn json.set': { action: 'warn', commands: ['json.set'], keys: [], channels: [] },
  }
  for (const [text, rule] of Object.entries(forms)) {
    it(`is read from ${JSON.stringify(text)}, and written back`, () => {
      assert.deepEqual(parseRule(text), rule)
      assert.deepEqual(parseRule(formatRule(parseRule(text))), rule)
    })
  }

  for (const text of [
    '',
    'keys',
    'refuse keys',
    'deny',
    'deny @nonsense',
    'deny config|set|x',
    'deny "keys"',
    'deny exec',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.throws(() => parseRule(text), Mistake))
  }

  it('may name all categories of the command table, and no others', () => {
    assert.deepEqual(CATEGORIES, Object.keys(categories))
  })
})

describe('the configuration of the guard', () => {
  it('is read from the file, for all listeners and for one', () => {
    const { listen, guard } = config(`
listen:
  - address: :1
    rules: [allow keys, "deny @write ~a:*"]
    audit: on
  - :2
guard: {rules: [deny keys], audit: off, noTtl: {prefixes: ["cache:"], action: deny}}
`)
    assert.deepEqual(
      listen.map(({ rules, audit }) => [rules.map(formatRule), audit]),
      [
        [['allow keys', 'deny @write ~a:*'], true],
        [[], null],
      ],
    )
    assert.deepEqual(guard.rules.map(formatRule), ['deny keys'])
    assert.deepEqual(guard.noTtl, { prefixes: ['cache:'], action: 'deny' })
  })

  it('is read from the environment', () => {
    const { guard } = config('', { RESPOOL_GUARD_RULES: 'warn keys, deny @dangerous', RESPOOL_GUARD_AUDIT: 'on' })
    assert.deepEqual(guard.rules.map(formatRule), ['warn keys', 'deny @dangerous'])
    assert.equal(guard.audit, true)
  })

  it('can be shown and read again', () => {
    const first = config(
      'listen: [{address: ":1", rules: [deny config|set], audit: off}]\nguard: {rules: [], keyNames: full}',
    )
    assert.deepEqual(config(printable(first)), first)
  })

  it('says where a rule is wrong', () => {
    assert.match(
      mistakes('guard:\n  rules:\n    - deny keys\n    - forbid keys'),
      /^f:4: guard\.rules\[1\]: must be a rule such as/,
    )
    assert.match(mistakes('listen:\n  - address: :1\n    rules: [deny quit]'), /^f:2: listen\[0\]: must not name quit/)
    assert.match(mistakes('listen: [{address: ":1", rules: [[deny]]}]'), /^f:1: listen\[0\]: /)
    assert.match(mistakes(`listen: [{address: ":1", rules: [${'warn keys,'.repeat(65)}]}]`), /^f:1: listen\[0\]: /)
    const bomb = `a: &a [${'x,'.repeat(5000)}]\nlisten: [{address: ":1", rules: [${'*a,'.repeat(5000)}]}]`
    assert.match(mistakes(bomb), /listen\[0\]: /)
  })
})
