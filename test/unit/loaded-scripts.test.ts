import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoadedScripts } from '../../src/upstream/loaded-scripts.ts'

const [script, other, connection, elsewhere] = [{}, {}, {}, {}]

describe('what is known of the scripts in a Redis', () => {
  it('a load on its way counts on its own connection, an answered one everywhere', () => {
    const scripts = new LoadedScripts()
    assert.equal(scripts.has(script, connection), false)
    const era = scripts.sent(script, connection)
    assert.deepEqual([scripts.has(script, connection), scripts.has(script, elsewhere)], [true, false])
    scripts.answered(script, connection, era, null)
    assert.deepEqual([scripts.has(script, connection), scripts.has(script, elsewhere)], [true, true])
    assert.equal(scripts.has(other, connection), false)
  })

  it('nothing is known after a flush, not even from answers to what was sent before', () => {
    const scripts = new LoadedScripts()
    const era = scripts.sent(script, connection)
    scripts.answered(other, elsewhere, scripts.sent(other, elsewhere), null)
    scripts.forget()
    assert.deepEqual([scripts.has(script, connection), scripts.has(other, connection)], [false, false])
    scripts.answered(script, connection, era, null)
    assert.equal(scripts.has(script, connection), false)
  })

  it('a load that is refused for good is not tried again, another failed one is', () => {
    for (const [error, settled] of [
      ["NOPERM this user has no permissions to run the 'script|load' command", true],
      ["ERR unknown command 'SCRIPT'", true],
      ['BUSY Redis is busy running a script.', false],
      ['LOADING Redis is loading the dataset in memory', false],
    ] as const) {
      const scripts = new LoadedScripts()
      scripts.answered(script, connection, scripts.sent(script, connection), error)
      assert.equal(scripts.has(script, connection), settled, error)
      assert.equal(scripts.refused(script), settled, error)
      scripts.forget()
      assert.equal(scripts.has(script, connection), false)
    }
  })

  it('the failure of one load says nothing of another one on its way', () => {
    const scripts = new LoadedScripts()
    const first = scripts.sent(script, elsewhere)
    scripts.sent(script, connection)
    scripts.answered(script, elsewhere, first, 'BUSY')
    assert.equal(scripts.has(script, connection), true)
  })

  it('a doubt undoes a good answer, but not a refusal', () => {
    const scripts = new LoadedScripts()
    scripts.answered(script, connection, scripts.sent(script, connection), null)
    scripts.answered(other, connection, scripts.sent(other, connection), 'NOPERM')
    scripts.doubt(script)
    scripts.doubt(other)
    assert.deepEqual([scripts.has(script, connection), scripts.has(other, connection)], [false, true])
  })
})
