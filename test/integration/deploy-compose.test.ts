/** The compose files, as docker compose itself would read them. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { run } from '../helpers/commands.ts'
import { faultsOf } from '../helpers/deployed.ts'
import { ROOT } from '../helpers/modules.ts'
import { goProgram } from '../helpers/toolchain.ts'
import manifest from '../../package.json' with { type: 'json' }

interface Service {
  image: string
  ports?: string[]
  volumes?: string[]
  command?: string[]
  extends?: { file: string; service: string }
  depends_on?: Record<string, object>
  [key: string]: unknown
}
interface Compose {
  include?: string[]
  services: Record<string, Service>
  configs?: { respool: { content: string } }
  secrets?: Record<string, { file: string }>
}

const FOLDER = join(ROOT, 'deploy/compose')
const TOPOLOGIES = ['standalone', 'sentinel', 'cluster']

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))
const files = new Map(
  names.map((name) => [name, parse(readFileSync(join(FOLDER, name), 'utf8'), { merge: true }) as Compose]),
)
const common = files.get('common.yaml')!.services['respool']

describe('compose files', { timeout: 600_000 }, () => {
  it('are what docker compose takes', async () => {
    const program = await goProgram(join(ROOT, 'test/deploy/go'))
    const whole = names.filter((name) => name !== 'common.yaml').map((name) => join(FOLDER, name))
    await run(program, ['compose', ...whole])
    // It would take anything else as well if nothing were checked.
    await assert.rejects(
      run(program, ['compose', join(ROOT, 'deploy/prometheus/prometheus.yml')]),
      /additional propert/i,
    )
  })

  it('start respool with least rights, and of the version that this is', () => {
    assert.equal(common.image, `respool:${manifest.version}`)
    assert.deepEqual(
      [common['read_only'], common['cap_drop'], common['security_opt']],
      [true, ['ALL'], ['no-new-privileges:true']],
    )
    assert.ok(existsSync(join(FOLDER, common['build'] as string, 'Dockerfile')))
  })

  for (const name of TOPOLOGIES) {
    const { include, services, configs, secrets = {} } = files.get(`${name}.yaml`)!
    const config = parse(configs!.respool.content) as {
      listen: (string | object)[]
      upstream: { url: string; passwordFile?: string }
    }

    it(`for ${name} hold a configuration that respool takes, with servers that are there`, () => {
      assert.deepEqual(faultsOf(configs!.respool.content), [])
      assert.match(config.upstream.url, name === 'standalone' ? /^redis:/ : new RegExp(`^redis\\+${name}:`))
      for (const [, host] of config.upstream.url.matchAll(/[/,]([\w-]+):\d+/g)) assert.ok(host in services, host)
      const { passwordFile } = config.upstream
      if (passwordFile) assert.ok(passwordFile.replace('/run/secrets/', '') in secrets, passwordFile)
    })

    it(`for ${name} extend what is common, and include the monitoring`, () => {
      assert.deepEqual(services['respool'].extends, { file: 'common.yaml', service: 'respool' })
      assert.deepEqual(include, ['monitoring.yaml'])
      for (const other of Object.keys(services['respool'].depends_on ?? {})) assert.ok(other in services, other)
    })
  }

  it('tell cluster and sentinel clients of a port that is open to them', () => {
    const announced = [...files.values()].flatMap(
      ({ configs }) => configs?.respool.content.match(/announce: (\S+)/)?.[1] ?? [],
    )
    assert.equal(announced.length, 2)
    for (const place of announced) assert.ok(common.ports?.includes(`${place}:6379`), place)
  })

  it('give the password of the example to both sides', () => {
    const { services, secrets } = files.get('standalone.yaml')!
    const password = readFileSync(join(FOLDER, secrets!['redis-password'].file), 'utf8').trim()
    assert.deepEqual(services['redis'].command, ['redis-server', '--requirepass', password])
  })

  it('open no port to other machines', () => {
    const ports = [...files.values()].flatMap(({ services }) =>
      Object.values(services).flatMap(({ ports = [] }) => ports),
    )
    assert.ok(ports.length > 0)
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
  })

  it('mount what there is, and let Prometheus scrape the admin port', () => {
    const volumes = Object.values(files.get('monitoring.yaml')!.services).flatMap(({ volumes = [] }) => volumes)
    for (const volume of volumes) assert.ok(existsSync(join(FOLDER, volume.split(':')[0])), volume)
    const scrape = readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8')
    for (const name of TOPOLOGIES) {
      const { admin } = parse(files.get(`${name}.yaml`)!.configs!.respool.content) as { admin: string }
      assert.ok(scrape.includes(`[respool${admin}]`), name)
    }
  })

  it('show Grafana its dashboard and its source', () => {
    const read = (file: string) => parse(readFileSync(join(ROOT, 'deploy/grafana/provisioning', file), 'utf8')) as never
    const { providers } = read('dashboards/respool.yaml') as { providers: { options: { path: string } }[] }
    const { datasources } = read('datasources/prometheus.yaml') as { datasources: { url: string }[] }
    const { grafana, prometheus } = files.get('monitoring.yaml')!.services
    assert.ok(grafana.volumes?.some((volume) => volume.includes(`:${providers[0].options.path}/respool.json`)))
    assert.ok(prometheus.ports?.some((port) => datasources[0].url.endsWith(port.split(':').at(-1)!)))
  })
})
