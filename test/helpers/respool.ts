import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sumSeries } from './exposition.ts'
import { freePort } from './ports.ts'
import { Child, removeDirectory, temporaryDirectory } from './processes.ts'
import { RawClient } from './raw.ts'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface Respool {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly adminPort: number
  readonly pid: number
  /** `redis://` URL of the listener. */
  readonly url: string
  /** `http://` URL of the admin API, without a slash at the end. */
  readonly admin: string
  /** Path of the unix socket listener, when asked for. */
  readonly socketPath: string | undefined
  /** The configuration file, when there is one. */
  readonly configPath: string | undefined
  /** Writes another configuration to the file, as the first one was. */
  configure(config: object): void
  /** All log lines so far. */
  output(): string
  /** The events in the log with that name. */
  events(name: string): Record<string, unknown>[]
  /** The exit code, when it has ended of itself. */
  exited(): Promise<number>
  /** Sends a signal (SIGTERM unless told) and gives the exit code; 137 when it had to be killed. */
  stop(signal?: NodeJS.Signals): Promise<number>
  /** A metric's value now, summed over the series that bear at least these labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
  /** Resident memory in bytes. */
  rss(): number
}

export interface RespoolOptions {
  upstream: string
  args?: string[]
  env?: Record<string, string>
  /** Written to a file and given with `-c`. Its listeners count beside the usual one. */
  config?: object
  /** Also listen on a unix socket. */
  unixSocket?: boolean
}

/** Starts the built proxy on free ports and waits until it accepts connections and the admin API answers. */
export async function startRespool(options: RespoolOptions): Promise<Respool> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" first`)
  const dir = temporaryDirectory('respool')
  const port = await freePort()
  const adminPort = await freePort()
  const admin = `http://127.0.0.1:${adminPort}`
  const socketPath = options.unixSocket ? join(dir, 'respool.sock') : undefined

  const configPath = options.config && join(dir, 'respool.yaml')
  const listen = [`127.0.0.1:${port}`, ...(socketPath ? [`unix:${socketPath}`] : [])]
  const configure = (config: Settings) => {
    const whole = config.listen === undefined ? config : { ...config, listen: [...listen, ...config.listen] }
    // JSON is YAML.
    writeFileSync(join(dir, 'respool.yaml'), JSON.stringify(whole, undefined, 2))
  }
  if (options.config) configure(options.config)
  const child = new Child(process.execPath, commandLine(options, listen, adminPort, configPath), environment(options))
  await child.ready(() => answers(port, admin), `respool accepts on port ${port} and answers ${admin}/startupz`)
  return {
    host: '127.0.0.1',
    port,
    adminPort,
    pid: child.pid,
    url: `redis://127.0.0.1:${port}`,
    admin,
    socketPath,
    configPath,
    configure,
    output: () => child.output(),
    events: (name) =>
      child
        .output()
        .split('\n')
        .filter((line) => line.includes(`"event":"${name}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    exited: () => child.exited,
    async stop(signal = 'SIGTERM') {
      const code = await child.stop(signal)
      removeDirectory(dir)
      return code
    },
    async metric(name, labels = {}) {
      const response = await fetch(`${admin}/metrics`)
      if (!response.ok) throw new Error(`${admin}/metrics answered ${response.status}`)
      return sumSeries(await response.text(), name, labels)
    },
    rss: () => residentBytes(child.pid),
  }
}

/** Resident memory of a process in bytes, from /proc (Linux). */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!line) throw new Error(`no VmRSS in /proc/${pid}/status`)
  return Number(line[1]) * 1024
}

interface Settings {
  listen?: (string | object)[]
  drain?: object
}

function commandLine(options: RespoolOptions, listen: string[], adminPort: number, configPath?: string) {
  const args = [MAIN, '--admin', `127.0.0.1:${adminPort}`, '--upstream', options.upstream]
  const config: Settings | undefined = options.config
  if (config?.listen === undefined) for (const address of listen) args.push('--listen', address)
  if (configPath !== undefined) args.push('-c', configPath)
  return [...args, ...(options.args ?? [])]
}

/** Tests that are not about the end do not wait for it. */
const BRIEF = { RESPOOL_DRAIN_NOTICE: '0', RESPOOL_DRAIN_TIMEOUT: '1s' }

/** The caller's environment without settings of the proxy that happen to be there. */
function environment(options: RespoolOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RESPOOL_'))
  const config: Settings | undefined = options.config
  return { ...Object.fromEntries(inherited), ...(config?.drain === undefined ? BRIEF : {}), ...options.env }
}

async function answers(port: number, admin: string): Promise<boolean> {
  const client = await RawClient.connect(port)
  client.close()
  // Any status will do: a test may want a proxy whose upstream is down.
  const response = await fetch(`${admin}/startupz`, { signal: AbortSignal.timeout(1000) })
  await response.arrayBuffer()
  return true
}
