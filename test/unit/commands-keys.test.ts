import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { keyPositions, slotPositions } from '../../src/commands/keys.ts'
import { readCommandReply, type CommandRow } from '../../src/commands/reply.ts'
import type { ArgumentReader, CommandSpec } from '../../src/commands/spec.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { startCommandServer, type CommandServer } from '../tools/command-server.ts'
import { examples, isContested, madeUp, vocabulary } from './commands-examples.ts'

const table = new CommandTable()
const unpacked = ['valkey-8.0', 'redis-8.0', 'valkey-9.1', 'redis-8.6']
  .map((name) => join(import.meta.dirname, `../../.cache/servers/${name}/server`))
  .filter((path) => existsSync(path))

function reader(args: readonly string[]): ArgumentReader {
  return { count: args.length, text: (i) => args[i] }
}

function specOf(args: readonly string[]): CommandSpec {
  return table.lookup(Buffer.from(args[0]), 0, args[0].length) ?? table.other
}

function keysOf(args: readonly string[]): string[] {
  return keyPositions(specOf(args), reader(args)).map((position) => args[position])
}

function wordsOf(example: string): string[] {
  return example.split(' ').map((word) => (word === '""' ? '' : word))
}

/** Deterministic, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function scrambled({ name, arity }: CommandRow, random: (below: number) => number): string[] {
  const start = name.split('|')
  const rest = Math.abs(arity) - start.length + (arity < 0 ? random(8) : 0)
  return [...start, ...Array.from({ length: rest }, () => vocabulary[random(vocabulary.length)])]
}

function inMixedCase(args: readonly string[], words: number): string[] {
  const change = (word: string) => word.replace(/./g, (c, i: number) => (i % 2 ? c.toLowerCase() : c.toUpperCase()))
  return args.map((arg, i) => (i < words ? change(arg) : arg))
}

for (const binary of ['redis-server', ...unpacked]) {
  describe(`keys as found by ${binary.startsWith('/') ? binary.split('/').at(-2) : binary}`, () => {
    let server: CommandServer
    let keyed: CommandRow[]
    const known = new Set<string>()

    before(async () => {
      server = await startCommandServer(binary)
      const rows = readCommandReply((await server.ask([['COMMAND']]))[0] as unknown[])
      for (const { name } of rows) known.add(name)
      keyed = rows.filter(({ keys }) => keys !== '' && !keys.startsWith('notkey'))
    })
    after(() => server.stop())

    /** Compares with COMMAND GETKEYS; an error means no keys. Returns how many invocations had keys. */
    async function compare(invocations: string[][]): Promise<number> {
      const replies = await server.ask(invocations.map((args) => ['COMMAND', 'GETKEYS', ...args]))
      const found = invocations.map(keysOf)
      for (const [i, reply] of replies.entries()) {
        const expected = reply instanceof Error ? [] : reply
        assert.deepEqual(found[i], expected, `${invocations[i].join(' ')}: ${String(reply)}`)
      }
      return found.filter((keys) => keys.length > 0).length
    }

    it('agrees on every command with keys, whatever the number of arguments', async () => {
      assert.ok(keyed.length > 150)
      const invocations = keyed.flatMap(madeUp)
      assert.ok((await compare(invocations)) > keyed.length)
    })

    it('agrees on the examples, one or more for each command whose keys depend on its arguments', async () => {
      const invocations = examples.map(wordsOf).filter(([name]) => known.has(name.toLowerCase()))
      const covered = new Set(invocations.map(([name]) => name.toLowerCase()))
      for (const { name, keys } of keyed) {
        if (/keynum|keyword|unknown/.test(keys)) assert.ok(covered.has(name), `no example for ${name}`)
      }
      assert.ok((await compare(invocations)) > covered.size)
    })

    it('agrees whatever the case of the name', async () => {
      await compare(keyed.flatMap((row) => madeUp(row).map((args) => inMixedCase(args, row.name.split('|').length))))
      await compare(
        examples
          .map(wordsOf)
          .map((args) => inMixedCase(args, 1))
          .filter(([name]) => known.has(name.toLowerCase())),
      )
    })

    it('agrees on random arguments', async () => {
      const random = randomNumbers(20)
      for (let round = 0; round < 40; round++) {
        const invocations = keyed.map((row) => scrambled(row, random))
        await compare(invocations.filter((args) => !isContested(args)))
      }
    })
  })
}

describe('key positions', () => {
  it('are those of the arguments, counted from the name', () => {
    assert.deepEqual(keyPositions(table.get('get')!, reader(['GET', 'k'])), [1])
    assert.deepEqual(keyPositions(table.get('mset')!, reader(['MSET', 'a', '1', 'b', '2'])), [1, 3])
    assert.deepEqual(keyPositions(table.get('object')!, reader(['OBJECT', 'Encoding', 'k'])), [2])
    assert.deepEqual(keyPositions(table.get('object|encoding')!, reader(['OBJECT', 'ENCODING', 'k'])), [2])
  })

  it('are none for commands without keys, unknown names and unknown subcommands', () => {
    for (const args of [
      ['PING'],
      ['PING', 'x'],
      ['NONSENSE', 'k'],
      ['OBJECT'],
      ['OBJECT', 'COLOUR', 'k'],
      ['PUBLISH', 'c', 'm'],
    ]) {
      assert.deepEqual(keysOf(args), [], args.join(' '))
    }
  })

  it('stand behind words that end with a NUL, too, as servers stop reading there', () => {
    assert.deepEqual(keysOf(['SORT', 'k1', 'STORE\0x', 'k2']), ['k1', 'k2'])
    assert.deepEqual(keysOf(['XREAD', 'streams\0', 'k1', '0']), ['k1'])
    assert.deepEqual(keysOf(['XREAD', '\0streams', 'k1', '0']), [])
  })

  it('are none when the number of keys is no plain number or does not fit', () => {
    for (const count of [
      '',
      'x',
      '2x',
      ' 2',
      '+2',
      '02',
      '-1',
      '0',
      '1e0',
      '0x2',
      '3',
      '1.0',
      '99999999999999999999',
      '9007199254740993',
    ]) {
      assert.deepEqual(keysOf(['EVAL', 'return', count, 'k1', 'k2']), [], count)
      assert.deepEqual(keysOf(['ZUNIONSTORE', 'dest', count, 'k1', 'k2']), [], count)
    }
    assert.deepEqual(keysOf(['EVAL', 'return', '2', 'k1', 'k2']), ['k1', 'k2'])
  })

  it('stay within the arguments, of every command cut off anywhere', () => {
    const random = randomNumbers(7)
    for (let id = 0; id < table.size; id++) {
      const { name } = table.byId(id)
      for (let count = 0; count < 12; count++) {
        const words = Array.from({ length: 12 }, () => vocabulary[random(vocabulary.length)])
        const args = [...name.split('|'), ...words].slice(0, count)
        for (const position of keyPositions(table.byId(id), reader(args))) {
          assert.ok(position > 0 && position < args.length, args.join(' '))
        }
      }
    }
  })

  it('are the same as soleKey wherever that is given', () => {
    let given = 0
    for (let id = 0; id < table.size; id++) {
      const spec = table.byId(id)
      if (spec.soleKey === 0) continue
      given += 1
      const args = [...spec.name.split('|'), ...Array.from({ length: 10 }, () => 'a')]
      assert.deepEqual(keyPositions(spec, reader(args)), [spec.soleKey], spec.name)
    }
    assert.ok(given > 100)
    assert.equal(table.get('get')!.soleKey, 1)
    assert.equal(table.get('object|encoding')!.soleKey, 2)
    for (const name of ['mget', 'sort', 'rename', 'eval', 'xread', 'spublish', 'ping'])
      assert.equal(table.get(name)!.soleKey, 0)
  })

  it('do not include shard channels, which are told apart', () => {
    const args = reader(['SSUBSCRIBE', 'c1', 'c2'])
    assert.deepEqual(keyPositions(table.get('ssubscribe')!, args), [])
    assert.deepEqual(slotPositions(table.get('ssubscribe')!, args), [1, 2])
    assert.deepEqual(slotPositions(table.get('spublish')!, reader(['SPUBLISH', 'c', 'm'])), [1])
    assert.deepEqual(slotPositions(table.get('publish')!, reader(['PUBLISH', 'c', 'm'])), [])
    assert.deepEqual(slotPositions(table.get('get')!, reader(['GET', 'k'])), [1])
  })

  it('decide the slot of PFMERGE also where there is only one', () => {
    const args = reader(['PFMERGE', 'd'])
    assert.deepEqual(keyPositions(table.get('pfmerge')!, args), [])
    assert.deepEqual(slotPositions(table.get('pfmerge')!, args), [1])
  })
})
