import { freePort } from './ports.ts'
import { Child, removeDirectory, temporaryDirectory } from './processes.ts'
import { RawClient } from './raw.ts'

export interface RedisServer {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Changes at a restart. */
  readonly pid: number
  readonly dir: string
  /** Where it speaks TLS; 0 if it does not. */
  readonly tlsPort: number
  /** `redis://` URL, with the password when there is one. */
  readonly url: string
  /** Ends the server and removes its directory. */
  stop(): Promise<void>
  /** Ends the server if it still runs, and starts it again, empty, on the same port. */
  restart(): Promise<void>
  /** Sends a signal (SIGKILL unless told); waits for the end unless the signal only stops or continues. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

export interface RedisOptions {
  /** Further command line arguments, such as `['--cluster-enabled', 'yes']`. */
  args?: string[]
  port?: number
  password?: string
  binary?: string
  /** Also listens with TLS. */
  tls?: RedisTls
}

/** Files in PEM form, and whether clients must show a certificate. */
export interface RedisTls {
  ca: string
  cert: string
  key: string
  clients?: 'yes' | 'no' | 'optional'
}

/** What makes a Redis, or a sentinel, speak TLS, by the names of the configuration file. */
export function tlsSettings({ ca, cert, key, clients = 'no' }: RedisTls, port: number): [string, string][] {
  return [
    ['tls-port', `${port}`],
    ['tls-ca-cert-file', ca],
    ['tls-cert-file', cert],
    ['tls-key-file', key],
    ['tls-auth-clients', clients],
  ]
}

/** Starts a Redis server without persistence in a directory of its own, and waits until it answers PING. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = temporaryDirectory('respool-redis')
  const port = options.port ?? (await freePort())
  const tlsPort = options.tls === undefined ? 0 : await freePort()
  const tls = options.tls === undefined ? [] : tlsSettings(options.tls, tlsPort)
  const args = [...tls.flatMap(([name, value]) => [`--${name}`, value]), ...(options.args ?? [])]
  const launched = () => launch({ ...options, args }, port, dir)
  let child = await launched()
  return {
    host: '127.0.0.1',
    port,
    tlsPort,
    dir,
    url: `redis://${options.password ? `:${encodeURIComponent(options.password)}@` : ''}127.0.0.1:${port}`,
    get pid() {
      return child.pid
    },
    async stop() {
      // A frozen server cannot obey; without persistence nothing is lost by the hard way either.
      await child.stop('SIGKILL')
      removeDirectory(dir)
    },
    async restart() {
      await child.stop('SIGKILL')
      child = await launched()
    },
    async kill(signal = 'SIGKILL') {
      child.signal(signal)
      if (!NOT_ENDING.has(signal)) await child.exited
    },
  }
}

const NOT_ENDING = new Set<NodeJS.Signals>(['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGWINCH'])

async function launch(options: RedisOptions, port: number, dir: string): Promise<Child> {
  const fixed = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no']
  const password = options.password ? ['--requirepass', options.password] : []
  const binary = options.binary ?? process.env['REDIS_SERVER'] ?? 'redis-server'
  const child = new Child(binary, [...fixed, ...password, ...(options.args ?? [])])
  await child.ready(() => answersPing(port, options.password), `Redis on port ${port} answers PING`)
  return child
}

async function answersPing(port: number, password: string | undefined): Promise<boolean> {
  const client = await RawClient.connect(port)
  try {
    if (password !== undefined) await client.call('AUTH', password)
    return (await client.call('PING')).toString() === '+PONG\r\n'
  } finally {
    client.close()
  }
}
