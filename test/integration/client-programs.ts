import { fileURLToPath } from 'node:url'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'

// The programs of test/clients, which all play the same scenarios.

export const SCENARIOS = [
  'connect and ping',
  'strings',
  'counters',
  'binary and empty values',
  'value of 1 MB',
  'expiry',
  'hashes',
  'lists',
  'sets',
  'sorted sets',
  'streams',
  'stream consumer groups',
  'blocking stream read',
  'bitmaps',
  'geo',
  'scan loops',
  'scripts',
  'pipeline of 2000 commands',
  'error inside a pipeline',
  'transaction',
  'transaction refused',
  'watch conflict',
  'watch success',
  'blocking pop woken by a push',
  'blocking pop timing out',
  'pub/sub channels',
  'pub/sub patterns',
  'sharded pub/sub',
  'databases',
  'wrong type error',
  'missing keys',
  'server info',
  'client names',
  'client list and id',
  'many connections at once',
  'quit and close',
]

const file = (path: string) => fileURLToPath(new URL(`../clients/${path}`, import.meta.url))
export const python = (version: string) => async () => [await pythonWith('redis', version), file('redis_py.py')]
export const node = (path: string) => () => Promise.resolve([process.execPath, '--import', 'tsx', file(path)])
export const go = async () => [await goProgram(file('go'))]
