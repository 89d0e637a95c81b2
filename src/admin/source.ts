import type { Registry } from 'prom-client'

/** What the admin server shows of the running proxy. Secrets are already hidden in what these give. */
export interface AdminSource {
  registry: Registry
  /** Whether traffic should be sent here, and if not, why. */
  ready(): { ready: boolean; reasons: string[] }
  /** Whether start-up is over. */
  started(): boolean
  stats(): object
  topology(): object
  clients(): object[]
  config(): object
}
