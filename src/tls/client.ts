import { isIP, type OnReadOpts } from 'node:net'
import { checkServerIdentity, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { UpstreamTls } from '../config/config.js'
import type { Recorder } from '../metrics/recorder.js'
import type { EventLog } from '../util/log.js'
import { BoundedMap } from '../util/bounded-map.js'
import { explainServer } from './advice.js'
import { WatchedPem } from './watched-pem.js'

/** Servers whose last session is remembered. */
const MOST_SESSIONS = 256

export interface TlsPlace {
  readonly host: string
  readonly port: number
}

/** Dials servers with TLS, with the certificates of the moment. */
export class ClientTls {
  #context!: SecureContext
  /** By host and port. Only of the current context: a session that is taken up again is not checked against certificates. */
  readonly #sessions = new BoundedMap<string, Buffer>(MOST_SESSIONS)
  readonly #files: WatchedPem

  /**
   * @param section where the settings stand in the configuration
   * @throws PemMistake
   */
  constructor(
    readonly settings: UpstreamTls,
    readonly section: string,
    readonly recorder: Recorder,
    readonly log: EventLog,
  ) {
    this.#files = new WatchedPem(settings, section, log, (pem) => {
      this.#context = createSecureContext({ ...pem, minVersion: `TLSv${settings.minVersion}` })
      this.#sessions.clear()
    })
    if (settings.verify === 'off') log.event('warn', 'tls_unverified', { name: section, advice: UNVERIFIED })
  }

  /** @param onread where to read into, instead of events with data */
  connect({ host, port }: TlsPlace, onread?: OnReadOpts): TLSSocket {
    const { serverName = host, verify } = this.settings
    const place = `${host}:${port}`
    const context = this.#context
    const session = this.#sessions.get(place)
    const socket = connect({
      host,
      port,
      secureContext: context,
      // Addresses have no place in SNI.
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      rejectUnauthorized: verify !== 'off',
      checkServerIdentity: (_host, shown) => (verify === 'full' ? checkServerIdentity(serverName, shown) : undefined),
      ...(session === undefined ? {} : { session }),
      ...(onread === undefined ? {} : { onread }),
    })
    socket.on('session', (fresh: Buffer) => {
      if (context !== this.#context) return
      this.#sessions.set(place, fresh)
    })
    socket.once('error', () => this.#sessions.delete(place))
    return socket
  }

  /**
   * What an error that ended a connection says, with what to do about it.
   * @param greeting true if it came behind the handshake, before the first answer: the server may still refuse what it was shown then
   */
  explain(error: Error, greeting = false): string {
    const explained = explainServer(error, this.section)
    if (explained === null && !greeting) return error.message
    this.recorder.tlsErrors.add('upstream')
    return explained ?? `${error.message} right after the handshake of TLS: ${this.#guess}`
  }

  get #guess(): string {
    const { settings, section } = this
    if (settings.cert === undefined)
      return `if it wants a certificate to be shown, give ${section}.cert and ${section}.key`
    return `see that it accepts the certificate in ${section}.cert`
  }

  stop(): void {
    this.#files.stop()
  }
}

const UNVERIFIED =
  'certificates are not checked, so that anyone on the way can listen in and interfere: give the CA, and remove verify: off'
