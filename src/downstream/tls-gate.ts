import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { ListenerTls } from '../config/config.js'
import type { Recorder } from '../metrics/recorder.js'
import { explainApplication } from '../tls/advice.js'
import { WatchedPem } from '../tls/watched-pem.js'
import type { EventLog } from '../util/log.js'

export interface TlsGateOptions extends ListenerTls {
  /** Where applications connect, as the log is to name it. */
  readonly listener: string
  /** Time for a handshake, ms. */
  readonly handshakeTimeout: number
}

/**
 * Shakes hands over TLS with the applications that one listener has accepted.
 *
 *     accepted ──► handshaking ──► open ──► onOpen
 *                       └──► refused: failed, or took too long
 *
 * Invariant: each connection that is handed in counts as handshaking until exactly one of the two events of the server has
 * told of it.
 */
export class TlsGate {
  readonly #server: Server
  readonly #files: WatchedPem

  /**
   * @param handshaking counts the handshakes of all listeners that are going on
   * @throws PemMistake
   */
  constructor(
    readonly options: TlsGateOptions,
    readonly handshaking: { count: number },
    readonly recorder: Recorder,
    readonly log: EventLog,
    readonly onOpen: (socket: TLSSocket) => void,
  ) {
    const { clientAuth, handshakeTimeout, listener } = options
    const version = { minVersion: `TLSv${options.minVersion}` } as const
    this.#server = createServer({
      ...version,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      handshakeTimeout,
    })
    this.#server.on('secureConnection', (socket) => this.#opened(socket))
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket))
    // Connections that are open keep what they have been opened with.
    this.#files = new WatchedPem(options, `listen ${listener}`, log, (pem) =>
      this.#server.setSecureContext({ ...pem, ...version }),
    )
  }

  /** Takes an accepted connection that nobody has read from. */
  take(socket: Socket): void {
    this.handshaking.count++
    this.#server.emit('connection', socket)
  }

  stop(): void {
    this.#files.stop()
  }

  #opened(socket: TLSSocket): void {
    this.handshaking.count--
    // An optional certificate need not be there, but if it is it has to be right.
    if (this.options.clientAuth === 'optional' && !socket.authorized && hasCertificate(socket)) {
      socket.destroy()
      return this.#refused(authorizationError(socket)!, socket.remoteAddress)
    }
    // What is owed still goes out to an application that has said that it sends no more.
    socket.allowHalfOpen = true
    this.onOpen(socket)
  }

  #failed(error: Error, socket: TLSSocket): void {
    this.handshaking.count--
    const { remoteAddress } = socket
    socket.destroy()
    this.#refused(authorizationError(socket) ?? error, remoteAddress)
  }

  #refused(error: Error, client: string | undefined): void {
    const { listener } = this.options
    const explained = explainApplication(error)
    if (explained === null) {
      // It has gone before it had said much: somebody who only wanted to see whether there is a listener.
      this.log.event('debug', 'tls_abandoned', { listener, client, error: error.message })
      return
    }
    this.recorder.tlsErrors.add('downstream')
    this.log.event('warn', 'tls_refused', { listener, client, error: explained })
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0
}

/** Node gives the code alone, whatever the type says. */
function authorizationError(socket: TLSSocket): Error | null {
  const given: unknown = socket.authorizationError
  if (given instanceof Error) return given
  return typeof given === 'string' ? Object.assign(new Error(given), { code: given }) : null
}
