import { load } from '../../src/config/load.ts'

// What the files below deploy/ have in common.

/** The user of the image. */
export const IMAGE_USER = 65532

/** What is wrong with a configuration file that is deployed; a file that it names is taken to hold a password. */
export function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  const result = load({ argv: ['-c', 'f'], env, readFile: (path) => (path === 'f' ? text : 'secret') })
  if (result.ok !== false) return []
  return result.errors.map(({ path, message }) => `${path}: ${message}`)
}

/** A container, whatever starts it. */
export interface Container {
  name: string
  image: string
  args?: string[]
  restartPolicy?: string
  env?: { name: string; value?: string }[]
  ports?: { name: string; containerPort: number }[]
  volumeMounts?: { name: string; mountPath: string }[]
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  securityContext?: Record<string, unknown>
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
}

export interface Probe {
  httpGet: { path: string; port: string | number }
}

export interface PodSpec {
  initContainers?: Container[]
  containers: Container[]
  volumes?: {
    name: string
    configMap?: { name: string }
    secret?: { secretName: string; items?: { path: string }[] }
  }[]
  terminationGracePeriodSeconds?: number
}

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: Record<string, string> }
  data?: Record<string, string>
  stringData?: Record<string, string>
  spec?: Record<string, unknown> & {
    template?: { metadata: { labels: Record<string, string> }; spec: PodSpec }
    selector?: { matchLabels?: Record<string, string> } & Record<string, unknown>
  }
}
