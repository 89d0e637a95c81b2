// `npm run coverage`: which share of the lines of the parsers and the command table its tests run, by folder; fails below the least share.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { prepare } from './prepare.mjs'

const LEAST = 95
const FOLDERS = ['src/resp', 'src/commands']
const TESTS = ['test/unit/resp-', 'test/unit/commands-', 'test/fuzz/']
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const OUTPUT = 'test/output/coverage'

prepare(['redis'])
const files = readdirSync(`${ROOT}test`, { recursive: true })
  .map((path) => `test/${path}`)
  .filter((path) => path.endsWith('.test.ts') && TESTS.some((start) => path.startsWith(start)))
const includes = FOLDERS.flatMap((folder) => ['--include', `${folder}/**`])
const reporters = ['--reporter=text', '--reporter=json-summary', `--report-dir=${OUTPUT}`]
const tests = [process.execPath, '--import=tsx', '--test', '--test-concurrency=1', ...files.sort()]
const c8 = fileURLToPath(import.meta.resolve('c8/bin/c8.js'))
const { status } = spawnSync(process.execPath, [c8, '--all', ...includes, ...reporters, ...tests], {
  cwd: ROOT,
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)

const summary = JSON.parse(readFileSync(`${ROOT}${OUTPUT}/coverage-summary.json`, 'utf8'))
let tooFew = false
for (const folder of FOLDERS) {
  const lines = Object.entries(summary).flatMap(([path, { lines }]) =>
    path.startsWith(`${ROOT}${folder}/`) ? [lines] : [],
  )
  const sum = (name) => lines.reduce((total, each) => total + each[name], 0)
  const share = (100 * sum('covered')) / sum('total')
  tooFew ||= !(share >= LEAST)
  console.log(
    `${folder}: ${share.toFixed(2)} % of ${sum('total')} lines in ${lines.length} files (at least ${LEAST} %)`,
  )
}
process.exit(tooFew ? 1 : 0)
