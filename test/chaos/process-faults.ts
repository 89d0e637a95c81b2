import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from '../helpers/raw.ts'
import { until } from '../helpers/waiting.ts'
import { bulkText } from '../integration/support.ts'
import { Relay } from './relay.ts'
import { moveSlots } from './reshard.ts'
import { callPort, primariesOf, type Stage, type Topology } from './stage.ts'
import { Vandals } from './vandals.ts'

export interface ProcessFault {
  readonly name: string
  readonly on: readonly Topology[]
  /** True if Redis itself may lose what it has confirmed, as by a failover that nobody has planned. */
  readonly isLossy?: boolean
  /** An error that applications must have got, or it did not happen. */
  readonly felt?: RegExp
  /** ms; 1500 unless given. */
  readonly lasts?: number
  /** Brings it about, and answers how it is undone. */
  readonly begin: (stage: Stage) => Promise<() => Promise<void>>
}

const ALL: readonly Topology[] = ['standalone', 'cluster', 'sentinel']
const nothing = () => Promise.resolve()

export const PROCESS_FAULTS: readonly ProcessFault[] = [
  { name: 'SIGSTOP', on: ALL, felt: /^OUTCOMEUNKNOWN/, begin: stopped },
  { name: 'SIGSTOP of respool', on: ALL, begin: stoppedProxy },
  { name: 'SIGKILL and restart', on: ['standalone', 'cluster'], lasts: 0, begin: killed },
  { name: 'death of a primary', on: ['cluster', 'sentinel'], isLossy: true, lasts: 0, begin: dead },
  { name: 'planned failover', on: ['cluster'], lasts: 0, begin: planned },
  { name: 'failover', on: ['sentinel'], isLossy: true, lasts: 0, begin: failover },
  { name: 'reshard', on: ['cluster'], lasts: 0, begin: resharded },
  { name: 'full disk', on: ALL, felt: /^MISCONF/, begin: fullDisk },
  { name: 'out of memory', on: ALL, felt: /^OOM/, begin: outOfMemory },
  { name: 'max clients', on: ALL, felt: /./, begin: maxClients },
  { name: 'no descriptors left', on: ALL, begin: noDescriptors },
  { name: 'clock jumps', on: ALL, lasts: 2000, begin: clockJumps },
  { name: 'name with another address', on: ['standalone'], begin: renamed },
  { name: 'garbage from applications', on: ALL, begin: vandalised },
]

async function stopped(stage: Stage) {
  const [server] = await stage.primaries()
  await server.kill('SIGSTOP')
  return () => server.kill('SIGCONT')
}

function stoppedProxy({ respool }: Stage) {
  process.kill(respool.pid, 'SIGSTOP')
  return Promise.resolve(() => Promise.resolve(void process.kill(respool.pid, 'SIGCONT')))
}

/** Nothing that was confirmed may be missing afterwards: it was in the file before. */
async function killed(stage: Stage) {
  const [server] = await stage.primaries()
  await callPort(server.port, 'CONFIG', 'SET', 'appendonly', 'yes')
  const isRewritten = async () => /aof_rewrite_in_progress:0/.test(await callPort(server.port, 'INFO', 'persistence'))
  await until(isRewritten, 'all that is there is in the file', 20_000)
  await server.kill()
  await sleep(300)
  await server.restart()
  await until(async () => (await callPort(server.port, 'INFO', 'persistence')).includes('loading:0'), 'it is loaded')
  return async () => void (await callPort(server.port, 'CONFIG', 'SET', 'appendonly', 'no'))
}

async function dead(stage: Stage) {
  const before = await stage.primaries()
  const [server] = before
  await server.kill()
  const isReplaced = async () => {
    const now = await stage.primaries()
    return now.length >= before.length && now.every(({ port }) => port !== server.port)
  }
  await until(isReplaced, 'another takes over', 40_000)
  return async () => {
    await server.restart()
    await until(async () => (await callPort(server.port, 'ROLE')).includes('slave'), 'it is a replica now', 40_000)
    await callPort(server.port, 'CONFIG', 'SET', 'appendonly', 'no')
    await replicates(server.port)
  }
}

/** The primary waits until its replica has everything: nothing may be lost. */
async function planned({ cluster }: Stage) {
  const nodes = [...cluster!.primaries, ...cluster!.replicas]
  const primaries = await primariesOf(nodes)
  const replicas = nodes.filter((node) => !primaries.includes(node))
  for (const replica of replicas) {
    await until(async () => (await replica.call('ROLE')).includes('connected'), 'it replicates', 20_000)
    await until(async () => (await replica.call('CLUSTER', 'FAILOVER')).startsWith('+OK'), 'it begins')
    await until(async () => (await replica.call('ROLE')).includes('master'), 'it has taken over', 20_000)
  }
  return nothing
}

async function failover({ sentinels }: Stage) {
  const before = await sentinels!.primary()
  await sentinels!.failover()
  return async () => {
    await until(async () => (await callPort(before.port, 'ROLE')).includes('slave'), 'it is a replica now', 30_000)
    await replicates(before.port)
  }
}

async function resharded(stage: Stage) {
  await moveSlots(stage.cluster!, 30)
  return nothing
}

/** What can be seen of a full disk: a dump that cannot be put in its place. */
async function fullDisk(stage: Stage) {
  const servers = await stage.primaries()
  const blocks = servers.map(({ dir }) => join(dir, 'dump.rdb'))
  const lines: [string, string][] = [
    ['save', '3600 100000000'],
    ['stop-writes-on-bgsave-error', 'yes'],
  ]
  for (const [nth, { port }] of servers.entries()) {
    // Whoever was a replica has one.
    rmSync(blocks[nth], { recursive: true, force: true })
    mkdirSync(blocks[nth])
    for (const line of lines) await callPort(port, 'CONFIG', 'SET', ...line)
    await callPort(port, 'BGSAVE', 'SCHEDULE')
  }
  return async () => {
    for (const block of blocks) rmdirSync(block)
    for (const { port } of servers) await callPort(port, 'CONFIG', 'SET', 'save', '')
    for (const { port } of servers) await callPort(port, 'BGSAVE')
  }
}

async function outOfMemory(stage: Stage) {
  const servers = await stage.primaries()
  for (const { port } of servers) await callPort(port, 'CONFIG', 'SET', 'maxmemory', '1mb')
  return async () => {
    for (const { port } of servers) await callPort(port, 'CONFIG', 'SET', 'maxmemory', '0')
  }
}

/** Redis lets nobody in, and who was in has been thrown out. */
async function maxClients(stage: Stage) {
  const admins = await Promise.all((await stage.primaries()).map(({ port }) => RawClient.connect(port)))
  for (const admin of admins) {
    await admin.call('CONFIG', 'SET', 'maxclients', '1')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
  }
  return async () => {
    for (const admin of admins) await admin.call('CONFIG', 'SET', 'maxclients', '10000')
    for (const admin of admins) admin.close()
  }
}

/** The proxy can open a few files more, and applications come and want them all, while it has to dial Redis anew. */
async function noDescriptors({ respool, backs }: Stage) {
  const usual = Number(/^Max open files +(\d+)/m.exec(readFileSync(`/proc/${respool.pid}/limits`, 'utf8'))?.[1])
  const limit = (files: number) => spawnSync('prlimit', [`--pid=${respool.pid}`, `--nofile=${files}:`])
  const open = readdirSync(`/proc/${respool.pid}/fd`).length
  if (limit(open + 4).status !== 0) throw new Error('prlimit failed')
  const crowd = await Promise.all(Array.from({ length: 30 }, () => RawClient.connect(respool.port)))
  for (const relay of backs) for (const link of relay.links) if (link.isSubject) link.reset()
  return () => {
    for (const client of crowd) client.close()
    limit(usual)
    return Promise.resolve()
  }
}

async function clockJumps({ world }: Stage) {
  world.clock(3_600_000)
  await sleep(1000)
  world.clock(-86_400_000)
  return () => Promise.resolve(world.clock(0))
}

/** The address that the name had is gone; at the new one is the same Redis. */
async function renamed(stage: Stage) {
  const [before] = stage.backs
  const after = await Relay.start(before.target, 'redis', { host: '127.0.0.2', port: before.port })
  before.stop()
  stage.world.name(stage.host!, '127.0.0.2')
  stage.replaceBack!(after)
  return nothing
}

function vandalised({ respool }: Stage) {
  const vandals = new Vandals(respool.port)
  return Promise.resolve(() => vandals.stop())
}

async function replicates(port: number): Promise<void> {
  const isUp = async () => bulkText(await callPort(port, 'INFO', 'replication')).includes('master_link_status:up')
  await until(isUp, 'it replicates', 40_000)
}
