// What `npm test` and `npm run demo` do first. It runs in a bare clone, so it uses nothing but Node itself.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What npm cannot bring: a command that succeeds where the thing is there, and the Debian packages it is in. */
const TOOLS = {
  redis: { check: ['redis-server', '--version'], packages: ['redis-server'] },
  promtool: { check: ['promtool', '--version'], packages: ['prometheus'] },
  chromium: { check: ['chromium', '--version'], packages: ['chromium'] },
  python: { check: ['python3', '-c', 'import ensurepip, venv'], packages: ['python3', 'python3-venv'] },
  // Other systems keep their certificates elsewhere, and have them.
  certificates: {
    check: ['sh', '-c', 'test ! -e /etc/debian_version || test -e /etc/ssl/certs/ca-certificates.crt'],
    packages: ['ca-certificates'],
  },
}

/**
 * Installs what is missing of the npm packages and the named tools, and builds. Says so line by line; ends the process,
 * saying what to do, where it cannot go on.
 *
 * @param {(keyof typeof TOOLS)[]} tools
 */
export function prepare(tools) {
  requireNode()
  if (!npmPackagesAreThere()) step('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], 'Installing npm packages')
  installTools(tools)
  step('npm', ['run', '--silent', 'build'], 'Building')
}

/** Runs a command to its end, its output going where ours goes; ends the process if it fails. */
export function step(command, args, what) {
  say(`${what}: ${[command, ...args].join(' ')}`)
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? signal ?? `exit code ${status}`}).`, status ?? 1)
}

/** Becomes another Node process as nearly as Node can: same terminal, same signals, same exit code. */
export function handOver(args) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => process.exit(code ?? 1))
}

export function say(text) {
  console.log(`respool: ${text}`)
}

function giveUp(text, code = 1) {
  console.error(`respool: ${text}`)
  process.exit(code)
}

function requireNode() {
  const wanted = readJson('package.json').engines.node.replace('>=', '')
  if (process.versions.node.localeCompare(wanted, 'en', { numeric: true }) < 0) {
    giveUp(`Node.js ${wanted} or newer is needed, and this is ${process.versions.node}.`)
  }
}

/** Whether npm's record of what it installed agrees with the lock file. */
function npmPackagesAreThere() {
  if (!existsSync(`${ROOT}node_modules/.package-lock.json`)) return false
  const installed = readJson('node_modules/.package-lock.json').packages
  return Object.entries(readJson('package-lock.json').packages).every(([path, { version, optional }]) => {
    if (path === '') return true
    // Optional packages are mostly for other platforms.
    return path in installed ? installed[path].version === version : optional
  })
}

function installTools(names) {
  const missing = names.filter((name) => !succeeds(...TOOLS[name].check))
  if (missing.length === 0) return
  const packages = missing.flatMap((name) => TOOLS[name].packages)
  const install = ['install', '--yes', '--no-install-recommends', ...packages]
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !succeeds('apt-get', '--version')) {
    const prefix = isRoot ? '' : 'sudo '
    giveUp(
      `${missing.join(', ')} missing. Install first, on Debian with:\n` +
        `  ${prefix}apt-get update && ${prefix}apt-get ${install.join(' ')}`,
    )
  }
  say(`Installing ${missing.join(', ')}: apt-get update && apt-get ${install.join(' ')}`)
  aptGet(['update'])
  aptGet(install)
}

/** Its hundreds of lines matter only when it fails. */
function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8', stdio: 'pipe' })
  if (status !== 0) giveUp(`apt-get ${args.join(' ')} failed.\n${stdout}${stderr}`)
}

function succeeds(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function readJson(path) {
  return JSON.parse(readFileSync(ROOT + path, 'utf8'))
}
