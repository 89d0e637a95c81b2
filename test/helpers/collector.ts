import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A span as OTLP has it, its attributes as an object. */
export interface Span {
  name: string
  kind: number
  traceId: string
  parentSpanId?: string
  /** ms since 1970 */
  start: number
  end: number
  failed: boolean
  attributes: Record<string, unknown>
}

interface Attribute {
  key: string
  value: Record<string, unknown>
}
interface Payload {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: {
      spans: (Pick<Span, 'name' | 'kind' | 'traceId' | 'parentSpanId'> & {
        startTimeUnixNano: string
        endTimeUnixNano: string
        status?: { code?: number }
        attributes: Attribute[]
      })[]
    }[]
  }[]
}

const ERROR = 2

/** Takes spans as a collector of OpenTelemetry does: OTLP over HTTP, in JSON. */
export class Collector {
  readonly spans: Span[] = []
  readonly resources: Record<string, unknown>[] = []
  /** All that was sent, to look for what should not be there. */
  text = ''
  readonly #server = createServer((request, response) => {
    void this.#take(request).then((status) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}'),
    )
  })

  static async start(): Promise<Collector> {
    const collector = new Collector()
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve))
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #take(request: IncomingMessage): Promise<number> {
    if (request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/json') return 400
    const payload = (await json(request)) as Payload
    this.text += JSON.stringify(payload)
    for (const { resource, scopeSpans } of payload.resourceSpans) {
      this.resources.push(plain(resource.attributes))
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { name, kind, traceId, parentSpanId, status } = span
        this.spans.push({
          ...{ name, kind, traceId, ...(parentSpanId ? { parentSpanId } : {}) },
          start: Number(span.startTimeUnixNano) / 1e6,
          end: Number(span.endTimeUnixNano) / 1e6,
          failed: status?.code === ERROR,
          attributes: plain(span.attributes),
        })
      }
    }
    return 200
  }
}

function plain(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
