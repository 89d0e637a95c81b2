import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ScriptMemory } from '../../src/dispatch/scripts/memory.ts'
import { check } from './property.ts'

const shaOf = (body: string) => createHash('sha1').update(body).digest('hex')

/** Remembers a body that stands in the middle of other bytes, as in a read buffer. */
function remember(memory: ScriptMemory, body: string) {
  const buf = Buffer.from(`before ${body} after`)
  const script = memory.remember(buf, 7, 7 + Buffer.byteLength(body))
  buf.fill(0)
  return script
}

describe('script memory', () => {
  it('gives a body for its digest, in either case, and keeps it when the buffer is used again', () => {
    const memory = new ScriptMemory(10, 1000)
    const script = remember(memory, 'return 1')
    assert.equal(script?.sha, 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db')
    assert.equal(memory.find(script.sha)?.body.toString(), 'return 1')
    assert.equal(memory.find(script.sha.toUpperCase()), script)
    assert.equal(memory.find(shaOf('return 2')), null)
    assert.equal(remember(memory, 'return 1'), script)
    assert.equal(memory.size, 1)
  })

  it('tells bodies apart that look alike', () => {
    const memory = new ScriptMemory(10, 100_000)
    // Only every 32nd part of a body is looked at.
    const [one, other] = ['-- a'.padEnd(5000, 'x'), '-- b'.padEnd(5000, 'x')]
    for (const body of [one, other, one, other]) assert.equal(remember(memory, body)?.sha, shaOf(body))
    assert.equal(memory.size, 2)
    assert.equal(memory.bytes, 10_000)
  })

  it('does not take in a body that is larger than it may be as a whole', () => {
    const memory = new ScriptMemory(10, 100)
    remember(memory, 'return 1')
    assert.equal(remember(memory, 'x'.repeat(101)), null)
    assert.equal(memory.size, 1)
  })

  it('remembers nothing when a bound is 0', () => {
    assert.equal(new ScriptMemory(0, 100).enabled, false)
    assert.equal(new ScriptMemory(100, 0).enabled, false)
    assert.equal(new ScriptMemory(1, 1).enabled, true)
  })

  it('holds what a list of the last used would hold, whatever is done', (t) => {
    const bodies = Array.from({ length: 12 }, (_, nth) => `return ${nth} --`.padEnd(20 + nth * 7, '-'))
    const step = fc.record({ body: fc.constantFrom(...bodies), calls: fc.boolean() })
    const property = fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 20, max: 400 }),
      fc.array(step, { maxLength: 60 }),
      (maxCount, maxBytes, steps) => {
        const memory = new ScriptMemory(maxCount, maxBytes)
        let model: string[] = []
        for (const { body, calls } of steps) {
          if (calls) assert.equal(memory.find(shaOf(body))?.body.toString() ?? null, model.includes(body) ? body : null)
          else remember(memory, body)
          if (model.includes(body) || (!calls && body.length <= maxBytes)) {
            model = [...model.filter((other) => other !== body), body]
          }
          while (model.length > maxCount || model.join('').length > maxBytes) model.shift()
          assert.equal(memory.size, model.length)
          assert.equal(memory.bytes, model.join('').length)
        }
        // Asked for from the oldest on, so that the asking changes nothing.
        for (const body of model) assert.equal(memory.find(shaOf(body))?.body.toString(), body)
      },
    )
    return check(t, 500, property)
  })
})
