/** What the configuration says of TLS, and what is wrong with the files that it names. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { stringify } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { describeProblems, load } from '../../src/config/load.ts'
import { publicConfig } from '../../src/config/render.ts'
import { sentinelTls } from '../../src/config/tls.ts'
import { Authority, type CertificateFiles } from '../helpers/certificates.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'

const URL = 'rediss://h'
const SENTINELS = 'rediss+sentinel://h:1/main'

describe('TLS in the configuration', () => {
  const directory = temporaryDirectory('respool-config-tls')
  let ca: string
  let own: CertificateFiles
  let other: CertificateFiles

  before(async () => {
    const authority = await Authority.create('authority', directory)
    ca = authority.ca
    own = await authority.issue()
    other = await authority.issue()
  })
  after(() => removeDirectory(directory))

  /** @param texts what further files hold */
  function read(file: object, url: string, texts: Record<string, string> = {}) {
    const readFile = (path: string) => (path === 'f' ? stringify(file) : (texts[path] ?? readFileSync(path, 'utf8')))
    return load({ argv: ['-c', 'f', '--upstream', url], env: {}, readFile })
  }

  function config(file: object, url = URL): Config {
    const result = read(file, url)
    assert.ok(result.ok === true, result.ok === false ? describeProblems(result.errors) : '')
    return result.config
  }

  function mistakes(file: object, url = URL, texts?: Record<string, string>): string {
    const result = read(file, url, texts)
    return result.ok === false ? describeProblems(result.errors) : 'ok'
  }

  it('takes versions as YAML has them, and as text', () => {
    for (const minVersion of [1.3, '1.3']) {
      assert.equal(config({ upstream: { tls: { minVersion } } }).upstream.tls.minVersion, '1.3')
      const { listen } = config({ listen: [{ address: ':1', tls: { ...own, minVersion } }] })
      assert.deepEqual(listen[0].tls, { ...own, clientAuth: 'none', minVersion: '1.3' })
    }
    for (const minVersion of [1.1, '1', true])
      assert.match(
        mistakes({ upstream: { tls: { minVersion } } }),
        /^f:3: upstream\.tls\.minVersion: must be 1\.2 or 1\.3/,
      )
  })

  it('is shown with where the files are', () => {
    const listen = [
      { address: '127.0.0.1:1', pooling: 'session', tls: { ...own, ca, clientAuth: 'require', minVersion: 1.3 } },
    ]
    const tls = { ca, ...own, serverName: 'redis.example', verify: 'full', minVersion: 1.2 }
    const shown = publicConfig(config({ listen, upstream: { tls } })) as Record<string, Record<string, unknown>>
    assert.deepEqual(shown['listen'], listen)
    assert.deepEqual(shown['upstream']['tls'], tls)
  })

  it('of sentinels is that of Redis, unless it is given', () => {
    const tls = { ca, ...own, serverName: 'redis.example', verify: 'full', minVersion: '1.2' }
    const of = (sentinel: object, url = SENTINELS) =>
      sentinelTls(
        config({ upstream: { tls: { ca, ...own, serverName: 'redis.example' }, sentinel: { tls: sentinel } } }, url)
          .upstream,
      )
    assert.deepEqual(of({}), tls)
    assert.equal(of({ enabled: 'off' }), null)
    assert.deepEqual(of({ ...other, serverName: 's' }), { ...tls, ...other, serverName: 's' })
    const plain = config({ upstream: { sentinel: { tls: { enabled: 'on', ca } } } }, 'redis+sentinel://h:1/main')
    assert.deepEqual(sentinelTls(plain.upstream), { ca, verify: 'full', minVersion: '1.2' })
    assert.equal(sentinelTls(config({}, 'redis+sentinel://h:1/main').upstream), null)
  })

  it('must not seem to be on where it is not', () => {
    const off = /would have no effect: the connection is not encrypted/
    assert.match(mistakes({ upstream: { tls: { ca } } }, 'redis://h'), off)
    assert.match(mistakes({ upstream: { tls: { serverName: 'h' } } }, 'redis+sentinel://h:1/main'), off)
    assert.match(mistakes({ upstream: { sentinel: { tls: { ca } } } }, 'redis+sentinel://h:1/main'), off)
    assert.match(mistakes({ upstream: { sentinel: { tls: { ca, enabled: 'off' } } } }, SENTINELS), off)
  })

  it('must not check too little by mistake', () => {
    assert.match(
      mistakes({ upstream: { tls: { verify: 'ca' } } }),
      /^f:3: upstream\.tls\.verify: must not be ca without/,
    )
    assert.equal(mistakes({ upstream: { tls: { verify: 'ca', ca } } }), 'ok')
    const listen = (tls: object) => mistakes({ listen: [{ address: ':1', tls: { ...own, ...tls } }] })
    assert.match(listen({ clientAuth: 'require' }), /must give tls a ca/)
    assert.match(listen({ ca }), /must not give tls a ca unless/)
    assert.equal(listen({ clientAuth: 'optional', ca }), 'ok')
  })

  it('names files that can be used', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const cipher = 'aes-256-cbc'
    const texts = {
      empty: '',
      half: readFileSync(ca, 'utf8').slice(0, 200),
      second: readFileSync(ca, 'utf8') + readFileSync(ca, 'utf8').slice(0, 200),
      encrypted: privateKey.export({ format: 'pem', type: 'pkcs8', cipher, passphrase: 's3cret' }).toString(),
    }
    const wrong: [object, RegExp][] = [
      [{ ca: '/nowhere' }, /^f:3: upstream\.tls\.ca: the file cannot be read: ENOENT$/],
      [{ ca: 'empty' }, /^f:3: upstream\.tls\.ca: the file holds no certificate in PEM form$/],
      [{ ca: 'half' }, /^f:3: upstream\.tls\.ca: the file holds a damaged certificate$/],
      [{ ca: 'second' }, /^f:3: upstream\.tls\.ca: the file holds a damaged certificate$/],
      [{ ca: own.key }, /^f:3: upstream\.tls\.ca: the file holds no certificate in PEM form$/],
      [
        { cert: own.cert },
        /^f:3: upstream\.tls\.cert: upstream\.tls\.cert and upstream\.tls\.key must be given together$/,
      ],
      [{ ...own, key: own.cert }, /^f:4: upstream\.tls\.key: the file holds no private key in PEM form$/],
      [{ ...own, key: other.key }, /^f:4: upstream\.tls\.key: the key does not belong to the certificate$/],
      [
        { ...own, key: 'encrypted' },
        /^f:4: upstream\.tls\.key: the key is encrypted \(give it without a passphrase\)$/,
      ],
      [{ ca: '/a', cert: '/b', key: '/c' }, /^f:3: .*\.ca: .*ENOENT\nf:4: .*\.cert: .*ENOENT\nf:5: .*\.key: .*ENOENT$/],
    ]
    for (const [tls, message] of wrong) assert.match(mistakes({ upstream: { tls } }, URL, texts), message)
    const listen = [{ address: ':1', tls: { ...own, key: other.key } }]
    assert.equal(mistakes({ listen }), 'f:1: listen: key of tls: the key does not belong to the certificate')
  })
})
