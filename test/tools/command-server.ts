import { connect } from 'node:net'
import { once } from 'node:events'
import Parser from 'redis-parser'
import { startRedis } from '../helpers/redis.ts'
import { encode } from '../helpers/raw.ts'

/** A server process to be asked about commands. Replies are decoded RESP2; an error reply is an Error among them. */
export interface CommandServer {
  /** `redis 7.0.15`, say. */
  readonly title: string
  /** Many commands in one write; replies in order. One call at a time. */
  ask(commands: string[][]): Promise<unknown[]>
  stop(): Promise<void>
}

export async function startCommandServer(binary: string, args: string[] = []): Promise<CommandServer> {
  const redis = await startRedis({ binary, args })
  const socket = connect(redis.port, redis.host)
  await once(socket, 'connect')
  let take: (reply: unknown) => void = () => undefined
  const parser = new Parser({ returnReply: (reply) => take(reply), returnError: (error) => take(error) })
  socket.on('data', (chunk: Buffer) => parser.execute(chunk))

  const ask = (commands: string[][]) =>
    new Promise<unknown[]>((resolve, reject) => {
      const replies: unknown[] = []
      const fail = () => reject(new Error('the server closed the connection'))
      socket.once('close', fail)
      take = (reply) => {
        if (replies.push(reply) < commands.length) return
        socket.off('close', fail)
        resolve(replies)
      }
      socket.write(Buffer.concat(commands.map(encode)))
    })

  const info = String((await ask([['INFO', 'server']]))[0])
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
  const valkey = field('valkey_version')
  return {
    title: valkey === undefined ? `redis ${field('redis_version')}` : `valkey ${valkey}`,
    ask,
    async stop() {
      socket.destroy()
      await redis.stop()
    },
  }
}
