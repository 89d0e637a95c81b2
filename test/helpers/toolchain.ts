import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, succeeds } from './commands.ts'
import { installPackages } from './debian.ts'

/** What the tests need besides Node goes here, keyed by version, and stays for the next run. */
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** A Python interpreter that has exactly this version of a package from PyPI. Gives its path. */
export async function pythonWith(name: string, version: string): Promise<string> {
  const directory = join(CACHE, 'python', `${name}-${version}`)
  const works = ['-c', `import importlib.metadata as m, ${name}; assert m.version('${name}') == '${version}'`]
  return once(directory, () => virtualEnvironment(directory, [`${name}==${version}`], works))
}

/** A Python interpreter that has exactly the packages of a requirements file, which names all with their versions. */
export async function pythonWithAll(requirements: string): Promise<string> {
  const directory = join(CACHE, 'python', `packages-${digestOf(requirements)}`)
  return once(directory, () => virtualEnvironment(directory, ['--no-deps', '-r', requirements], ['-m', 'pip', 'check']))
}

/**
 * Builds the Go program in a directory, or another program that its go.mod requires, with a Go that suits its go.mod.
 * Gives the binary's path.
 */
export async function goProgram(directory: string, program = '.'): Promise<string> {
  const binary = join(CACHE, 'go', `${program === '.' ? 'program' : basename(program)}-${digestOf(directory)}`)
  return once(binary, () => (existsSync(binary) ? Promise.resolve(binary) : build(directory, program, binary)))
}

async function build(directory: string, program: string, binary: string): Promise<string> {
  const go = await goAtLeast(goDirective(directory), join(directory, 'toolchain.txt'))
  console.log(`building ${program === '.' ? directory : program} with ${go}`)
  const building = `${binary}.${process.pid}`
  const env = {
    ...process.env,
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    CGO_ENABLED: '0',
    GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false',
    GOMODCACHE: join(CACHE, 'go', 'mod'),
    GOCACHE: join(CACHE, 'go', 'build'),
    // The compiler may be another one than a GOROOT of the caller belongs to.
    GOROOT: dirname(dirname(go)),
  }
  await run(go, ['build', '-o', building, program], { cwd: directory, env })
  renameSync(building, binary)
  return binary
}

/** The machine's own Go when it is new enough, else the one that the requirements file names. Gives its path. */
async function goAtLeast(version: string, requirements: string): Promise<string> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'go'))
  for (const go of [...onPath, '/usr/local/go/bin/go'].filter((path) => existsSync(path))) {
    const [root, own] = (await run(go, ['env', 'GOROOT', 'GOVERSION'], { cwd: '/', env: localGo() })).split('\n')
    if (root && own && atLeast(own.replace(/^go/, ''), version)) return join(root, 'bin', 'go')
  }
  const directory = join(CACHE, 'python', `go-${digestOf(requirements)}`)
  const python = await virtualEnvironment(directory, ['--require-hashes', '-r', requirements], ['-c', 'import go'])
  const root = (await run(python, ['-c', 'import go, os; print(os.path.dirname(go.__file__))'])).trim()
  return join(root, 'bin', 'go')
}

function localGo(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: 'local' }
}

/**
 * A Python virtual environment with packages installed by pip. Made beside its place and moved there when whole, so
 * that a broken one is never used and two test runs do not meet. Gives its interpreter's path.
 */
async function virtualEnvironment(directory: string, packages: string[], check: string[]): Promise<string> {
  const python = join(directory, 'bin', 'python')
  if (await succeeds(python, check)) return python
  await requirePython()
  console.log(`installing ${packages.join(' ')} into ${directory}`)
  const making = `${directory}.${process.pid}`
  mkdirSync(dirname(directory), { recursive: true })
  rmSync(making, { recursive: true, force: true })
  await run('python3', ['-m', 'venv', making])
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:']
  await run(join(making, 'bin', 'python'), [...pip, ...packages])
  rmSync(directory, { recursive: true, force: true })
  renameSync(making, directory)
  await run(python, check)
  return python
}

/** Python with venv, and the certificates that Go's downloads are checked with. */
function requirePython(): Promise<void> {
  return once('python3', async () => {
    const missing: string[] = []
    if (!(await succeeds('python3', ['-c', 'import ensurepip, venv']))) missing.push('python3', 'python3-venv')
    if (existsSync('/etc/debian_version') && !existsSync(CERTIFICATES)) missing.push('ca-certificates')
    if (missing.length > 0) await installPackages(missing, 'to install client libraries for the tests')
  })
}

const begun = new Map<string, Promise<unknown>>()

/** Does a piece of work once per process, however many tests ask for it at a time. */
function once<T>(name: string, work: () => Promise<T>): Promise<T> {
  const known = begun.get(name) ?? work()
  begun.set(name, known)
  return known as Promise<T>
}

function goDirective(directory: string): string {
  const version = /^go (\S+)$/m.exec(readFileSync(join(directory, 'go.mod'), 'utf8'))?.[1]
  if (!version) throw new Error(`no "go" line in ${directory}/go.mod`)
  return version
}

function atLeast(version: string, wanted: string): boolean {
  return version.localeCompare(wanted, 'en', { numeric: true }) >= 0
}

/** A short digest of a file, or of all files directly in a directory. */
function digestOf(path: string): string {
  const files = path.endsWith('.txt')
    ? [path]
    : readdirSync(path)
        .sort()
        .map((name) => join(path, name))
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}
