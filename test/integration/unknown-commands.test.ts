/** Commands that the table does not know are learned from Redis, whoever has brought them there. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

/** A module of two commands: one with a key, one without. It needs no header, which Debian does not ship. */
const MODULE = `
#include <stddef.h>
typedef struct Ctx Ctx; typedef struct Str Str; typedef struct Key Key;
static int (*GetApi)(const char *, void *);
static int (*SetModuleAttribs)(Ctx *, const char *, int, int);
static int (*CreateCommand)(Ctx *, const char *, int (*)(Ctx *, Str **, int), const char *, int, int, int);
static int (*ReplyWithString)(Ctx *, Str *);
static int (*ReplyWithSimpleString)(Ctx *, const char *);
static int (*WrongArity)(Ctx *);
static int echo(Ctx *c, Str **v, int n) { return n == 2 ? ReplyWithString(c, v[1]) : WrongArity(c); }
static int hello(Ctx *c, Str **v, int n) { (void)v; (void)n; return ReplyWithSimpleString(c, "hello"); }
int RedisModule_OnLoad(Ctx *c, Str **v, int n) {
  (void)v; (void)n;
  void *get = ((void **)c)[0];
  GetApi = (int (*)(const char *, void *))get;
  GetApi("RedisModule_SetModuleAttribs", &SetModuleAttribs);
  GetApi("RedisModule_CreateCommand", &CreateCommand);
  GetApi("RedisModule_ReplyWithString", &ReplyWithString);
  GetApi("RedisModule_ReplyWithSimpleString", &ReplyWithSimpleString);
  GetApi("RedisModule_WrongArity", &WrongArity);
  SetModuleAttribs(c, "sample", 1, 1);
  if (CreateCommand(c, "sample.echo", echo, "readonly", 1, 1, 1)) return 1;
  return CreateCommand(c, "sample.hello", hello, "readonly", 0, 0, 0);
}
`

describe('unknown commands', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())

  describe('renamed by the server', () => {
    let redis: RedisServer
    let respool: Respool
    let observer: Observer

    before(async () => {
      const renamed = ['GET', 'BLPOP', 'MULTI', 'SUBSCRIBE'].map((name) => [name, `MY${name}`])
      const args = [...renamed, ['INCR', '']].flatMap(([name, to]) => ['--rename-command', name, to])
      redis = suite.add(await startRedis({ args }))
      respool = suite.add(await startRespool({ upstream: redis.url }))
      observer = suite.add(await Observer.connect(redis.port))
    })

    it('the new name works, the old one is answered by the server', async () => {
      const client = suite.client(await RawClient.connect(respool.port))
      assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
      assert.equal(await ask(client, 'MYGET', 'k'), '$1\r\nv\r\n')
      assert.equal(await ask(client, 'myGet', 'k'), '$1\r\nv\r\n')
      for (const name of ['GET', 'INCR']) assert.match(await ask(client, name, 'k'), /^-ERR unknown command/)
      assert.deepEqual(
        await pipeline(client, [['SET', 'k', 'w'], ['MYGET', 'k'], ['MYMULTI'], ['MYGET', 'k'], ['EXEC']]),
        ['+OK\r\n', '$1\r\nw\r\n', '+OK\r\n', '+QUEUED\r\n', '*1\r\n$1\r\nw\r\n'],
      )
    })

    it('what needs a connection of its own gets it under a new name too', async () => {
      const [client, other] = await connectAll(respool.port, 2)
      assert.deepEqual(await pipeline(client, [['MYMULTI'], ['SET', 'k', 'queued']]), ['+OK\r\n', '+QUEUED\r\n'])
      assert.equal(await ask(other, 'SET', 'k', 'now'), '+OK\r\n')
      assert.equal(await ask(client, 'EXEC'), '*1\r\n+OK\r\n')
      assert.equal(await ask(other, 'MYGET', 'k'), '$6\r\nqueued\r\n')
      assert.match(await ask(client, 'MYSUBSCRIBE', 'c'), /^\*3\r\n\$9\r\nsubscribe/)
      assert.equal(await ask(other, 'PUBLISH', 'c', 'x'), ':1\r\n')
      assert.match(String(await client.frame()), /^\*3\r\n\$7\r\nmessage/)
      assert.equal(await ask(other, 'MYGET', 'k'), '$6\r\nqueued\r\n')
      for (const one of [client, other]) one.close()
    })

    it('a blocking command under a new name does not block others', async () => {
      const [waiting, ...others] = await connectAll(respool.port, 10)
      const woken = ask(waiting, 'MYBLPOP', 'queue', 0)
      await until(async () => (await observer.info('clients', 'blocked_clients')) === 1, 'it is blocked')
      for (const other of others) assert.equal(await ask(other, 'SET', 'k', 'v'), '+OK\r\n')
      assert.equal(await ask(others[0], 'RPUSH', 'queue', 'x'), ':1\r\n')
      assert.equal(await woken, '*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n')
      for (const client of [waiting, ...others]) client.close()
    })
  })

  describe('of a module', () => {
    const library = join(temporaryDirectory('respool-module'), 'sample.so')

    it('loaded before the proxy or while it runs: they work, and count under their own names', async (context) => {
      if (!compile(library)) return context.skip('there is no C compiler to make a module with')
      const redis = suite.add(await startRedis({ args: ['--enable-module-command', 'yes'] }))
      const respool = suite.add(await startRespool({ upstream: redis.url }))
      const [client, other] = await connectAll(respool.port, 2)
      assert.match(await ask(client, 'SAMPLE.HELLO'), /^-ERR unknown command/)
      assert.equal(await ask(client, 'MODULE', 'LOAD', library), '+OK\r\n')
      assert.equal(await ask(client, 'SAMPLE.ECHO', 'words'), '$5\r\nwords\r\n')
      assert.equal(await ask(other, 'sample.echo', 'again'), '$5\r\nagain\r\n')
      assert.equal(await ask(other, 'SAMPLE.HELLO'), '+hello\r\n')
      assert.match(await ask(other, 'SAMPLE.ECHO'), /^-ERR wrong number of arguments/)
      assert.equal(await respool.metric('redis_cmd_duration_seconds_count', { cmd: 'sample.echo', status: 'ok' }), 2)

      const later = suite.add(await startRespool({ upstream: redis.url }))
      const fresh = suite.client(await RawClient.connect(later.port))
      assert.equal(await ask(fresh, 'SAMPLE.ECHO', 'x'), '$1\r\nx\r\n')
      assert.match(await ask(fresh, 'HELLO', 3), /sample/)
      for (const one of [client, other]) one.close()
    })
  })

  it('names that are none, from many connections at once, are answered by Redis and asked about once', async () => {
    const redis = suite.add(await startRedis())
    const respool = suite.add(await startRespool({ upstream: redis.url }))
    const direct = suite.client(await RawClient.connect(redis.port))
    const clients = await connectAll(respool.port, 100)
    const expected = (await ask(direct, 'NOSUCH', 'a', 'b c')).replace('NOSUCH', 'name')
    const ends = await Promise.all(
      clients.map(async (client, nth) => {
        const replies = await pipeline(client, [
          ['SET', `k${nth}`, 'v'],
          ['NOSUCH', 'a', 'b c'],
          ['GET', `k${nth}`],
        ])
        return [replies[0], replies[1].replace('NOSUCH', 'name'), replies[2]]
      }),
    )
    for (const end of ends) assert.deepEqual(end, ['+OK\r\n', expected, '$1\r\nv\r\n'])
    const asked = await ask(direct, 'INFO', 'commandstats')
    assert.equal(Number(/cmdstat_command\|info:calls=(\d+)/.exec(asked)?.[1]), 1)
    for (const client of clients) client.close()
  })
})

function compile(library: string): boolean {
  const source = `${library}.c`
  writeFileSync(source, MODULE)
  return spawnSync('cc', ['-shared', '-fPIC', '-o', library, source]).status === 0
}
