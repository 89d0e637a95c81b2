#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { createAdmin } from './admin/server.js'
import type { Config, Level } from './config/config.js'
import { usage } from './config/command-line.js'
import { describeProblems, load, type Sources } from './config/load.js'
import { printable } from './config/render.js'
import type { Spans } from './dispatch/spans.js'
import type { Take } from './downstream/moving.js'
import { LogLevel } from './life/log-level.js'
import { Reloads } from './life/reloads.js'
import { Crew } from './process/crew.js'
import { Notifier } from './process/notifier.js'
import { Predecessor } from './process/predecessor.js'
import { shownOf } from './process/shown.js'
import { Succession } from './process/successor.js'
import { Proxy } from './proxy.js'
import { Accepting } from './sockets/entrance.js'
import { Inherited } from './sockets/inherited.js'
import { Sockets } from './sockets/sockets.js'
import { tracingOf } from './tracing/tracing-of.js'
import { createLogger, EventLog } from './util/log.js'

/** Exit codes: scripts and process managers rely on them. */
const EXIT = { clean: 0, fault: 1, usage: 2 } as const

function main(): void {
  const inherited = new Inherited(process.env, process.pid)
  const predecessor = new Predecessor(process.env, process)
  const sources = {
    argv: process.argv.slice(2),
    env: process.env,
    readFile: (path: string) => readFileSync(path, 'utf8'),
  }
  const loaded = load(sources)
  switch (loaded.ok) {
    case 'help':
      process.stdout.write(`${usage()}\n`)
      process.exit(EXIT.clean)

    case 'version':
      process.stdout.write(`${version()}\n`)
      process.exit(EXIT.clean)

    case false:
      process.stderr.write(`${describeProblems(loaded.errors)}\n`)
      process.exit(EXIT.usage)

    case true:
      if (loaded.check) {
        process.stdout.write(printable(loaded.config))
        process.exit(EXIT.clean)
      }
      void run(loaded.config, sources, inherited, predecessor)
  }
}

async function run(config: Config, sources: Sources, inherited: Inherited, predecessor: Predecessor): Promise<void> {
  const logger = createLogger(config.log.level)
  const log = new EventLog(logger)
  const sockets = new Sockets(inherited)
  // Several workers trace by themselves.
  const tracing = config.workers > 1 ? null : await tracingOf(config, log)
  const level = new LogLevel(config, logger)
  const service = serviceOf(config, log, sockets, level, predecessor.firstId, tracing)
  const notifier = new Notifier(process.env, process.pid, log)
  const succession = new Succession(sockets, notifier, log, () => service.nextId)
  service.parts.push(level)
  const reloads = new Reloads(sources, service, service.recorder, log)
  const drain = (): void => void stop(EXIT.clean)
  const admin = createAdmin({ ...shownOf(service), ...callsOf(service, reloads, level), drain }, logger)

  let stopping = false
  const stop = async (code: number, notice?: number): Promise<void> => {
    if (stopping) return
    stopping = true
    succession.cancel()
    void notifier.tell('STOPPING=1')
    reloads.stop()
    await service.stop(notice)
    await end(code)
  }
  const end = async (code: number): Promise<void> => {
    await tracing?.stop()
    sockets.close(admin.server)
    admin.server.closeAllConnections()
    await admin.close()
    log.flush()
    logger.flush(() => process.exit(code))
  }
  const handOver = async (take: Take | null): Promise<void> => {
    stopping = true
    sockets.close(admin.server)
    await service.leave(take)
    await end(EXIT.clean)
  }
  process.on('SIGUSR2', () => void succession.begin(handOver))
  process.on('SIGHUP', () => void reloads.reload('signal'))
  stopOnSignals((notice) => void stop(EXIT.clean, notice))
  endWithFaults(logger)

  try {
    // The admin server comes first, so that a start that waits for Redis can be watched.
    if (config.admin !== null) {
      await admin.ready()
      await sockets.listen(admin.server, 'admin', config.admin)
    }
    await service.start()
    sockets.closeUnused(log)
    void notifier.tell('READY=1')
    await predecessor.relieve(
      () => service.ready().ready,
      (at, socket, arrival) => service.arrive(at, socket, arrival),
    )
  } catch (error) {
    logger.fatal({ event: 'start_failed', err: error })
    process.stderr.write(`respool: ${(error as Error).message}\n`)
    await stop(EXIT.fault)
  }
}

/** What does the work: this process, or several others. */
function serviceOf(
  config: Config,
  log: EventLog,
  sockets: Sockets,
  level: LogLevel,
  firstId: number,
  spans: Spans | null,
): Proxy | Crew {
  if (config.workers > 1) return new Crew(config, log, sockets, firstId, () => level.current)
  return new Proxy(config, log, { entranceAt: (address) => new Accepting(address, sockets, log), firstId, spans })
}

/** A second signal ends at once, but not one behind POST /drain: who has called that will also send a signal in time. */
function stopOnSignals(stop: (notice?: number) => void): void {
  let signalled = false
  const told = (notice?: number): void => {
    if (signalled) process.exit(EXIT.fault)
    signalled = true
    stop(notice)
  }
  process.on('SIGTERM', () => told())
  // Somebody at a terminal does not want to wait.
  process.on('SIGINT', () => told(0))
}

function endWithFaults(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ event: 'fault', err: error })
    logger.flush(() => process.exit(EXIT.fault))
  })
}

/** What it can be told to do. */
function callsOf(service: Proxy | Crew, reloads: Reloads, level: LogLevel) {
  return {
    token: () => service.config.adminToken,
    reload: () => reloads.reload('call'),
    setLogLevel: (wanted: Level) => {
      level.current = wanted
      if (service instanceof Crew) service.setLevel(wanted)
    },
  }
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

main()
