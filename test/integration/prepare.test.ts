import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child, removeDirectory, temporaryDirectory } from '../helpers/processes.ts'

// On a machine without Redis: the demo's first steps, with a PATH that holds nothing but what is put there.

const DEMO = fileURLToPath(new URL('../tools/demo.mjs', import.meta.url))
const IS_ROOT = process.getuid?.() === 0
const INSTALL = 'install --yes --no-install-recommends redis-server'

it('says what to install where it cannot install itself, and fails', async () => {
  const { code, output } = await demoWith([])
  assert.equal(code, 1)
  assert.match(output, /redis missing/)
  const sudo = IS_ROOT ? '' : 'sudo '
  assert.ok(output.includes(`${sudo}apt-get update && ${sudo}apt-get ${INSTALL}\n`), output)
  assert.doesNotMatch(output, /Building/)
})

it('installs with apt-get if it may, says so, and shows what apt-get says when that fails', async () => {
  const fake = '#!/bin/sh\necho "$@" >> "$CALLS"\n[ "$1" != install ] || { echo no such package >&2; exit 100; }\n'
  const { code, output, calls } = await demoWith([['apt-get', fake]])
  assert.equal(code, 1)
  if (!IS_ROOT) return assert.deepEqual(calls, [])
  assert.deepEqual(calls, ['--version', 'update', INSTALL])
  assert.match(output, /Installing redis: apt-get update/)
  assert.match(output, /no such package/)
})

async function demoWith(scripts: [name: string, text: string][]) {
  const folder = temporaryDirectory('respool-path')
  for (const program of ['sh', 'env']) symlinkSync(pathOf(program), join(folder, program))
  for (const [name, text] of scripts) writeFileSync(join(folder, name), text, { mode: 0o755 })
  const record = join(folder, 'calls')
  writeFileSync(record, '')
  const demo = new Child(process.execPath, [DEMO], { PATH: folder, CALLS: record })
  const code = await demo.exited
  const calls = readFileSync(record, 'utf8').split('\n').filter(Boolean)
  removeDirectory(folder)
  return { code, output: demo.output(), calls }
}

function pathOf(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
}
