import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Respool } from '../helpers/respool.ts'

/** What a proxy holds at one moment, after a full garbage collection. Sizes in bytes. */
export interface Sample {
  /** Seconds since the load began. */
  readonly at: number
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
  /** Open file descriptors. */
  readonly descriptors: number
  /** Timers that keep the process alive. */
  readonly timers: number
  /** Everything that does, timers included. */
  readonly handles: number
  /** Connections of applications, and bytes kept for them. */
  readonly connections: number
  readonly buffered: number
}

interface Told {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
  readonly resources: Readonly<Record<string, number>>
}

/** @param probe the path of the socket of probe.mjs */
export async function takeSample(respool: Respool, probe: string, at: number): Promise<Sample> {
  const { resources, ...memory } = JSON.parse(await text(connect(probe))) as Told
  const handles = Object.entries(resources).filter(([kind]) => !PASSING.includes(kind))
  return {
    at,
    ...memory,
    descriptors: readdirSync(`/proc/${respool.pid}/fd`).length,
    timers: resources['Timeout'] ?? 0,
    handles: handles.reduce((sum, [, count]) => sum + count, 0),
    connections: await respool.metric('respool_downstream_connections'),
    buffered: await respool.metric('respool_buffered_bytes'),
  }
}

/** The question itself, and what is over in a moment. */
const PASSING = ['PipeWrap', 'Immediate', 'TickObject', 'ShutdownWrap', 'WriteWrap', 'FSReqCallback', 'FSReqPromise']
