// `npm run fuzz`: installs what is missing, builds, and throws random input at respool until the time is over.
import { handOver, prepare } from './prepare.mjs'

prepare(['redis'])
handOver(['--import=tsx', 'test/fuzz/main.ts', ...process.argv.slice(2)])
