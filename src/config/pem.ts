import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { reasonOf } from './credentials.js'
import { Mistake } from './mistake.js'

/** Paths of files in PEM form, or what is in them. A certificate may be followed by those of the CAs between it and the root. */
export interface Pem {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Something is wrong with one of the files. The message shows nothing of what is in it. */
export class PemMistake extends Mistake {
  constructor(
    readonly file: keyof Pem,
    message: string,
  ) {
    super(message)
  }
}

export const PEM_FILES = ['ca', 'cert', 'key'] as const

/**
 * Reads the files that are given, and makes sure that TLS can be spoken with them.
 *
 * @param readFile gives a file's text or throws
 * @throws PemMistake
 */
export function readPem(files: Pem, readFile: (path: string) => string): Pem {
  const pem: { -readonly [file in keyof Pem]: string } = {}
  for (const file of PEM_FILES) {
    const path = files[file]
    if (path !== undefined) pem[file] = readPemFile(file, path, readFile)
  }
  const { cert, key } = pem
  if (cert !== undefined && key !== undefined && !certificatesIn('cert', cert)[0].checkPrivateKey(privateKey(key)))
    throw new PemMistake('key', 'the key does not belong to the certificate')
  try {
    createSecureContext(pem)
  } catch (error) {
    throw new PemMistake(
      'cert',
      `OpenSSL does not take it: ${(error as { reason?: string }).reason ?? reasonOf(error)}`,
    )
  }
  return pem
}

/** Reads one of the files, and makes sure that it holds what it should. */
export function readPemFile(file: keyof Pem, path: string, readFile: (path: string) => string): string {
  let text
  try {
    text = readFile(path)
  } catch (error) {
    throw new PemMistake(file, `the file cannot be read: ${reasonOf(error)}`)
  }
  if (file === 'key') privateKey(text)
  else certificatesIn(file, text)
  return text
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

/** Node takes in silence what holds no certificate, and a list that breaks off. */
function certificatesIn(file: keyof Pem, text: string): X509Certificate[] {
  const parts = text.split(BEGIN).slice(1)
  if (parts.length === 0) throw new PemMistake(file, 'the file holds no certificate in PEM form')
  try {
    return parts.map((part) => new X509Certificate(BEGIN + part.slice(0, part.indexOf(END)) + END))
  } catch {
    throw new PemMistake(file, 'the file holds a damaged certificate')
  }
}

function privateKey(text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    const advice = /^-+BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(text)
      ? 'the key is encrypted (give it without a passphrase)'
      : 'the file holds no private key in PEM form'
    throw new PemMistake('key', advice)
  }
}
