/** The reference page is what the program goes by. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modulesBelow } from '../helpers/modules.ts'
import { reference, written } from '../tools/reference.ts'
import { EVENTS } from '../../src/util/events.js'

test('config/REFERENCE.md is up to date', async () => {
  assert.ok(written() === (await reference()), 'it is not: npm run generate:reference')
})

test('every event of the log is used', () => {
  const used = new Set(
    modulesBelow('src')
      .filter(({ path }) => path !== 'util/events.ts')
      .flatMap(({ words }) => [...words]),
  )
  assert.deepEqual(
    Object.keys(EVENTS).filter((event) => !used.has(event)),
    [],
  )
})
