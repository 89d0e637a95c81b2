import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Address } from '../../src/config/config.ts'
import { translator } from '../../src/routing/address-map.ts'
import {
  countMoved,
  EMPTY_MAP,
  readClusterSlots,
  type SlotMap,
  SLOTS,
  slotRanges,
  withOwner,
} from '../../src/routing/slot-map.ts'

const ASKED: Address = { kind: 'tcp', host: 'asked', port: 1 }
const same = (address: Address): Address => address
const node = (host: string | null, port: number) => [host, port, 'id', []]

describe('a slot map', () => {
  it('is what CLUSTER SLOTS says', () => {
    const reply = [
      [0, 99, node('a', 1), node('b', 2)],
      [100, 16_382, node('c', 3)],
      [16_383, 16_383, node('a', 1), node('b', 2)],
    ]
    const map = readClusterSlots(reply, ASKED, same)!
    assert.deepEqual(map.shards, [
      { primary: 'a:1', replicas: ['b:2'] },
      { primary: 'c:3', replicas: [] },
    ])
    assert.deepEqual(
      [0, 99, 100, 16_382, 16_383].map((slot) => map.owners[slot]),
      [0, 0, 1, 1, 0],
    )
    assert.equal(map.covered, SLOTS)
    assert.deepEqual([...map.addresses.keys()], ['a:1', 'b:2', 'c:3'])
  })

  it('takes the host that was asked where a row has none, and leaves out nodes that are not known', () => {
    const map = readClusterSlots(
      [
        [0, 9, node('', 7), node('?', 8), node(null, 9)],
        [10, 19, node('?', 5)],
      ],
      ASKED,
      same,
    )!
    assert.deepEqual(map.shards, [{ primary: 'asked:7', replicas: ['asked:9'] }])
    assert.equal(map.covered, 10)
    assert.equal(map.owners[10], -1)
  })

  it('has the addresses at which nodes are reached', () => {
    const map = readClusterSlots([[0, 9, node('inside', 7)]], ASKED, () => ({
      kind: 'tcp',
      host: 'outside',
      port: 70,
    }))!
    assert.deepEqual(map.shards, [{ primary: 'outside:70', replicas: [] }])
  })

  it('is not made of anything else', () => {
    const bad = [
      null,
      'x',
      [1],
      [[1, 0, node('a', 1)]],
      [[0, 16_384, node('a', 1)]],
      [[-1, 5, node('a', 1)]],
      [['0', '5']],
    ]
    for (const reply of bad) assert.equal(readClusterSlots(reply, ASKED, same), null, JSON.stringify(reply))
  })

  it('has its shards in the order of their first slots, whatever order a node tells them in', () => {
    const rows = [
      [100, 199, node('b', 1), node('d', 1), node('c', 1)],
      [0, 99, node('a', 1)],
    ]
    const map = readClusterSlots(rows, ASKED, same)!
    assert.deepEqual(map.shards, [
      { primary: 'a:1', replicas: [] },
      { primary: 'b:1', replicas: ['c:1', 'd:1'] },
    ])
    assert.deepEqual([map.owners[0], map.owners[100]], [0, 1])
    const [[, , primary, one, other], second] = rows as [unknown[], unknown[]]
    const shuffled = readClusterSlots([second, [100, 199, primary, other, one]], ASKED, same)!
    assert.deepEqual([shuffled.shards, shuffled.owners], [map.shards, map.owners])
  })

  it('is replaced, not changed, when one slot has moved', () => {
    const map = readClusterSlots([[0, 99, node('a', 1)]], ASKED, same)!
    const moved = withOwner(map, 5, B)
    assert.deepEqual([map.owners[5], map.shards.length], [0, 1])
    assert.deepEqual([primaryOf(moved, 5), primaryOf(moved, 4), moved.covered], ['b:2', 'a:1', 100])
    assert.equal(withOwner(EMPTY_MAP, 5, ASKED).covered, 1)
    assert.equal(countMoved(map, moved), 1)
    assert.equal(countMoved(EMPTY_MAP, moved), 100)
  })

  it('forgets a shard that has lost its last slot, and a replica that has become a primary', () => {
    const map = readClusterSlots([[7, 7, node('a', 1), node('b', 2), node('c', 3)]], ASKED, same)!
    const moved = withOwner(map, 7, B)
    assert.deepEqual(moved.shards, [{ primary: 'b:2', replicas: [] }])
    assert.deepEqual([...moved.addresses.keys()], ['b:2'])
    const half = withOwner(readClusterSlots([[7, 8, node('a', 1), node('b', 2), node('c', 3)]], ASKED, same)!, 7, B)
    assert.deepEqual(half.shards, [
      { primary: 'b:2', replicas: [] },
      { primary: 'a:1', replicas: ['c:3'] },
    ])
  })

  it('says which ranges a shard serves', () => {
    const rows = [
      [0, 4, node('a', 1)],
      [5, 5, node('b', 1)],
      [7, 9, node('a', 1)],
      [16_383, 16_383, node('a', 1)],
    ]
    assert.deepEqual(slotRanges(readClusterSlots(rows, ASKED, same)!), [['0-4', '7-9', '16383'], ['5']])
    assert.deepEqual(slotRanges(EMPTY_MAP), [])
  })
})

const B: Address = { kind: 'tcp', host: 'b', port: 2 }
const primaryOf = ({ shards, owners }: SlotMap, slot: number) => shards[owners[slot]].primary

describe('an address map', () => {
  const translate = translator({
    '10.0.0.1:7000': 'outside.example:1',
    '10.0.0.1': '192.168.0.1',
    'Node-B': '[::2]',
    '[fd00::1]:7': '[::3]:8',
    '[fd00::1]': 'six',
  })
  const at = (host: string, port: number): Address => ({ kind: 'tcp', host, port })

  it('gives for a port, else for the host, where a server is reached', () => {
    const cases: [Address, Address][] = [
      [at('10.0.0.1', 7000), at('outside.example', 1)],
      [at('10.0.0.1', 7001), at('192.168.0.1', 7001)],
      [at('node-b', 5), at('::2', 5)],
      [at('fd00::1', 7), at('::3', 8)],
      [at('fd00::1', 9), at('six', 9)],
      [at('elsewhere', 1), at('elsewhere', 1)],
      [at('constructor', 1), at('constructor', 1)],
      [
        { kind: 'unix', path: '10.0.0.1' },
        { kind: 'unix', path: '10.0.0.1' },
      ],
    ]
    for (const [from, to] of cases) assert.deepEqual(translate(from), to)
  })
})
