import { type Protocol, verbatim } from '../resp/encode.js'
import type { ServerInfo } from '../upstream/handshake.js'

/**
 * What is answered in Redis's place while it cannot be reached; null for nearly everything. INFO is what ioredis asks before it
 * takes a connection for ready: with an error it would drop the connection and dial again, over and over.
 */
export function standIn(command: string, protocol: Protocol, info: ServerInfo): string | null {
  if (command !== 'info') return null
  const lines = [
    '# Server',
    `redis_version:${info.version}`,
    `redis_mode:${info.mode}`,
    '# Persistence',
    'loading:0',
    '# Replication',
    `role:${info.role}`,
  ]
  return verbatim(protocol, lines.map((line) => `${line}\r\n`).join(''))
}
