import { createServer } from 'node:net'

// Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a port between the check and its
// use, and low enough that a cluster bus port (port + 10000) is valid and outside that range too.
const LOWEST = 10_000
const HIGHEST = 22_000

/** Ports that `fetch` refuses to dial (https://fetch.spec.whatwg.org/#port-blocking). */
const BLOCKED = [10_080]

const given = new Set<number>(BLOCKED)

/** A TCP port that nobody on 127.0.0.1 listens on; never the same one twice in a process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
