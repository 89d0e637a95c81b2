// Loaded into the proxy ahead of it (`--import`): tells whoever connects to SOAK_PROBE what the process holds after a full garbage collection.
import { createServer } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

const server = createServer((socket) => {
  socket.on('error', () => undefined)
  // What is collected first may set others free.
  collect()
  collect()
  const resources = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  socket.end(JSON.stringify({ ...process.memoryUsage(), resources }))
})
server.listen(process.env.SOAK_PROBE)
server.unref()
