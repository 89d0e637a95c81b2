import { diag, DiagLogLevel, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { Spans } from '../dispatch/spans.js'
import { buildInfo } from '../metrics/build-info.js'
import type { EventLog } from '../util/log.js'

// Loaded only where tracing is configured: see main.

/** Time for the collector to take a batch, ms; also at the end of the process. */
const PATIENCE = 2000

export interface Tracing extends Spans {
  /** Sends what there is, as far as that is possible. */
  stop(): Promise<void>
}

/** Spans of a part of all commands, sent by OpenTelemetry's SDK. It keeps a bounded number, and drops what does not fit. */
export function startTracing(endpoint: string, sampleRatio: number, log: EventLog): Tracing {
  const failed = (error: string): void => log.event('warn', 'tracing_failed', { error })
  const silent = (): void => {}
  diag.setLogger({ error: failed, warn: failed, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)

  const exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: PATIENCE })
  const provider = new BasicTracerProvider({
    resource: resource(),
    spanProcessors: [new BatchSpanProcessor(exporter, { exportTimeoutMillis: PATIENCE })],
  })
  const tracer = provider.getTracer('respool', buildInfo.version)
  return {
    ended(command, route, server, since, now, failed) {
      // The SDK would sample as well, but only once it has made a span.
      if (Math.random() >= sampleRatio) return
      const attributes = {
        'db.system.name': 'redis',
        'db.operation.name': command,
        'respool.route': route,
        ...(server === null ? {} : { 'respool.endpoint': server }),
      }
      const options = { kind: SpanKind.SERVER, startTime: performance.timeOrigin + since, attributes }
      const span = tracer.startSpan(command, options)
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(performance.timeOrigin + now)
    },
    async stop() {
      // A collector that is away must not hold up the end; what was lost is in the log.
      await provider.shutdown().catch((error: unknown) => failed(String(error)))
    },
  }
}

/** Who says so: respool, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say something else. */
function resource(): Resource {
  const own = resourceFromAttributes({ 'service.name': 'respool', 'service.version': buildInfo.version })
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }))
}
