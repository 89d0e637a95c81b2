import type { Config } from '../config/config.js'
import type { EventLog } from '../util/log.js'
import type { Tracing } from './otlp.js'

/** OpenTelemetry is large, and loaded only where it is wanted. */
export async function tracingOf(
  { tracing: { endpoint, sampleRatio } }: Config,
  log: EventLog,
): Promise<Tracing | null> {
  if (endpoint === undefined) return null
  const { startTracing } = await import('./otlp.js')
  return startTracing(endpoint, sampleRatio, log)
}
