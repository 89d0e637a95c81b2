/** What systemd does for a service, played by the test: sockets that are there before the process, and being told how it does. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { succeeds } from '../helpers/commands.ts'
import { installPackages } from '../helpers/debian.ts'
import { isAlive } from '../helpers/generations.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const MAIN = file('../../dist/main.js')
/** The shell takes its own process id for that of the program that it becomes, as systemd does. */
const AS_SERVICE = ['-c', 'export WATCHDOG_PID=$$; exec "$@"', 'systemd']

/** What the stand-in says of a run: when it begins, or when it ends. */
interface Told {
  pid: number
  ports: number[]
  ended: number
}

describe('under systemd', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  const directory = temporaryDirectory('respool-systemd')
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
    if (!(await succeeds('systemd-notify', ['--version']))) await installPackages(['systemd'], 'for systemd-notify')
  })
  afterEach(() => test.run())
  after(() => suite.run())

  /** respool with sockets that somebody else holds; it is started again when it ends. */
  const activate = async (sockets: string[], ...args: string[]) => {
    const command = [process.execPath, MAIN, '--upstream', redis.url, ...args]
    const systemd = new Child('python3', [file('../helpers/activated.py'), ...sockets, '--', ...command])
    const lines = (key: string) =>
      systemd
        .output()
        .split('\n')
        .filter((line) => line.startsWith(`{"${key}"`))
        .map((line) => JSON.parse(line) as Told)
    const pids = () => lines('pid').map(({ pid }) => pid)
    test.also(async () => {
      await systemd.stop('SIGKILL')
    })
    test.also(() => {
      systemd.signal('SIGSTOP')
      for (const pid of pids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    })
    const { ports } = await until(() => lines('pid')[0], 'it has been started')
    return { systemd, ports, pids, ends: () => lines('ended').map(({ ended }) => ended) }
  }

  it('uses the sockets that it is handed, by their names and order, and leaves them to systemd', async () => {
    const path = join(directory, 'respool.sock')
    const { systemd, ports, pids, ends } = await activate(
      ['admin=0', 'respool.socket=0', `respool.socket=${path}`],
      ...['--listen', '127.0.0.1:{1}', '--listen', `unix:${path}`, '--admin', '127.0.0.1:{0}'],
    )
    const [admin, port] = ports
    // Whoever connects before it accepts only waits.
    const early = test.client(await RawClient.connect(port))
    assert.equal(await ask(early, 'SET', 'a', 'b'), '+OK\r\n')
    const local = test.client(await RawClient.connect(path))
    assert.equal(await ask(local, 'GET', 'a'), '$1\r\nb\r\n')
    const response = await fetch(`http://127.0.0.1:${admin}/startupz`)
    assert.equal(response.status, 200)
    assert.doesNotMatch(systemd.output(), /socket_unused/)

    process.kill(pids()[0], 'SIGTERM')
    await until(() => ends().length > 0, 'it has ended')
    assert.deepEqual(ends(), [0])
    const [late, again] = [test.client(await RawClient.connect(port)), test.client(await RawClient.connect(path))]
    assert.equal(await ask(late, 'GET', 'a'), '$1\r\nb\r\n')
    assert.equal(await ask(again, 'GET', 'a'), '$1\r\nb\r\n')
  })

  it('does not start on a socket that is not the one of its configuration', async () => {
    const { systemd, ports, ends } = await activate(['x=0'], '--listen', '127.0.0.1:1', '--admin', 'off')
    await until(() => ends().length > 0, 'it has ended')
    assert.equal(ends()[0], 1)
    assert.match(systemd.output(), new RegExp(`respool: was handed 127\\.0\\.0\\.1:${ports[0]} for 127\\.0\\.0\\.1:1`))
  })

  it('says which sockets it has no use for', async () => {
    const { systemd } = await activate(['x=0', 'y=0'], '--listen', '127.0.0.1:{0}', '--admin', 'off')
    await until(() => /"event":"socket_unused","socket":"y"/.test(systemd.output()), 'it says so')
  })

  it('says when it is ready, that it is alive, who succeeds it, and that it ends', async () => {
    const path = join(directory, 'notify.sock')
    const systemd = new Child('python3', [file('../helpers/notified.py'), path])
    test.also(() => systemd.stop('SIGKILL'))
    const heard = () => systemd.output()
    const beats = () => heard().split('WATCHDOG=1').length
    await until(() => heard().includes('listening'), 'somebody listens')
    const args = [process.execPath, MAIN, '--upstream', redis.url, '--listen', '127.0.0.1:0', '--admin', 'off']
    const env = { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' }
    const service = new Child('sh', [...AS_SERVICE, ...args], env)
    test.also(() => service.stop('SIGKILL'))
    await until(() => heard().includes('READY=1'), 'it is ready')
    await until(() => beats() > 3, 'it is alive')

    service.signal('SIGUSR2')
    const successor = await until(() => Number(/MAINPID=(\d+)/.exec(heard())?.[1]), 'it is succeeded')
    test.also(() => isAlive(successor) && process.kill(successor, 'SIGKILL'))
    assert.notEqual(successor, service.pid)
    await until(() => !service.alive, 'it has ended')
    const before = beats()
    await until(() => beats() > before + 1, 'its successor is alive')
    process.kill(successor, 'SIGTERM')
    await until(() => heard().includes('STOPPING=1'), 'it ends')
    // All that has had its output has ended.
    assert.equal(await service.exited, 0)
  })
})
