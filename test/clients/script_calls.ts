import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { createClient, defineScript } from 'redis'
import { host, library, port } from './program.ts'

/*
 * A script object of a client library, called once for each line of standard input, which names a key; the script adds 1 to it.
 * Prints one line of JSON a call: {value}, or {error}.
 *
 * Usage: PROGRAM HOST PORT default ioredis|node-redis
 */

const lua = `-- ${library}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])`

type Call = (key: string) => Promise<unknown>

function ofIoredis(): Call {
  const client = new Redis(port, host)
  client.defineCommand('increaseBy', { numberOfKeys: 1, lua })
  const scripted = client as Redis & { increaseBy(key: string, by: number): Promise<number> }
  return (key) => scripted.increaseBy(key, 1)
}

async function ofNodeRedis(): Promise<Call> {
  const increaseBy = defineScript({
    SCRIPT: lua,
    NUMBER_OF_KEYS: 1,
    parseCommand(parser, key: string, by: number) {
      parser.pushKey(key)
      parser.push(String(by))
    },
    transformReply: (reply: number) => reply,
  })
  const client = createClient({ socket: { host, port }, scripts: { increaseBy } })
  await client.connect()
  return (key) => client.increaseBy(key, 1)
}

const call = library === 'ioredis' ? ofIoredis() : await ofNodeRedis()
for await (const key of createInterface(process.stdin)) {
  try {
    console.log(JSON.stringify({ value: await call(key) }))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }))
  }
}
process.exit(0)
