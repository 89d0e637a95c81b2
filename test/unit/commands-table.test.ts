import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generatedRows } from '../../src/commands/generated.ts'
import { NameIndex } from '../../src/commands/name-index.ts'
import { Flag, resolve } from '../../src/commands/spec.ts'
import { CommandTable } from '../../src/commands/table.ts'

function find(table: CommandTable, name: string) {
  const frame = Buffer.from(`*1\r\n$${name.length}\r\n${name}\r\n`, 'latin1')
  const start = frame.length - 2 - name.length
  return table.lookup(frame, start, start + name.length)
}

/** A COMMAND row as a server of version 7 or newer gives it. */
function row(name: string, flags: string[] = [], keySpecs: unknown[] = [], subcommands: unknown[] = []): unknown[] {
  return [name, -2, flags, 0, 0, 0, [], [], keySpecs, subcommands]
}

const firstKey = [
  ...['flags', ['RO', 'access'], 'begin_search', ['type', 'index', 'spec', ['index', 1]]],
  ...['find_keys', ['type', 'range', 'spec', ['lastkey', 0, 'keystep', 1, 'limit', 0]]],
]

describe('command table', () => {
  const table = new CommandTable()

  it('finds every top-level command by its bytes in lower, upper and mixed case', () => {
    for (const [name] of generatedRows) {
      if (name.includes('|')) continue
      for (const form of [name, name.toUpperCase(), name[0].toUpperCase() + name.slice(1)]) {
        assert.equal(find(table, form)?.name, name)
      }
    }
  })

  it('finds a name at the very end of a buffer and at its beginning', () => {
    assert.equal(table.lookup(Buffer.from('xxget'), 2, 5)?.name, 'get')
    assert.equal(table.lookup(Buffer.from('GETxx'), 0, 3)?.name, 'get')
  })

  it('finds nothing for names that are no command, however near', () => {
    for (const [name] of generatedRows) {
      if (name.includes('|')) continue
      for (const near of [`${name}\0`, `\0${name}`, ` ${name}`, `${name}_`, `${name}\x7f`])
        assert.equal(find(table, near), undefined)
      // The bit that tells upper from lower case means nothing in other characters.
      const flipped = name.replace(/[^a-z]/g, (c) => String.fromCharCode(c.charCodeAt(0) ^ 32))
      if (flipped !== name) assert.equal(find(table, flipped), undefined)
    }
    for (const name of ['', 'config|get', 'other', '\xe7et', 'ge', 'gett', 'get'.repeat(21), 'get'.repeat(100)]) {
      assert.equal(find(table, name), undefined, name)
    }
  })

  it('gives ids without gaps, 0 for the row that stands for unknown names', () => {
    assert.equal(table.other.id, 0)
    assert.equal(table.other.name, 'other')
    assert.equal(table.other.handling, 'forward')
    const names = Array.from({ length: table.size }, (_, id) => {
      assert.equal(table.byId(id).id, id)
      return table.byId(id).name
    })
    assert.equal(new Set(names).size, table.size)
    for (const id of [-1, table.size, 1.5, NaN]) assert.equal(table.byId(id), table.other)
  })

  it('reaches subcommands through their container, with ids and names of their own', () => {
    const config = table.get('config')!
    const get = config.subcommands?.get('get')
    assert.equal(get?.name, 'config|get')
    assert.equal(table.get('config|get'), get)
    assert.equal(table.byId(get.id), get)
    const text = (...args: string[]) => ({ count: args.length, text: (i: number) => args[i] })
    assert.equal(resolve(config, text('CONFIG', 'GeT', '*')), get)
    assert.equal(resolve(config, text('CONFIG', 'nonsense')), config)
    assert.equal(resolve(config, text('CONFIG')), config)
    assert.equal(table.get('get')!.subcommands, null)
  })

  it('takes the newest definition where servers differ', () => {
    assert.equal(table.get('zrank')!.arity, -3)
    assert.ok(table.get('wait')!.flags & Flag.blocking)
    assert.ok(table.get('hexpire'))
    assert.ok(table.get('vadd'))
  })

  it('tells flags', () => {
    assert.equal(table.get('set')!.flags & (Flag.write | Flag.readonly), Flag.write)
    assert.equal(table.get('get')!.flags & (Flag.write | Flag.readonly), Flag.readonly)
    assert.ok(table.get('config|set')!.flags & Flag.admin)
    assert.ok(table.get('hello')!.flags & Flag.noAuth)
  })
})

describe('learning', () => {
  it('adds unknown commands with subcommands and keys, and finds them by their bytes in any case', () => {
    const table = new CommandTable()
    const before = table.size
    const rows = [
      row('FT.SEARCH', ['readonly', 'module'], [firstKey]),
      row('ft.config', [], [], [row('ft.config|GET')]),
      row('get'),
      null,
    ]
    assert.equal(table.learn(rows), 3)
    assert.equal(table.size, before + 3)
    const search = find(table, 'Ft.Search')
    assert.equal(search?.id, before)
    assert.equal(search?.name, 'ft.search')
    assert.equal(search?.flags, Flag.readonly | Flag.module)
    assert.equal(search?.handling, 'forward')
    assert.equal(search?.soleKey, 1)
    assert.equal(find(table, 'FT.CONFIG')?.subcommands?.get('get')?.name, 'ft.config|get')
    assert.equal(table.learn(rows), 0)
  })

  it('leaves known commands as they are, and adds subcommands to them', () => {
    const table = new CommandTable()
    assert.equal(table.learn([row('get', ['write', 'blocking'])]), 0)
    assert.equal(table.get('get')!.handling, 'forward')
    assert.equal(table.learn([row('client', [], [], [row('client|levitate'), row('client|id')])]), 1)
    assert.equal(table.get('client')!.subcommands!.get('levitate')!.handling, 'local')
    assert.equal(table.learn([row('get', [], [], [row('get|up')])]), 1)
    assert.equal(table.get('get')!.subcommands!.get('up')!.name, 'get|up')
  })

  it('decides by flags what to do with them', () => {
    const table = new CommandTable()
    table.learn([row('m.wait', ['blocking', 'write']), row('m.listen', ['pubsub']), row('m.plain', ['admin'])])
    assert.equal(table.get('m.wait')!.handling, 'block')
    assert.equal(table.get('m.listen')!.handling, 'relay')
    assert.equal(table.get('m.plain')!.handling, 'forward')
  })

  it('reads the shorter rows of old servers: first key, last key, step', () => {
    const table = new CommandTable()
    assert.equal(
      table.learn([
        ['old.mset', -3, ['write'], 1, -1, 2],
        ['old.none', 1, [], 0, 0, 0],
      ]),
      2,
    )
    const [{ begin, find: range }] = table.get('old.mset')!.keySpecs
    assert.deepEqual(begin, { kind: 'index', index: 1 })
    assert.deepEqual(range, { kind: 'range', lastKey: -1, keyStep: 2, limit: 0 })
    assert.deepEqual(table.get('old.none')!.keySpecs, [])
  })

  it('takes names given as buffers', () => {
    const table = new CommandTable()
    const bytes = (value: unknown): unknown =>
      Array.isArray(value) ? value.map(bytes) : typeof value === 'string' ? Buffer.from(value) : value
    assert.equal(table.learn([bytes(row('m.get', ['readonly'], [firstKey]))]), 1)
    assert.equal(table.get('m.get')!.soleKey, 1)
    assert.equal(table.get('m.get')!.flags, Flag.readonly)
  })

  it('stops at 512 commands, and finds all of them', () => {
    const table = new CommandTable()
    const before = table.size
    assert.equal(table.learn(Array.from({ length: 600 }, (_, i) => row(`m.${i}`))), 512)
    assert.equal(table.learn([row('m.more')]), 0)
    assert.equal(table.size, before + 512)
    for (let i = 0; i < 512; i++) assert.equal(find(table, `M.${i}`)?.name, `m.${i}`)
    assert.equal(find(table, 'm.512'), undefined)
    assert.equal(find(table, 'GET')?.name, 'get')
  })

  it('leaves out what is no row of a command', () => {
    const table = new CommandTable()
    const broken = [
      ...[
        null,
        1,
        'get',
        [],
        ['x'],
        [5, 1, []],
        ['m.x', 'two', []],
        row(''),
        row('a'.repeat(65)),
        row('m x'),
        row('m.\xe9'),
      ],
      ...[row('nobody|home'), row('other'), row('get|'), row('|'), [['m.y'], 1]],
    ]
    assert.equal(table.learn(broken), 0)
    assert.equal(
      table.learn([
        ['m.short', 2],
        ['m.odd', 2, 'flags', 'a', {}, null, 1, 2, [[], 3, ['begin_search', 4]], 5],
      ]),
      2,
    )
    assert.equal(table.get('m.short')!.soleKey, 0)
  })
})

describe('name index', () => {
  it('tells names apart that share a slot and differ only in zero bytes at the end', () => {
    for (const name of ['a', 'ab', 'abc', 'abcde', 'get', 'mget', 'x'.repeat(61)]) {
      const index = new NameIndex(1)
      index.add(name, 7)
      assert.equal(index.find(Buffer.from(name), 0, name.length), 7)
      for (let zeros = 1; zeros < 8; zeros++) {
        const longer = Buffer.from(name + '\0'.repeat(zeros))
        assert.equal(index.find(longer, 0, longer.length), -1)
      }
    }
  })

  it('finds every name when it is as full as it may be', () => {
    const index = new NameIndex(256)
    const names = Array.from({ length: 256 }, (_, i) => `name-${i * 7919}`)
    for (const [number, name] of names.entries()) index.add(name, number)
    for (const [number, name] of names.entries()) assert.equal(index.find(Buffer.from(name), 0, name.length), number)
  })

  it('takes no name that is empty or longer than 64 bytes', () => {
    assert.throws(() => new NameIndex(1).add('', 0), RangeError)
    assert.throws(() => new NameIndex(1).add('a'.repeat(65), 0), RangeError)
  })
})
