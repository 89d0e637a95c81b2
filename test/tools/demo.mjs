// `npm run demo`: installs what is missing, builds, and shows respool at work.
import { handOver, prepare } from './prepare.mjs'

prepare(['redis'])
handOver(['--import=tsx', 'test/demo/main.ts'])
