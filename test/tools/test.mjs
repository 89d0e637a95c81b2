// `npm test`: installs what is missing, builds, lints and runs all tests. `npm test -- PATH…`: only the tests in these
// files and folders, without linting.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { handOver, prepare, say, step } from './prepare.mjs'

const paths = process.argv.slice(2)

prepare(['redis', 'promtool', 'chromium', 'python', 'certificates'])
if (paths.length === 0) step('npm', ['run', '--silent', 'lint'], 'Linting')

const files = (paths.length > 0 ? paths : ['test']).flatMap(testsIn).sort()
say(`Testing: ${files.length} files`)
handOver([
  '--import=tsx',
  '--test',
  // Every suite that is worth two cores already runs Redis, respool and itself; side by side they would only disturb
  // each other's memory and time limits.
  '--test-concurrency=1',
  '--test-timeout=600000',
  // Node's own choice, but the same in every version.
  `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
  ...files,
])

/** The test files in a folder and below, or the file itself. */
function testsIn(path) {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => (entry.isDirectory() ? entry.name !== 'node_modules' : entry.name.endsWith('.test.ts')))
    .flatMap((entry) => testsIn(join(path, entry.name)))
}
