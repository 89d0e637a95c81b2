/** The systemd unit, read by systemd itself. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { run, succeeds } from '../helpers/commands.ts'
import { installPackages } from '../helpers/debian.ts'
import { ROOT } from '../helpers/modules.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import manifest from '../../package.json' with { type: 'json' }

const UNIT = join(ROOT, 'deploy/systemd/respool.service')
/** What systemd-analyze calls "OK" begins below 5, and a plain service has 9.6; times 10. */
const MOST_EXPOSED = 15

const text = readFileSync(UNIT, 'utf8')

describe('the unit', () => {
  it('starts the program, with the configuration that it says to install', () => {
    const [node, program, flag, config] = valueOf('ExecStart').split(' ')
    assert.equal(node, '/usr/bin/node')
    assert.equal(program, `/opt/respool/${manifest.bin.respool}`)
    assert.equal(flag, '-c')
    assert.match(text, new RegExp(`^#.*install .*config/respool\\.yaml ${config}$`, 'm'))
  })

  it('has sockets for the addresses of the sample configuration', () => {
    const listens = (name: string) =>
      /^ListenStream=(.*)$/m.exec(readFileSync(join(ROOT, 'deploy/systemd', name), 'utf8'))![1]
    const sample = readFileSync(join(ROOT, 'config/respool.yaml'), 'utf8')
    assert.match(sample, new RegExp(`^listen:\\n  - ${listens('respool.socket')}$`, 'm'))
    assert.match(sample, new RegExp(`^admin: ${listens('respool-admin.socket')}$`, 'm'))
  })

  it('does not start again what a wrong configuration ends', () => {
    assert.equal(valueOf('Restart'), 'always')
    const code = /usage: (\d)/.exec(readFileSync(join(ROOT, 'src/main.ts'), 'utf8'))?.[1]
    assert.equal(valueOf('RestartPreventExitStatus'), code)
  })

  it('waits longer for the end than that takes', () => {
    const sample = readFileSync(join(ROOT, 'config/respool.yaml'), 'utf8')
    const seconds = (key: string) =>
      Number(new RegExp(`^drain:(?:\\n| .*)*?\\n  ${key}: (\\d+)s$`, 'm').exec(sample)?.[1])
    assert.ok(Number(valueOf('TimeoutStopSec')) > seconds('notice') + seconds('timeout'))
  })

  it('allows more files than applications may have connections', () => {
    const most = /^ {2}connections: (\d+)$/m.exec(readFileSync(join(ROOT, 'config/respool.yaml'), 'utf8'))?.[1]
    assert.ok(Number(valueOf('LimitNOFILE')) > 2 * Number(most))
  })

  describe(
    'in the eyes of systemd',
    { timeout: 300_000, skip: !existsSync('/etc/debian_version') && 'needs systemd-analyze' },
    () => {
      before(async () => {
        const there = await succeeds('systemd-analyze', ['--version'])
        if (!there) await installPackages(['systemd'], 'to check the systemd unit')
      })

      // It looks whether the program is there, and where Node is differs.
      const installed = text.replace('/usr/bin/node', process.execPath)
      const directory = temporaryDirectory('respool-unit')
      const file = join(directory, 'respool.service')
      const sockets = ['respool.socket', 'respool-admin.socket'].map((name) => {
        copyFileSync(join(ROOT, 'deploy/systemd', name), join(directory, name))
        return join(directory, name)
      })

      /** What it says of the unit: a key that it does not know it only ignores. */
      const faultsOf = (unit: string) => {
        writeFileSync(file, unit)
        const { stderr, status } = spawnSync('systemd-analyze', ['verify', file, ...sockets], { encoding: 'utf8' })
        const faults = stderr.split('\n').filter((line) => line.includes('respool'))
        return status === 0 ? faults : [`exit code ${status}`, stderr]
      }

      it('has no fault', () => {
        assert.deepEqual(faultsOf(installed), [])
      })

      it('has none either with its options switched on', () => {
        const options = installed.replace(/^#((LoadCredential|Environment|Group)=)/gm, '$1')
        assert.notEqual(options, installed)
        assert.deepEqual(faultsOf(options), [])
      })

      it('is told apart from one that has', () => {
        const wrong = installed.replace('ProtectHome=', 'ProtectHomes=')
        assert.match(faultsOf(wrong).join(), /Unknown key/)
      })

      it('may do little', async () => {
        writeFileSync(file, installed)
        await run('systemd-analyze', ['security', '--offline=true', `--threshold=${MOST_EXPOSED}`, file])
      })
    },
  )
})

function valueOf(key: string): string {
  const values = [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
  assert.equal(values.length, 1, key)
  return values[0]
}
