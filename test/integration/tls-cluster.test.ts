/** A cluster whose nodes are all dialled over TLS, and where commands are sent on to a node that is learnt of only then. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Authority } from '../helpers/certificates.ts'
import { type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRespool } from '../helpers/respool.ts'
import { Cleanup, Observer, pipeline } from './support.ts'

describe('a cluster over TLS', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const directory = temporaryDirectory('respool-tls-cluster')
  let authority: Authority
  let cluster: RedisCluster

  before(async () => {
    suite.also(() => removeDirectory(directory))
    authority = await Authority.create('authority', directory)
    cluster = suite.add(await startCluster({ tls: { ca: authority.ca, ...(await authority.issue()), clients: 'yes' } }))
  })
  after(() => suite.run())

  it('is found by one of its nodes, and carries commands to all of them', async () => {
    const own = await authority.issue({ names: ['respool'] })
    const upstream = cluster.url.replace(/,.*/, '')
    const config = { upstream: { tls: { ca: authority.ca, ...own } } }
    const respool = suite.add(await startRespool({ upstream, config }))
    const client = suite.client(await RawClient.connect(respool.port))
    const keys = Array.from({ length: 300 }, (_, i) => `key:${i}`)
    const sets = await pipeline(
      client,
      keys.map((key) => ['SET', key, key]),
    )
    assert.deepEqual(new Set(sets), new Set(['+OK\r\n']))
    const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
    assert.deepEqual(await pipeline(client, [['MGET', ...keys]]), [`*300\r\n${keys.map(bulk).join('')}`])
    for (const { server } of cluster.primaries) {
      const observer = suite.add(await Observer.connect(server.port))
      const rows = (await observer.clients()).filter(({ name }) => name.startsWith('respool:'))
      assert.ok(rows.length > 0)
      for (const { laddr } of rows) assert.equal(laddr, `127.0.0.1:${server.tlsPort}`)
    }
    assert.equal(await respool.metric('respool_tls_errors_total'), 0)
  })
})
