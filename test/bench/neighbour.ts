/**
 * An application that others would rather not have beside them: asks for something large again and again, until it is ended.
 *
 *     node --import tsx test/bench/neighbour.ts '{"host": …}'
 */
import { connect } from 'node:net'
import { encode } from '../helpers/raw.ts'
import { LARGE_KEY, type Neighbour } from './generators.ts'

const { host, port, kind, bytes, commands, every } = JSON.parse(process.argv[2]) as Neighbour

const [request, size] =
  kind === 'large'
    ? [encode(['GET', LARGE_KEY]), `$${bytes}\r\n`.length + bytes + 2]
    : [
        Buffer.concat(Array<Buffer>(commands).fill(encode(['GET', 'key:000000000001']))),
        commands * (`$16\r\n`.length + 16 + 2),
      ]

let left = 0
let asked = 0
const socket = connect(port, host, ask)
socket.on('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
socket.on('data', (piece) => {
  left -= piece.length
  if (left <= 0) setTimeout(ask, Math.max(0, asked + every - performance.now()))
})

function ask(): void {
  left = size
  asked = performance.now()
  socket.write(request)
}
