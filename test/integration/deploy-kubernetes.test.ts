/** Manifests and Helm's chart: rendered, checked against Kubernetes's schemas, and put side by side with what respool does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { run } from '../helpers/commands.ts'
import { faultsOf, IMAGE_USER, type Container, type Manifest, type PodSpec } from '../helpers/deployed.ts'
import { ROOT } from '../helpers/modules.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import { goProgram, pythonWithAll } from '../helpers/toolchain.ts'
import manifest from '../../package.json' with { type: 'json' }

/** The oldest with native sidecars and a sleep before the end, and the newest that the schemas are there for. */
const VERSIONS = ['1.30', '1.37']
const OPERATOR = 'monitoring.coreos.com/v1'
const CHART = join(ROOT, 'deploy/helm/respool')
const FOLDER = join(ROOT, 'deploy/kubernetes')
const GO = join(ROOT, 'test/deploy/go')
const ROUTES = /app\.get\('(\/\w+)'/g

const routes = [...readFileSync(join(ROOT, 'src/admin/server.ts'), 'utf8').matchAll(ROUTES)].map(([, path]) => path)

describe('manifests', { timeout: 600_000 }, () => {
  let all: Manifest[]

  before(() => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))
    all = files.flatMap((name) => documents(readFileSync(join(FOLDER, name), 'utf8')))
  })

  it('are what Kubernetes and the Prometheus operator take', () => accepted(all))

  it('hold configurations that respool takes', () => {
    for (const { data } of configMaps(all)) assert.deepEqual(faultsOf(data!['respool.yaml']), [])
  })

  it('run the version that this is', () => {
    for (const { container } of respools(all)) assert.equal(container.image, `respool:${manifest.version}`)
  })

  it('are safe, probed and wired up', () => respools(all).forEach((one) => assertSound(one, all)))

  it('show the sidecar of a deployment, that of a job, and a deployment of its own', () => {
    const kinds = respools(all).map(({ kind, container }) => [kind, container.restartPolicy])
    assert.deepEqual(kinds, [
      ['Job', 'Always'],
      ['Deployment', 'Always'],
      ['Deployment', undefined],
    ])
  })

  it('are found by the PodMonitor', () => {
    const monitors = all.filter(({ kind }) => kind === 'PodMonitor')
    assert.equal(monitors.length, 1)
    for (const { labels, container } of respools(all)) assertMonitored(monitors[0], labels, container)
  })

  it('have Services, budgets and policies that choose pods of theirs', () => {
    for (const { kind, spec, metadata } of all.filter(({ kind }) => /Service|Budget|Policy/.test(kind))) {
      const selector =
        kind === 'Service' ? spec!.selector : kind === 'NetworkPolicy' ? spec!['podSelector'] : spec!.selector
      const wanted = (kind === 'Service' ? selector : (selector as { matchLabels: object }).matchLabels) as object
      const chosen = respools(all).filter(({ labels }) => has(labels, wanted))
      assert.deepEqual(
        chosen.map(({ name }) => name),
        ['respool'],
        `${kind} ${metadata.name}`,
      )
    }
  })
})

describe("Helm's chart", { timeout: 600_000 }, () => {
  let helm: string

  before(async () => {
    helm = await goProgram(GO, 'helm.sh/helm/v3/cmd/helm')
  })

  const home = temporaryDirectory('respool-helm')
  const call = (...args: string[]) => {
    const env = { ...process.env, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home }
    return run(helm, args, { env })
  }
  const template = async (chart: string, values: object = {}) => {
    const settings = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`])
    return documents(
      await call('template', 'shop', chart, '--namespace', 'there', '--kube-version', '1.30', ...settings),
    )
  }
  const everything = {
    podMonitor: { enabled: true },
    prometheusRule: { enabled: true },
    dashboard: { enabled: true },
    networkPolicy: { enabled: true, clients: [{ podSelector: {} }] },
    auth: { existingSecret: 'redis' },
    env: [{ name: 'RESPOOL_POOL_MAX', value: '4' }],
    imagePullSecrets: [{ name: 'registry' }],
    tolerations: [{ operator: 'Exists' }],
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    podAnnotations: { note: 'yes' },
  }

  it('is of the version that this is', () => {
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string }
    assert.deepEqual([chart.version, chart.appVersion], [manifest.version, manifest.version])
  })

  it('is what helm lint likes', async () => {
    assert.match(await call('lint', '--strict', CHART), /1 chart\(s\) linted, 0 chart\(s\) failed/)
  })

  it('gives by default what Kubernetes takes', async () => {
    const all = await template(CHART)
    await accepted(all)
    assert.deepEqual(all.map(({ kind }) => kind).sort(), ['ConfigMap', 'Deployment', 'PodDisruptionBudget', 'Service'])
    for (const one of respools(all)) assertSound(one, all)
    assert.deepEqual(faultsOf(configMaps(all)[0].data!['respool.yaml']), [])
  })

  it('gives with everything switched on what Kubernetes and the Prometheus operator take', async () => {
    const all = await template(CHART, everything)
    await accepted(all)
    const [one] = respools(all)
    assertSound(one, all)
    const env = Object.fromEntries((one.container.env ?? []).map(({ name, value }) => [name, value ?? '']))
    assert.deepEqual(faultsOf(configMaps(all)[0].data!['respool.yaml'], env), [])
    const password = one.container.volumeMounts?.find(({ name }) => name === 'respool-secret')
    assert.equal(env['RESPOOL_UPSTREAM_PASSWORD_FILE'], `${password?.mountPath}/password`)
    assertMonitored(
      all.find(({ kind }) => kind === 'PodMonitor')!,
      one.labels,
      one.container,
    )
  })

  it('passes on the rules and the dashboard as they are, but for alerts that are not wanted', async () => {
    const read = (file: string) => readFileSync(join(CHART, 'files', file), 'utf8')
    const whole = await template(CHART, everything)
    const rulesOf = (all: Manifest[]) => all.find(({ kind }) => kind === 'PrometheusRule')!.spec
    assert.deepEqual(rulesOf(whole), parse(read('respool.rules.yml')))
    const dashboard = whole.find(({ data }) => data?.['respool.json'])
    assert.equal(dashboard?.data?.['respool.json'], read('respool.json'))
    const fewer = await template(CHART, { prometheusRule: { enabled: true, disabled: ['RespoolMemory'] } })
    const names = (all: Manifest[]) =>
      [...JSON.stringify(rulesOf(all)).matchAll(/"alert":"(\w+)"/g)].map(([, name]) => name)
    assert.deepEqual(
      names(fewer),
      names(whole).filter((name) => name !== 'RespoolMemory'),
    )
    assert.equal(names(fewer).length, names(whole).length - 1)
  })

  it('lets nobody in by a policy that names nobody', async () => {
    const all = await template(CHART, { networkPolicy: { enabled: true } })
    await accepted(all)
    assert.deepEqual(all.find(({ kind }) => kind === 'NetworkPolicy')!.spec!['ingress'], [])
  })

  it('starts new pods for a changed configuration, and only then', async () => {
    const pod = async (values: object) => {
      const [deployment] = (await template(CHART, values)).filter(({ kind }) => kind === 'Deployment')
      return JSON.stringify(deployment.spec!.template)
    }
    const before = await pod({})
    assert.equal(await pod({}), before)
    assert.notEqual(await pod({ config: { pool: { max: 3 } } }), before)
  })

  it('refuses values that cannot be meant', async () => {
    const wrong = [
      { mode: 'daemon' },
      { repliacs: 3 },
      { replicas: -1 },
      { ports: { redis: 70_000 } },
      { config: { upstream: { url: 'http://redis' } } },
      { config: { upstream: { password: 'secret' } } },
      { podMonitor: { interval: 'often' } },
    ]
    for (const values of wrong)
      await assert.rejects(template(CHART, values), /values don't meet/, JSON.stringify(values))
  })

  it('gives a chart that depends on it a sidecar, for a Deployment and for a Job', async () => {
    const charts = temporaryDirectory('respool-charts')
    cpSync(join(ROOT, 'deploy/helm'), charts, { recursive: true })
    const example = join(charts, 'example')
    await call('dependency', 'update', example)
    assert.match(await call('lint', '--strict', example), /1 chart\(s\) linted, 0 chart\(s\) failed/)
    const all = await template(example, { 'respool.podMonitor.enabled': true })
    await accepted(all)
    assert.deepEqual(all.map(({ kind }) => kind).sort(), ['ConfigMap', 'Deployment', 'Job', 'PodMonitor'])
    assert.equal(respools(all).length, 2)
    for (const one of respools(all)) {
      assertSound(one, all)
      assert.equal(one.container.restartPolicy, 'Always')
      assertMonitored(
        all.find(({ kind }) => kind === 'PodMonitor')!,
        one.labels,
        one.container,
      )
    }
    const config = configMaps(all)[0].data!['respool.yaml']
    assert.deepEqual(faultsOf(config), [])
    assert.match(config, /^listen:\n- 127\.0\.0\.1:6379$/m)
  })
})

interface Deployed {
  kind: string
  name: string
  labels: Record<string, string>
  pod: PodSpec
  container: Container
}

function documents(text: string): Manifest[] {
  // Kubernetes reads as YAML 1.1 does, for which yes and off are no strings.
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
    assert.deepEqual(document.errors, [])
    return document.toJS() as Manifest
  })
}

/** Every respool that the objects start. */
function respools(all: Manifest[]): Deployed[] {
  return all.flatMap(({ kind, metadata: { name }, spec }) => {
    const template = spec?.template
    if (template === undefined) return []
    const { spec: pod, metadata } = template
    const found = [...(pod.initContainers ?? []), ...pod.containers].filter((container) => container.name === 'respool')
    return found.map((container) => ({ kind, name, labels: metadata.labels, pod, container }))
  })
}

function configMaps(all: Manifest[]): Manifest[] {
  const found = all.filter(({ kind, data }) => kind === 'ConfigMap' && data?.['respool.yaml'] !== undefined)
  assert.ok(found.length > 0)
  return found
}

/** Least rights, a limit of memory, probes that ask for routes there are, and volumes from objects there are. */
function assertSound({ kind, name, pod, container }: Deployed, all: Manifest[]): void {
  const where = `${kind} ${name}`
  assert.deepEqual(
    container.securityContext,
    {
      runAsNonRoot: true,
      runAsUser: IMAGE_USER,
      runAsGroup: IMAGE_USER,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    where,
  )
  const { requests, limits } = container.resources ?? {}
  assert.deepEqual([Object.keys(requests ?? {}), Object.keys(limits ?? {})], [['cpu', 'memory'], ['memory']], where)

  const config = parse(configOf(pod, all)) as { admin: string; listen: string[] }
  const probes = { startupProbe: '/startupz', livenessProbe: '/livez', readinessProbe: '/readyz' } as const
  for (const [probe, path] of Object.entries(probes) as [keyof typeof probes, string][]) {
    if (probe === 'readinessProbe' && kind === 'Job') continue
    const { path: asked, port } = container[probe]!.httpGet
    assert.equal(asked, path, where)
    assert.ok(routes.includes(asked), `${asked} is no route of the admin server`)
    // The kubelet asks from outside the pod.
    assert.equal(config.admin, `:${portOf(container, port)}`, where)
  }
  // Nobody else shares the pod of one that stands alone.
  const open = container.restartPolicy === 'Always' ? '127.0.0.1:6379' : ':6379'
  assert.deepEqual(config.listen, [open], where)
  assert.ok(pod.terminationGracePeriodSeconds! >= 15, where)

  for (const { name: volume } of container.volumeMounts ?? []) {
    assert.ok(
      pod.volumes?.some((each) => each.name === volume),
      `${where} mounts ${volume}`,
    )
  }
  const secret = pod.volumes?.find((volume) => volume.secret)?.secret
  const given = all.filter((each) => each.kind === 'Secret').map(({ metadata }) => metadata.name)
  if (secret && given.length > 0) assert.ok(given.includes(secret.secretName), `${where}: ${secret.secretName}`)
}

/** The file that the container is told to read. */
function configOf(pod: PodSpec, all: Manifest[]): string {
  const name = pod.volumes?.find(({ configMap }) => configMap)?.configMap?.name
  const [found] = configMaps(all).filter(({ metadata }) => metadata.name === name)
  assert.ok(found, `no ConfigMap ${name}`)
  return found.data!['respool.yaml']
}

function portOf(container: Container, port: string | number): number | undefined {
  return container.ports?.find(({ name }) => name === port)?.containerPort
}

function assertMonitored({ spec }: Manifest, labels: Record<string, string>, container: Container): void {
  assert.ok(has(labels, spec!.selector!.matchLabels!), JSON.stringify(labels))
  const [{ port, path, relabelings }] = spec!['podMetricsEndpoints'] as {
    port: string
    path: string
    relabelings: object[]
  }[]
  assert.ok(portOf(container, port), port)
  assert.ok(routes.includes(path))
  assert.deepEqual(relabelings, [{ targetLabel: 'job', replacement: 'respool' }])
}

function has(labels: Record<string, string>, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value)
}

/** Has Kubernetes's schemas and the operator's own types look at each object. */
async function accepted(all: Manifest[]): Promise<void> {
  assert.ok(all.length > 0)
  const text = (some: Manifest[]) => some.map((one) => `---\n${JSON.stringify(one)}\n`).join('')
  const python = await pythonWithAll(join(ROOT, 'test/deploy/requirements.txt'))
  const own = all.filter(({ apiVersion }) => apiVersion !== OPERATOR)
  await feed(text(own), python, [join(ROOT, 'test/deploy/manifests.py'), ...VERSIONS])
  const operators = all.filter(({ apiVersion }) => apiVersion === OPERATOR)
  if (operators.length > 0) await feed(text(operators), await goProgram(GO), ['monitoring'])
}

function feed(input: string, command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let faults = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (faults += text))
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')}: ${faults}`)),
    )
  })
}
