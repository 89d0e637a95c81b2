import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Address } from '../../src/config/config.ts'
import { EMPTY_MAP, readClusterSlots, SLOTS, withOwner } from '../../src/routing/slot-map.ts'

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

  it('is replaced, not changed, when one slot has moved', () => {
    const map = readClusterSlots([[0, 99, node('a', 1)]], ASKED, same)!
    const moved = withOwner(map, 5, { kind: 'tcp', host: 'b', port: 2 })
    assert.deepEqual([map.owners[5], map.shards.length], [0, 1])
    assert.deepEqual([moved.shards[moved.owners[5]].primary, moved.owners[4], moved.covered], ['b:2', 0, 100])
    assert.equal(withOwner(EMPTY_MAP, 5, ASKED).covered, 1)
  })
})
