import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Check } from 'typebox/schema'
import { parse, stringify } from 'yaml'
import { isList, KEYS } from '../../src/config/keys.ts'
import { get, put } from '../../src/config/layer.ts'
import { describeProblems, load } from '../../src/config/load.ts'
import { publicConfig } from '../../src/config/render.ts'
import { jsonSchema, schema } from '../../src/config/schema.ts'

const SAMPLE = new URL('../../config/respool.yaml', import.meta.url)
const SCHEMA = new URL('../../config/respool.schema.json', import.meta.url)
const UPSTREAM = ['--upstream', 'redis://127.0.0.1:6380']

/** The text as a configuration file, with an upstream given elsewhere: `ok`, or the mistakes. */
function read(text: string): string {
  const result = load({ argv: [...UPSTREAM, '-c', 'f'], env: {}, readFile: () => text })
  return result.ok === false ? describeProblems(result.errors) : 'ok'
}

describe('a configuration file', () => {
  it('may be empty, or hold groups whose keys are all commented out', () => {
    for (const text of [
      '',
      '\n',
      '# nothing\n',
      '---\n',
      'null',
      '{}',
      'pool:\n  # max: 8\nlog:',
      '\uFEFFpool: {max: 2}',
    ]) {
      assert.equal(read(text), 'ok', JSON.stringify(text))
    }
  })

  it('may use aliases', () => {
    assert.equal(read('pool: {idleTimeout: &t 5m, maxLifetime: *t}\nlisten: &l [":0", {address: ":0"}]'), 'ok')
  })

  it('may be JSON', () => {
    assert.equal(
      read(JSON.stringify({ pool: { max: 9, leases: { waitTimeout: '1s' } }, limits: { bulkBytes: 1024 } })),
      'ok',
    )
  })

  const wrong: [string, string][] = [
    ['- a', 'f:1: must hold keys with values, as in config/respool.yaml'],
    ['just text', 'f:1: must hold keys with values, as in config/respool.yaml'],
    ['pool: 8', 'f:1: pool: must hold keys with values, as in config/respool.yaml'],
    ['log:\n  - level', 'f:2: log: must hold keys with values, as in config/respool.yaml'],
    ['\n\npool:\n  maxx: 1', 'f:4: pool.maxx: unknown key (did you mean pool.max?)'],
    ['limits:\n  bulk-bytes: 1', 'f:2: limits.bulk-bytes: unknown key (did you mean limits.bulkBytes?)'],
    ['commandTimeout: 1s', 'f:1: commandTimeout: unknown key (did you mean upstream.commandTimeout?)'],
    ['log:\n  zzzzzz: 1', 'f:2: log.zzzzzz: unknown key (known here: level)'],
    ['__proto__: {max: 1}', `f:1: __proto__: unknown key (known here: ${Object.keys(schema.properties).join(', ')})`],
    ['[a]: 1', 'f:1: unknown key (see config/respool.yaml)'],
    ['1: 1', 'f:1: unknown key (see config/respool.yaml)'],
    ['pool: {max: 2}\npool: {max: 3}', 'f:2: the key is given twice (keep one)'],
    ['pool:\n\tmax: 2', 'f:2: a tab is used to indent (use spaces)'],
    ['log: {level: info', 'f:1: the indentation does not fit, or a bracket is not closed'],
    ['a: 1\n---\nb: 2', 'f:2: a second document begins (keep one)'],
    ['admin: @x', 'f:1: a value starts with a character that YAML reserves (put it in quotes)'],
    ['log: *nothing', 'f:1: log: must hold keys with values, as in config/respool.yaml'],
    ['admin: *nothing', 'f:1: admin: is an alias (*) of nothing (put a value that starts with * in quotes)'],
    [
      'commands: {allow: [debug, DEBUG]}',
      'f:1: commands.allow[1]: must be one of cluster|syncslots, debug, psync, replconf, script|debug, shutdown, sync, not "DEBUG"',
    ],
    ['listen:\n  []', 'f:2: listen: must be a list of 1 to 64 addresses, not a list of 0'],
    [`listen: [${'":0",'.repeat(65)}]`, 'f:1: listen: must be a list of 1 to 64 addresses, not a list of 65'],
    ['workers:', 'f:1: workers: has no value (give one, or remove the line)'],
    ['listen:\n  - :0\n  -', 'f:3: listen[1]: has no value (give one, or remove the line)'],
  ]
  for (const [text, expected] of wrong) {
    it(`is refused as ${JSON.stringify(text)}`, () => assert.equal(read(text), expected))
  }

  it('with a key given twice is checked all the same', () => {
    assert.match(read('workers: 1\nworkers: 0'), /^f:2: the key is given twice.*\nf:2: workers: must be/)
  })

  it('that cannot be read as YAML does not make us say what is missing', () => {
    const result = load({ argv: ['-c', 'f'], env: { RESPOOL_POOL_MIN: '9' }, readFile: () => 'upstream: [' })
    assert.deepEqual(result.ok === false && result.errors.map(({ line, path }) => [line, path]), [[1, '']])
  })

  it('that is hostile only gets a mistake', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', ...'bcdefghi'].map((name, i, all) => {
      return i === 0
        ? name
        : `${name}: &${name} [${Array(9)
            .fill(`*${all[i - 1][0]}`)
            .join(',')}]`
    })
    const hostile = [
      [...bomb, 'listen: *i'].join('\n'),
      'listen: &l [*l, *l]',
      `a: &a q\nlisten: [${'*a,'.repeat(50_000)}]`,
      'upstream: &u {reconnect: *u}',
      'listen: [{address: &a {b: *a}}]',
      '['.repeat(50_000),
      '{a: '.repeat(50_000),
      '- '.repeat(50_000),
      '? '.repeat(50_000),
      '"'.repeat(50_001),
      `a:\n${Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i + 1)}b:`).join('\n')}`,
      '%YAML 1.1\n---\nadmin: off\n<<: {workers: 1}',
      '%YAML 9.9\n---\n<<: &a [*a]',
      '!!binary aGk=',
      'workers: !!binary aGk=',
      'listen: !!set {a, b}',
      '\0',
      'a: \u{10ffff}\ud800',
      '&a &b *c: !x !y {[: ]}: >-\n|',
      ': '.repeat(3000),
    ]
    for (const text of hostile) assert.notEqual(read(text), 'ok', text.slice(0, 60))
  })

  it('never makes it throw, whatever becomes of the sample', () => {
    const sample = readFileSync(SAMPLE, 'utf8').replace(/^ *#.*\n/gm, '')
    const inserts = [
      '\t',
      '[',
      '{',
      '"',
      "'",
      '*',
      '&a ',
      '!',
      ': ',
      '- ',
      '? ',
      '|',
      '>',
      '\n',
      '%',
      '#',
      '---\n',
      '\0',
      ',',
      '}',
      '@',
      '<<: ',
    ]
    for (let at = 0; at < sample.length; at += 7) {
      const insert = inserts[at % inserts.length]
      for (const text of [
        sample.slice(0, at) + insert + sample.slice(at),
        sample.slice(0, at) + insert,
        sample.slice(at),
      ]) {
        assert.equal(typeof read(text), 'string')
      }
    }
  })
})

describe('the sample', () => {
  const text = readFileSync(SAMPLE, 'utf8')

  it('loads by itself, and holds the defaults', () => {
    const sample = load({ argv: ['-c', 'f'], env: {}, readFile: () => text })
    const defaults = load({ argv: UPSTREAM, env: {}, readFile: () => text })
    assert.deepEqual(sample, defaults)
    assert.equal(sample.ok, true)
  })

  it('writes defaults as they are shown by --check', () => {
    const sample = load({ argv: ['-c', 'f'], env: {}, readFile: () => text })
    assert.ok(sample.ok === true)
    assert.deepEqual(parse(text), publicConfig(sample.config))
  })

  it('names every key, those without a default as comments', () => {
    const given = parse(text) as object
    for (const { path, segments } of KEYS) {
      if (get(given, segments) === undefined) assert.match(text, new RegExp(`^ *# ${segments.at(-1)}: \\S`, 'm'), path)
    }
  })

  it('can have its commented keys switched on', () => {
    for (const name of ['username', 'password', 'passwordFile']) {
      const changed = text.replace(`# ${name}:`, `${name}:`)
      assert.notEqual(changed, text)
      const result = load({ argv: ['-c', 'f'], env: {}, readFile: (path) => (path === 'f' ? changed : 'secret') })
      if (name !== 'username') assert.equal(result.ok === true && result.config.upstream.target.password, 'secret')
      else assert.match(result.ok === false ? describeProblems(result.errors) : '', /without a password/)
    }
  })

  it('tells editors where its schema is', () => {
    assert.match(text, /^# yaml-language-server: \$schema=respool\.schema\.json$/m)
  })
})

describe('the JSON Schema', () => {
  const file = JSON.parse(readFileSync(SCHEMA, 'utf8')) as object

  it('is what the code gives', () => {
    const command =
      `node --import tsx -e "import { jsonSchema } from './src/config/schema.ts'; console.log(JSON.stringify(jsonSchema()))"` +
      ' > config/respool.schema.json && npx prettier --write config/respool.schema.json'
    assert.deepEqual(file, JSON.parse(JSON.stringify(jsonSchema())), `write it again with: ${command}`)
  })

  it('accepts the sample, an empty file and every single key', () => {
    const sample = parse(readFileSync(SAMPLE, 'utf8')) as object
    assert.ok(Check(file, sample))
    assert.ok(Check(file, {}))
    for (const key of KEYS) {
      const { segments, path } = key
      const text = path === 'tracing.endpoint' ? 'http://collector:4318' : 'text'
      const single = {}
      put(single, segments, get(sample, segments) ?? (isList(key) ? [text] : text))
      assert.ok(Check(file, single), stringify(single))
    }
  })

  it('accepts both forms of a listener', () =>
    assert.ok(
      Check(file, { listen: [':1', { address: ':2' }, { address: ':3', pooling: 'session', announce: 'h:1' }] }),
    ))

  it('refuses unknown keys and wrong values', () => {
    const wrong = [
      { pol: {} },
      { pool: { mx: 1 } },
      { pool: { max: 0 } },
      { listen: [{}] },
      { log: { level: 'x' } },
      { limits: { bulkBytes: '1x' } },
    ]
    for (const each of wrong) assert.ok(!Check(file, each), stringify(each))
  })

  it('describes every key', () => {
    for (const { path, schema: key } of KEYS) assert.ok((key as { description?: string }).description, path)
  })
})
