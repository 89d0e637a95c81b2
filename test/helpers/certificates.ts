import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

/** Paths of files in PEM form. */
export interface CertificateFiles {
  cert: string
  key: string
}

export interface CertificateOptions {
  /** Names of hosts and addresses; the first is the common name too. */
  names?: string[]
  notAfter?: Date
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const HOUR = 3_600_000

/** A certificate authority for the time of a test, with its files in a directory that the caller removes. */
export class Authority {
  static async create(name: string, directory: string): Promise<Authority> {
    const keys = await generateKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + HOUR),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    })
    return new Authority(name, directory, keys.privateKey, certificate)
  }

  /** The file with its own certificate. */
  readonly ca: string
  #issued = 0

  private constructor(
    readonly name: string,
    readonly directory: string,
    readonly privateKey: webcrypto.CryptoKey,
    readonly certificate: X509Certificate,
  ) {
    this.ca = join(directory, `${name}.ca.pem`)
    writeFileSync(this.ca, pem(certificate))
  }

  /** Signs a certificate, into new files or into those given. */
  async issue(options: CertificateOptions = {}, into?: CertificateFiles): Promise<CertificateFiles> {
    const { names = ['localhost', '127.0.0.1'], notAfter = new Date(Date.now() + HOUR) } = options
    const keys = await generateKeys()
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: this.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - HOUR),
      notAfter,
      extensions: [
        new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))),
      ],
    })
    const base = join(this.directory, `${this.name}.${++this.#issued}`)
    const files = into ?? { cert: `${base}.cert.pem`, key: `${base}.key.pem` }
    const secret = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    writeFileSync(
      files.key,
      `-----BEGIN PRIVATE KEY-----\n${secret.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
    )
    writeFileSync(files.cert, pem(certificate))
    return files
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}
