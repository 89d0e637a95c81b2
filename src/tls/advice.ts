import type { PeerCertificate } from 'node:tls'

/** What a failed handshake most likely means; the code and text of the error, then what to say. `%` is the section of the settings. */
type Row = readonly [error: RegExp, advice: string]

const UNTRUSTED =
  /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_(SIGNATURE|UNTRUSTED|CHAIN|REJECTED)|INVALID_(CA|PURPOSE)|PATH_LENGTH)/

const OF_SERVERS: readonly Row[] = [
  [UNTRUSTED, "no trusted CA has signed the server's certificate: give the file with its CA as %.ca"],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)/, "the server's certificate is not valid now: renew it, or set the clock right"],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    "the server's certificate bears another name: set %.serverName to one that it bears",
  ],
  [
    /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/,
    'the server speaks no version of TLS from %.minVersion on: have it speak a newer one',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|BAD_RECORD_TYPE/,
    'the server does not speak TLS at this port: dial its TLS port, or let the URL begin with redis',
  ],
  [/CERTIFICATE_REQUIRED/, 'the server wants a certificate to be shown: give %.cert and %.key'],
  [/HANDSHAKE_FAILURE/, 'the server wants a certificate (%.cert and %.key), or has no cipher in common'],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERT|ACCESS_DENIED|DECRYPT_ERROR)/,
    'the server does not accept the certificate that it is shown: have %.cert signed by a CA that it trusts',
  ],
  [/UNRECOGNIZED_NAME/, 'the server does not know the name that it is asked for: set %.serverName'],
  [
    /before secure TLS connection/,
    'the server hung up during the handshake: see that it speaks TLS at this port, and what it logs',
  ],
]

const OF_APPLICATIONS: readonly Row[] = [
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|BAD_RECORD_TYPE/,
    'the application does not use TLS: switch it on there, or let it connect to another listener',
  ],
  [
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/,
    'the application speaks no version of TLS from minVersion on: renew it, or lower that',
  ],
  [/PEER_DID_NOT_RETURN/, 'the application shows no certificate: give it one, or set clientAuth to optional'],
  [UNTRUSTED, "no CA in ca has signed the application's certificate"],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)/,
    "the application's certificate is not valid now: renew it, or set the clock right",
  ],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE)/,
    'the application does not accept the certificate of this listener: have it trust the CA, and dial a name that the certificate bears',
  ],
  [/HANDSHAKE_TIMEOUT/, 'the application did not complete the handshake within limits.handshakeTimeout'],
]

/** What an error says, shorter than OpenSSL does, with what to do; null if it has nothing to do with TLS. */
function explain(error: NodeJS.ErrnoException, rows: readonly Row[], section: string): string | null {
  const { code = '', message } = error
  const said = namesOf(error) ?? (error as { reason?: string }).reason ?? message
  const advice = rows.find(([pattern]) => pattern.test(code) || pattern.test(message))?.[1]
  if (advice !== undefined) return `${advice.replaceAll('%', section)} (${said})`
  return /^ERR_(SSL|TLS|OSSL)_/.test(code) ? `TLS failed: ${said}` : null
}

/** What the certificate of a server with another name says; null if that is not the matter. */
function namesOf(error: Error): string | null {
  const { host, cert } = error as { host?: string; cert?: PeerCertificate }
  if (host === undefined || cert === undefined) return null
  return `${host} was dialled, and it bears ${cert.subjectaltname?.slice(0, MOST_SHOWN) ?? 'none'}`
}

/** Characters of a list of names that comes from outside. */
const MOST_SHOWN = 200

export const explainServer = (error: Error, section: string) => explain(error, OF_SERVERS, section)
export const explainApplication = (error: Error) => explain(error, OF_APPLICATIONS, '')
