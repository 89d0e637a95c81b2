import { run, succeeds } from './commands.ts'

/**
 * Installs Debian packages when we may; otherwise fails, saying what to install.
 * `why` completes the sentence "… are needed …".
 */
export async function installPackages(packages: string[], why: string): Promise<void> {
  const command = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !(await succeeds('apt-get', ['--version']))) {
    throw new Error(`${packages.join(', ')}: needed ${why}. Install first, on Debian with: sudo ${command}`)
  }
  console.log(`${command}   # ${why}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update'], { env })
  await run('apt-get', command.split(' ').slice(1), { env })
}
