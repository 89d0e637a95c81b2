// `npm run audit`: are there known faults in the packages that respool runs with? Only a registry knows, and not every one answers that.
// Ends with 0 if there are none, with 1 if there are some, and with 2 if nobody could be asked: then nothing has been checked.
import { spawnSync } from 'node:child_process'

const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' })
process.exitCode = tell(error === undefined ? answerIn(stdout) : { message: error.message })

function answerIn(text) {
  try {
    return JSON.parse(text)
  } catch {
    return { message: 'npm wrote something that is no JSON' }
  }
}

/** Says what npm has answered, in words; gives the exit code. */
function tell({ metadata, vulnerabilities, message, error }) {
  if (metadata?.vulnerabilities === undefined || vulnerabilities === undefined) {
    console.error(`NOT CHECKED: the registry could not be asked: ${message ?? error?.summary ?? 'no reason is given'}`)
    return 2
  }
  const { total } = metadata.vulnerabilities
  for (const { name, severity, range, via } of Object.values(vulnerabilities)) {
    const titles = via.map((each) => (typeof each === 'string' ? `by ${each}` : `${each.title} ${each.url}`))
    console.error(`${severity}: ${name} ${range}: ${titles.join('; ')}`)
  }
  console.log(`${total} known faults in ${metadata.dependencies?.prod ?? 'all'} packages`)
  return total === 0 ? 0 : 1
}
