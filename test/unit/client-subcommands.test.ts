import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CommandTable } from '../../src/commands/table.ts'
import { SUBCOMMANDS } from '../../src/dispatch/local/client.ts'

it('every subcommand of CLIENT that some server has is decided on, with a reason', () => {
  const known = [...new CommandTable().get('client')!.subcommands!.keys()]
  assert.deepEqual(Object.keys(SUBCOMMANDS).sort(), known.sort())
  for (const [name, { reason }] of Object.entries(SUBCOMMANDS)) assert.ok(reason.length > 10, name)
})
