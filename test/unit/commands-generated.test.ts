import assert from 'node:assert/strict'
import { describe, it, before, after } from 'node:test'
import { generatedFrom, generatedRows } from '../../src/commands/generated.ts'
import { readCommandReply, type CommandRow } from '../../src/commands/reply.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { startCommandServer, type CommandServer } from '../tools/command-server.ts'

function release(title: string): string {
  return title.split('.', 2).join('.')
}

describe('generated command rows', () => {
  let server: CommandServer
  let told: CommandRow[]
  before(async () => {
    server = await startCommandServer('redis-server')
    told = readCommandReply((await server.ask([['COMMAND']]))[0] as unknown[])
  })
  after(() => server.stop())

  it('say of the installed server exactly what it says itself', (t) => {
    const letter = Object.keys(generatedFrom).find((key) => release(generatedFrom[key]) === release(server.title))
    if (letter === undefined) return t.skip(`${server.title} is not among those that the rows were generated from`)
    const written = generatedRows.filter((row) => row[4].includes(letter))
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    assert.deepEqual(
      written.map(([name, arity, flags, keys]) => ({ name, arity, flags, keys })).sort(byName),
      told.map(({ name, arity, flags, keys }) => ({ name, arity, flags, keys })).sort(byName),
    )
  })

  it('have all categories that the installed server gives its commands, but for those of speed', () => {
    const table = new CommandTable()
    const missing = told.flatMap(({ name, categories }) => {
      const known = table.get(name)?.categories
      return categories.split(' ').filter((each) => !['fast', 'slow'].includes(each) && known?.has(each) !== true)
    })
    assert.deepEqual(missing, [])
    assert.deepEqual([...table.get('keys')!.categories], ['dangerous', 'keyspace', 'read'])
  })

  it('leave nothing to be learned from the installed server, unless it is newer than all of them', async (t) => {
    const newest = Object.values(generatedFrom)
      .filter((title) => title.startsWith('redis '))
      .at(-1)!
    const number = (title: string) => Number(release(title).split(' ')[1])
    if (number(server.title) > number(newest)) return t.skip(`${server.title} is newer than ${newest}`)
    assert.equal(new CommandTable().learn((await server.ask([['COMMAND']]))[0] as unknown[]), 0)
  })

  it('stand in order, each with its servers, the newest definition of a name last', () => {
    const letters = Object.keys(generatedFrom).join('')
    for (const [i, [name, , , , servers]] of generatedRows.entries()) {
      assert.match(servers, /^[a-z]+$/)
      for (const letter of servers) assert.ok(letters.includes(letter), name)
      if (i === 0) continue
      const [before, , , , serversBefore] = generatedRows[i - 1]
      assert.ok(before <= name, `${before} before ${name}`)
      if (before === name) assert.ok(serversBefore.at(-1)! < servers.at(-1)!, name)
    }
  })
})
