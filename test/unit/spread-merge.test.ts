import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Merge } from '../../src/commands/spread.ts'
import { merge } from '../../src/dispatch/spread/merge.ts'
import type { Part } from '../../src/dispatch/spread/split.ts'

const frames = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'latin1'))
const textOf = (merged: Buffer | string) => (Buffer.isBuffer(merged) ? merged.toString('latin1') : merged)

function merged(how: Merge, ...replies: string[]): string {
  return textOf(merge(how, frames(replies)))
}

function placed(places: number[][], ...replies: string[]): string {
  const parts: Part[] = places.map((own) => ({ slot: 0, request: '', argc: 0, places: own }))
  return textOf(merge('places', frames(replies), parts))
}

const ERROR = '-MOVED 1 a:1\r\n'
const BULK_ERROR = '!5\r\nERR x\r\n'
const DIFFER = 'repliesDiffer'

describe('merging by place', () => {
  it('puts elements where they were asked for, byte for byte', () => {
    assert.equal(
      placed([[0, 3], [1], [2]], '*2\r\n$3\r\na\r\n\r\n$-1\r\n', '*1\r\n$4\r\n$1\r\n\r\n', '*1\r\n$0\r\n\r\n'),
      '*4\r\n$3\r\na\r\n\r\n$4\r\n$1\r\n\r\n$0\r\n\r\n$-1\r\n',
    )
    assert.equal(placed([[1], [0]], '*1\r\n_\r\n', '*1\r\n$1\r\n\xff\r\n'), '*2\r\n$1\r\n\xff\r\n_\r\n')
  })

  it('takes elements of any kind whole', () => {
    const nested = '*2\r\n%1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n*1\r\n#t\r\n'
    assert.equal(placed([[1], [0, 2]], `*1\r\n${nested}`, '*2\r\n,1.5\r\n*-1\r\n'), `*3\r\n,1.5\r\n${nested}*-1\r\n`)
  })

  it('says so if a reply is not of as many elements', () => {
    for (const odd of ['*2\r\n:1\r\n:2\r\n', '*0\r\n', '*-1\r\n', '+OK\r\n', '$1\r\na\r\n', '_\r\n']) {
      assert.equal(placed([[0], [1]], '*1\r\n:1\r\n', odd), DIFFER, odd)
    }
  })
})

describe('merging', () => {
  it('answers with the first error, in the order of the replies', () => {
    for (const how of ['places', 'first', 'sum', 'least', 'concat'] as const) {
      assert.equal(merged(how, ':1\r\n', ERROR, '-ERR late\r\n'), ERROR, how)
      assert.equal(merged(how, '*0\r\n', BULK_ERROR, ERROR), BULK_ERROR, how)
    }
  })

  it('takes the first of replies that say the same', () => {
    assert.equal(merged('first', '+OK\r\n', '+OK\r\n'), '+OK\r\n')
  })

  it('adds up integers of any size', () => {
    assert.equal(merged('sum', ':1\r\n', ':-3\r\n', ':0\r\n'), ':-2\r\n')
    assert.equal(merged('sum', ':9007199254740993\r\n', ':2\r\n'), ':9007199254740995\r\n')
    assert.equal(merged('sum', ':7\r\n'), ':7\r\n')
  })

  it('adds up place by place what stands in arrays', () => {
    const counts = (a: number, b: number) => `*4\r\n$1\r\na\r\n:${a}\r\n$1\r\nb\r\n:${b}\r\n`
    assert.equal(merged('sum', counts(1, 0), counts(0, 5), counts(2, 0)), counts(3, 5))
    assert.equal(merged('sum', '*0\r\n', '*0\r\n'), '*0\r\n')
  })

  it('takes the smallest', () => {
    assert.equal(merged('least', ':5\r\n', ':4\r\n', ':6\r\n'), ':4\r\n')
    assert.equal(merged('least', '*2\r\n:1\r\n:1\r\n', '*2\r\n:0\r\n:1\r\n'), '*2\r\n:0\r\n:1\r\n')
  })

  it('says so if what is to be added up does not fit', () => {
    for (const odd of ['+OK\r\n', '*0\r\n', '$1\r\n1\r\n', '_\r\n']) {
      assert.equal(merged('sum', ':1\r\n', odd), DIFFER, odd)
      assert.equal(merged('sum', odd, ':1\r\n'), DIFFER, odd)
    }
    assert.equal(merged('least', '*1\r\n:1\r\n', '*2\r\n:1\r\n:1\r\n'), DIFFER)
    assert.equal(merged('least', '*1\r\n:1\r\n', '*1\r\n+a\r\n'), DIFFER)
  })

  it('puts arrays and maps one behind another', () => {
    assert.equal(
      merged('concat', '*1\r\n$1\r\na\r\n', '*0\r\n', '*2\r\n+b\r\n*1\r\n:1\r\n'),
      '*3\r\n$1\r\na\r\n+b\r\n*1\r\n:1\r\n',
    )
    assert.equal(
      merged('concat', '%1\r\n+a\r\n:1\r\n', '_\r\n', '%1\r\n+b\r\n:2\r\n'),
      '%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n',
    )
    assert.equal(merged('concat', '*-1\r\n', '*1\r\n:1\r\n'), '*1\r\n:1\r\n')
    for (const none of ['*-1\r\n', '_\r\n']) assert.equal(merged('concat', none, none), none)
    assert.equal(merged('concat', '+OK\r\n', '+OK\r\n'), '+OK\r\n')
    assert.equal(merged('concat', '*1\r\n:1\r\n', '%1\r\n+a\r\n:1\r\n'), DIFFER)
    assert.equal(merged('concat', ':1\r\n', ':1\r\n'), DIFFER)
  })

  it('takes any that is no error, else the error that tells most', () => {
    const idle = '-NOTBUSY No scripts in execution right now.\r\n'
    const stuck = '-UNKILLABLE Sorry the script already executed write commands.\r\n'
    assert.equal(merged('any', idle, '+OK\r\n', stuck), '+OK\r\n')
    assert.equal(merged('any', idle, stuck, idle), stuck)
    assert.equal(merged('any', idle, idle), idle)
  })

  it('picks by chance, and never null or an error while there is something else', () => {
    const picks = Array.from({ length: 200 }, () => merged('pick', '_\r\n', '$1\r\na\r\n', ERROR, '$1\r\nb\r\n'))
    assert.deepEqual([...new Set(picks)].sort(), ['$1\r\na\r\n', '$1\r\nb\r\n'])
    assert.equal(merged('pick', '$-1\r\n', '$-1\r\n'), '$-1\r\n')
    assert.equal(merged('pick', '$-1\r\n', ERROR), ERROR)
  })
})
