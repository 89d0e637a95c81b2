/** Sentinels and the servers that they watch, all of them over TLS. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Authority } from '../helpers/certificates.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRespool } from '../helpers/respool.ts'
import { type Sentinels, startSentinels } from '../helpers/sentinels.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, Observer } from './support.ts'

describe('a primary that sentinels know over TLS', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const directory = temporaryDirectory('respool-tls-sentinels')
  let authority: Authority
  let stranger: Authority
  let sentinels: Sentinels

  before(async () => {
    suite.also(() => removeDirectory(directory))
    authority = await Authority.create('authority', directory)
    stranger = await Authority.create('stranger', directory)
    const tls = { ca: authority.ca, ...(await authority.issue()), clients: 'yes' as const }
    sentinels = suite.add(await startSentinels({ sentinels: 1, tls }))
  })
  after(() => suite.run())

  async function proxy(upstream: object) {
    const respool = suite.add(await startRespool({ upstream: sentinels.url, config: { upstream } }))
    return { respool, client: suite.client(await RawClient.connect(respool.port)) }
  }

  it('is found and followed with the certificates of the upstream', async () => {
    const own = await authority.issue({ names: ['respool'] })
    const { respool, client } = await proxy({ tls: { ca: authority.ca, ...own }, holdTime: '10s' })
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    const before = await sentinels.primary()
    await sentinels.failover()
    const next = await sentinels.primary()
    assert.notEqual(next.port, before.port)
    const observer = suite.add(await Observer.connect(next.port))
    const connections = async () => (await observer.clients()).filter(({ name }) => name.startsWith('respool:'))
    const rows = await until(async () => ((await connections()).length > 0 ? connections() : null), 'it is followed')
    for (const { laddr } of rows!) assert.equal(laddr, `127.0.0.1:${next.tlsPort}`)
    await until(async () => (await ask(client, 'SET', 'k', 'w')) === '+OK\r\n', 'it takes writes again')
    assert.equal(await respool.metric('respool_tls_errors_total'), 0)
  })

  it('is not asked for from sentinels of a stranger', async () => {
    const own = await authority.issue({ names: ['respool'] })
    const sentinel = { tls: { ca: stranger.ca } }
    const { respool, client } = await proxy({ tls: { ca: authority.ca, ...own }, sentinel, holdTime: 0 })
    assert.match(await ask(client, 'GET', 'k'), /^-TRYAGAIN /)
    const said = /"level":"warn".*"event":"sentinel_failed".*no trusted CA has signed .* as upstream\.sentinel\.tls\.ca/
    await until(() => said.test(respool.output()), 'it says why it does not know the primary')
    assert.ok((await respool.metric('respool_tls_errors_total', { side: 'upstream' })) > 0)
  })
})
