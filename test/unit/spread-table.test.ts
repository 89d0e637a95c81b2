import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Handling } from '../../src/commands/spec.ts'
import { type Merge, type Spread, spreadRow, spreads, type Target } from '../../src/commands/spread.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { ROOT } from '../helpers/modules.ts'
import { type CommandServer, startCommandServer } from '../tools/command-server.ts'

const table = new CommandTable()
const specs = Array.from({ length: table.size }, (_, id) => table.byId(id)).filter((spec) => spec !== table.other)

/** Elsewhere it is decided where these go, or that they go nowhere. */
const ELSEWHERE: readonly Handling[] = ['local', 'transaction', 'subscribe', 'relay', 'refuse']

describe('the table of commands for several nodes', () => {
  it('says of every command without a key where it goes', () => {
    const open = specs.filter(({ keySpecs, handling }) => keySpecs.length === 0 && !ELSEWHERE.includes(handling))
    assert.deepEqual(
      open.filter(({ name }) => spreadRow(name) === undefined).map(({ name }) => name),
      [],
    )
  })

  it('names commands that exist, each once, with a reason', () => {
    assert.equal(new Set(spreads.map(({ name }) => name)).size, spreads.length)
    for (const { name, reason } of spreads) {
      assert.ok(table.get(name), name)
      assert.ok(reason.length > 10, name)
    }
  })

  it('spreads no command that goes by its keys, but for those that are taken apart', () => {
    const keyed = specs.filter(({ keySpecs, spread }) => keySpecs.length > 0 && spread !== null)
    assert.deepEqual(keyed.map(({ name }) => name).sort(), [
      'del',
      'exists',
      'mget',
      'mset',
      'touch',
      'unlink',
      'xread',
    ])
    for (const { name, keySpecs, spread } of keyed) {
      assert.match(spread!.to, /^(slots|streams)$/, name)
      assert.equal(keySpecs.length, 1, name)
    }
  })
})

/** What Redis advises cluster clients to do (https://redis.io/docs/latest/develop/reference/command-tips/), in this table's words. */
const REQUEST: Record<string, Target> = {
  all_shards: 'primaries',
  all_nodes: 'primaries',
  multi_shard: 'slots',
  special: 'scan',
}
const RESPONSE: Record<string, Merge> = {
  all_succeeded: 'first',
  one_succeeded: 'any',
  agg_sum: 'sum',
  agg_min: 'least',
  agg_logical_and: 'least',
}

/** Where the table has it otherwise. */
const OTHERWISE: Record<string, string> = {
  ping: 'respool answers itself',
  msetnx: 'all or nothing is more than several nodes can promise: Redis says CROSSSLOT',
  wait: 'blocks, and counts for the session only where it has written',
  'latency|reset': 'its reply is a number of events, not OK',
  ...Object.fromEntries(
    ['info', 'function|stats', 'memory|doctor', 'memory|malloc-stats', 'memory|stats'].map((name) => [
      name,
      'a view of one server',
    ]),
  ),
  ...Object.fromEntries(
    ['doctor', 'graph', 'histogram', 'history', 'latest'].map((name) => [`latency|${name}`, 'a view of one server']),
  ),
}

describe("Redis's advice to cluster clients", () => {
  let server: CommandServer
  before(async () => void (server = await startCommandServer('redis-server')))
  after(() => server.stop())

  it('is followed, but for exceptions that have a reason', async () => {
    const differ: string[] = []
    for (const { name, request, response } of advice((await server.ask([['COMMAND']]))[0])) {
      const { to, merge }: Spread = table.get(name)!.spread ?? { to: 'home', merge: null }
      if (to !== request || (response !== undefined && merge !== response)) differ.push(name)
    }
    assert.deepEqual(differ.sort(), Object.keys(OTHERWISE).sort())
  })
})

interface Advice {
  readonly name: string
  readonly request: Target
  readonly response: Merge | undefined
}

function advice(rows: unknown): Advice[] {
  return (rows as unknown[][]).flatMap((row) => {
    const tips = (row[7] as unknown[]).map(String)
    const tip = (kind: string) => tips.find((text) => text.startsWith(kind))?.slice(kind.length)
    const [request, response] = [tip('request_policy:'), tip('response_policy:')]
    const own =
      request === undefined ? [] : [{ name: String(row[0]), request: REQUEST[request], response: RESPONSE[response!] }]
    return [...own, ...advice(row[9])]
  })
}

/** The guide's words for a row. */
const GOES: Record<Target, string> = {
  slots: 'a part for each slot',
  streams: 'a part for each stream',
  primaries: 'all primaries',
  scan: 'one primary after another',
  written: 'the primary last written to',
  home: 'one primary',
}
const ANSWERS: Record<Merge, string> = {
  places: 'values in the order asked',
  first: 'that of all, such as `OK`',
  sum: 'the sum',
  least: 'the smallest number',
  concat: 'all, one behind another',
  any: 'the one that succeeded',
  pick: 'one of them by chance',
}

it('the guide to clusters lists every command that concerns several nodes', () => {
  const groups = new Map<string, string[]>()
  for (const { name, to, merge, reason } of spreads) {
    if (to === 'home') continue
    const group = JSON.stringify([GOES[to], merge === null ? 'its own' : ANSWERS[merge], reason])
    groups.set(group, [...(groups.get(group) ?? []), `\`${name.replace('|', ' ').toUpperCase()}\``])
  }
  const expected = Array.from(groups, ([group, names]) => {
    const [goes, answers] = JSON.parse(group) as string[]
    return `| ${names.join(', ')} | ${goes} | ${answers} |`
  })
  const guide = readFileSync(join(ROOT, 'deploy/guides/clusters.md'), 'utf8')
  const section = guide.split('## Commands for several nodes\n')[1].split('\n## ')[0]
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  assert.deepEqual(
    rows.slice(2).map((line) => line.replace(/ +/g, ' ')),
    expected,
  )
})
