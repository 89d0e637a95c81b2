"""Everyday use of redis-py, told only a host and a port.

Usage: redis_py.py HOST PORT [default|2|3] [cluster|sentinel|tls CA-FILE]

Prints one JSON line {name, ok, detail} per scenario; exit code 0 when all are ok.
"""

import sys
import threading
import time
import uuid

import redis
from redis.sentinel import Sentinel

from program import HOST, PORT, PROTOCOL, TOPOLOGY, equal, main, raises, scenario, true


def connect(**options):
    if TOPOLOGY == "cluster":
        return redis.RedisCluster(host=HOST, port=PORT, **options)
    if TOPOLOGY == "sentinel":
        # Its clients come with a pool, which cannot be left out.
        if options.pop("single_connection_client", False):
            options["max_connections"] = 1
        return Sentinel([(HOST, PORT)]).master_for("mymaster", **options)
    if TOPOLOGY == "tls":
        return redis.Redis(host=HOST, port=PORT, ssl=True, ssl_ca_certs=sys.argv[5], **options)
    return redis.Redis(host=HOST, port=PORT, **options)


class Context:
    """The clients and the keys of one scenario."""

    def __init__(self):
        # One slot for all keys of a scenario.
        self.prefix = "{py:" + uuid.uuid4().hex[:12] + "}"
        self.clients = []
        self.r = self.client()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for client in self.clients:
            client.close()

    def client(self, **options):
        if PROTOCOL != "default":
            options["protocol"] = int(PROTOCOL)
        client = connect(**options)
        self.clients.append(client)
        return client

    def key(self, name):
        return f"{self.prefix}:{name}"


@scenario("connect and ping")
def connect_and_ping(c):
    equal(c.r.ping(), True)
    equal(c.r.echo("hello"), b"hello")


@scenario("strings")
def strings(c):
    r, k = c.r, c.key
    equal(r.set(k("a"), "one"), True)
    equal(r.get(k("a")), b"one")
    equal(r.set(k("a"), "two", nx=True), None)
    equal(r.set(k("a"), "two", get=True), b"one")
    equal(r.append(k("a"), "-three"), 9)
    equal(r.getrange(k("a"), 4, -1), b"three")
    equal(r.setrange(k("a"), 0, "TWO"), 9)
    equal(r.strlen(k("a")), 9)
    equal(r.mset({k("b"): "1", k("c"): "2"}), True)
    equal(r.mget(k("a"), k("b"), k("c"), k("none")), [b"TWO-three", b"1", b"2", None])
    equal(r.getdel(k("b")), b"1")
    equal(r.exists(k("a"), k("b"), k("c")), 2)
    equal(r.type(k("a")), b"string")
    equal(r.rename(k("a"), k("d")), True)
    equal(r.delete(k("c"), k("d"), k("none")), 2)


@scenario("counters")
def counters(c):
    r, k = c.r, c.key
    equal(r.incr(k("n")), 1)
    equal(r.incrby(k("n"), 41), 42)
    equal(r.decr(k("n")), 41)
    equal(r.incrbyfloat(k("f"), 10.5), 10.5)
    equal(r.get(k("n")), b"41")


@scenario("binary and empty values")
def binary_and_empty(c):
    every_byte = bytes(range(256)) + b"\r\n$-1\r\n*0\r\n"
    key = c.key("bin").encode() + b"\x00\xff\r\n"
    equal(c.r.set(key, every_byte), True)
    equal(c.r.get(key), every_byte)
    equal(c.r.set(c.key("empty"), b""), True)
    equal(c.r.get(c.key("empty")), b"")
    equal(c.r.strlen(c.key("empty")), 0)


@scenario("value of 1 MB")
def large_value(c):
    value = bytes(i * 31 % 251 for i in range(1024)) * 1024
    equal(c.r.set(c.key("large"), value), True)
    equal(c.r.strlen(c.key("large")), 1 << 20)
    true(c.r.get(c.key("large")) == value, "1 MB came back changed")


@scenario("expiry")
def expiry(c):
    r, k = c.r, c.key
    equal(r.setex(k("a"), 100, "v"), True)
    true(0 < r.ttl(k("a")) <= 100, "TTL after SETEX")
    equal(r.persist(k("a")), True)
    equal(r.ttl(k("a")), -1)
    equal(r.ttl(k("none")), -2)
    equal(r.expire(k("a"), 200), True)
    true(100_000 < r.pttl(k("a")) <= 200_000, "PTTL after EXPIRE")
    equal(r.set(k("b"), "v", px=1), True)
    deadline = time.monotonic() + 5
    while r.get(k("b")) is not None and time.monotonic() < deadline:
        time.sleep(0.002)
    equal(r.exists(k("b")), 0)


@scenario("hashes")
def hashes(c):
    r, k = c.r, c.key("h")
    equal(r.hset(k, mapping={"a": "1", "b": "2", "c": ""}), 3)
    equal(r.hget(k, "a"), b"1")
    equal(r.hgetall(k), {b"a": b"1", b"b": b"2", b"c": b""})
    equal(r.hmget(k, "a", "none", "c"), [b"1", None, b""])
    equal(r.hincrby(k, "a", 9), 10)
    equal(r.hdel(k, "b", "none"), 1)
    equal(r.hexists(k, "b"), False)
    equal(r.hlen(k), 2)
    equal(sorted(r.hkeys(k)), [b"a", b"c"])
    equal(sorted(r.hvals(k)), [b"", b"10"])
    equal(r.hgetall(c.key("none")), {})


@scenario("lists")
def lists(c):
    r, k = c.r, c.key("l")
    equal(r.rpush(k, "a", "b", "c"), 3)
    equal(r.lpush(k, "z"), 4)
    equal(r.lrange(k, 0, -1), [b"z", b"a", b"b", b"c"])
    equal(r.lpop(k), b"z")
    equal(r.rpop(k, 2), [b"c", b"b"])
    equal(r.linsert(k, "BEFORE", "a", "y"), 2)
    equal(r.lindex(k, 0), b"y")
    equal(r.lset(k, 0, "x"), True)
    equal(r.ltrim(k, 0, 0), True)
    equal(r.lmove(k, c.key("m"), "LEFT", "RIGHT"), b"x")
    equal(r.llen(k), 0)
    equal(r.lrange(c.key("m"), 0, -1), [b"x"])


@scenario("sets")
def sets(c):
    r, a, b = c.r, c.key("a"), c.key("b")
    equal(r.sadd(a, "1", "2", "3"), 3)
    equal(r.sadd(b, "2", "3", "4"), 3)
    equal(r.smembers(a), {b"1", b"2", b"3"})
    equal(bool(r.sismember(a, "1")), True)
    equal([bool(m) for m in r.smismember(a, "1", "9")], [True, False])
    equal(set(r.sinter(a, b)), {b"2", b"3"})
    equal(set(r.sunion(a, b)), {b"1", b"2", b"3", b"4"})
    equal(r.sdiffstore(c.key("d"), a, b), 1)
    equal(r.srem(a, "1", "9"), 1)
    equal(r.scard(a), 2)
    equal(r.spop(c.key("d")), b"1")


@scenario("sorted sets")
def sorted_sets(c):
    r, k = c.r, c.key("z")
    equal(r.zadd(k, {"a": 1, "b": 2.5, "c": 3}), 3)
    equal(r.zscore(k, "b"), 2.5)
    equal(r.zincrby(k, 0.25, "b"), 2.75)
    equal(r.zrange(k, 0, -1), [b"a", b"b", b"c"])
    equal([tuple(pair) for pair in r.zrange(k, 0, -1, withscores=True)], [(b"a", 1.0), (b"b", 2.75), (b"c", 3.0)])
    equal(r.zrangebyscore(k, "(1", "+inf"), [b"b", b"c"])
    equal(r.zrank(k, "c"), 2)
    equal(r.zrevrange(k, 0, 0), [b"c"])
    # redis-py 5 flattens the single pair that RESP3 gives.
    popped = r.zpopmin(k)
    equal([tuple(pair) for pair in popped] if isinstance(popped[0], (list, tuple)) else [tuple(popped)], [(b"a", 1.0)])
    equal(r.zcount(k, "-inf", "+inf"), 2)
    equal(r.zrem(k, "b"), 1)
    equal(r.zcard(k), 1)
    equal(r.zscore(k, "none"), None)


def stream_entries(reply):
    """XREAD's reply as {stream: entries}: redis-py gives a list of pairs or a dict, by version and protocol."""
    if not reply:
        return {}
    pairs = reply.items() if isinstance(reply, dict) else reply
    found = {}
    for name, entries in pairs:
        # RESP3's map holds the list of entries in a list of its own.
        nested = len(entries) == 1 and isinstance(entries[0], list)
        found[name] = [tuple(entry) for entry in (entries[0] if nested else entries)]
    return found


@scenario("streams")
def streams(c):
    r, k = c.r, c.key("s")
    equal(r.xadd(k, {"n": "1", "m": "x"}, id="1-1"), b"1-1")
    equal(r.xadd(k, {"n": "2"}, id="2-1"), b"2-1")
    true(b"-" in r.xadd(k, {"n": "3"}), "XADD * gives an id")
    equal(r.xlen(k), 3)
    equal(r.xrange(k, "-", "2"), [(b"1-1", {b"n": b"1", b"m": b"x"}), (b"2-1", {b"n": b"2"})])
    equal(r.xrevrange(k, "2-1", "-", count=1), [(b"2-1", {b"n": b"2"})])
    equal(stream_entries(r.xread({k: "1-1"}, count=1)), {k.encode(): [(b"2-1", {b"n": b"2"})]})
    equal(r.xdel(k, "1-1"), 1)
    equal(r.xtrim(k, maxlen=1, approximate=False), 1)
    equal(r.xinfo_stream(k)["length"], 1)


@scenario("stream consumer groups")
def stream_groups(c):
    r, k = c.r, c.key("s")
    equal(r.xgroup_create(k, "g", id="0", mkstream=True), True)
    raises(redis.ResponseError, "BUSYGROUP", lambda: r.xgroup_create(k, "g", id="0"))
    r.xadd(k, {"n": "1"}, id="1-1")
    r.xadd(k, {"n": "2"}, id="2-1")
    first = stream_entries(r.xreadgroup("g", "alice", {k: ">"}, count=1))
    equal(first, {k.encode(): [(b"1-1", {b"n": b"1"})]})
    second = stream_entries(r.xreadgroup("g", "bob", {k: ">"}))
    equal(second, {k.encode(): [(b"2-1", {b"n": b"2"})]})
    equal(stream_entries(r.xreadgroup("g", "bob", {k: ">"})), {})
    equal(r.xack(k, "g", "1-1"), 1)
    pending = r.xpending(k, "g")
    equal((pending["pending"], pending["min"]), (1, b"2-1"))
    detail = r.xpending_range(k, "g", "-", "+", 10)
    equal([(p["message_id"], p["consumer"], p["times_delivered"]) for p in detail], [(b"2-1", b"bob", 1)])
    equal(r.xclaim(k, "g", "carol", 0, ["2-1"]), [(b"2-1", {b"n": b"2"})])
    claimed = r.xautoclaim(k, "g", "dave", 0, start_id="0")
    equal((claimed[0], [tuple(entry) for entry in claimed[1]]), (b"0-0", [(b"2-1", {b"n": b"2"})]))
    equal(r.xinfo_groups(k)[0]["name"], b"g")
    equal(r.xgroup_destroy(k, "g"), 1)


def later(function):
    thread = threading.Timer(0.05, function)
    thread.start()
    return thread


@scenario("blocking stream read")
def blocking_stream_read(c):
    k, writer = c.key("s"), c.client()
    thread = later(lambda: writer.xadd(k, {"n": "1"}, id="5-1"))
    # From the beginning, since it may be late itself.
    equal(stream_entries(c.r.xread({k: "0"}, block=5000)), {k.encode(): [(b"5-1", {b"n": b"1"})]})
    thread.join()
    equal(stream_entries(c.r.xread({k: "$"}, block=50)), {})
    equal(c.r.xlen(k), 1)


@scenario("bitmaps")
def bitmaps(c):
    r, k = c.r, c.key("b")
    equal(r.setbit(k, 7, 1), 0)
    equal(r.setbit(k, 100, 1), 0)
    equal((r.getbit(k, 7), r.getbit(k, 8)), (1, 0))
    equal(r.bitcount(k), 2)
    equal(r.bitpos(k, 1), 7)
    equal(r.bitop("NOT", c.key("not"), k), 13)
    equal(r.bitcount(c.key("not")), 13 * 8 - 2)
    equal(r.bitfield(c.key("f")).set("u8", 0, 200).incrby("u8", 0, 100).execute(), [0, 44])


@scenario("geo")
def geo(c):
    r, k = c.r, c.key("g")
    equal(r.geoadd(k, [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]), 2)
    true(abs(r.geodist(k, "Palermo", "Catania", unit="km") - 166.2742) < 0.001, "GEODIST")
    equal([as_text(h) for h in r.geohash(k, "Palermo")], ["sqc8b49rny0"])
    longitude, latitude = r.geopos(k, "Catania")[0]
    true(abs(longitude - 15.087269) < 1e-5 and abs(latitude - 37.502669) < 1e-5, "GEOPOS")
    near = r.geosearch(k, longitude=15, latitude=37, radius=100, unit="km", withdist=True)
    equal([(name, round(distance)) for name, distance in near], [(b"Catania", 56)])
    equal(r.geopos(k, "Nowhere"), [None])


@scenario("scan loops")
def scan_loops(c):
    r, k = c.r, c.key
    with r.pipeline(transaction=False) as pipe:
        for i in range(600):
            pipe.set(k(f"k{i}"), i)
            pipe.hset(k("hash"), f"f{i}", i)
            pipe.sadd(k("set"), f"m{i}")
            pipe.zadd(k("zset"), {f"z{i}": i})
        pipe.execute()
    equal(set(r.scan_iter(match=k("k*"), count=50)), {k(f"k{i}").encode() for i in range(600)})
    equal(dict(r.hscan_iter(k("hash"), count=50)), {b"f%d" % i: b"%d" % i for i in range(600)})
    equal(set(r.sscan_iter(k("set"), count=50)), {b"m%d" % i for i in range(600)})
    equal(dict(map(tuple, r.zscan_iter(k("zset"), count=50))), {b"z%d" % i: float(i) for i in range(600)})
    cursor, some = r.scan(0, match=k("k*"), count=10)
    true(isinstance(cursor, int) and isinstance(some, list), "SCAN gives cursor and list")


@scenario("scripts")
def scripts(c):
    r, k = c.r, c.key
    equal(r.eval("return {KEYS[1], ARGV[1], 42, false}", 1, k("a"), "x"), [k("a").encode(), b"x", 42, None])
    unique = f"-- {c.prefix}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])"
    script = r.register_script(unique)
    raises(redis.exceptions.NoScriptError, "No matching script", lambda: r.evalsha(script.sha, 1, k("n"), 1))
    equal(script(keys=[k("n")], args=[5]), 5)
    equal(r.evalsha(script.sha, 1, k("n"), 2), 7)
    equal([bool(found) for found in r.script_exists(script.sha, "0" * 40)], [True, False])
    equal(r.script_load("return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
    raises(redis.ResponseError, "my own words", lambda: r.eval("return redis.error_reply('my own words')", 0))


@scenario("pipeline of 2000 commands")
def big_pipeline(c):
    k = c.key
    pipe = c.r.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(k(f"p{i}"), f"value {i}")
        pipe.get(k(f"p{i}"))
    replies = pipe.execute()
    equal(len(replies), 2000)
    equal(replies[0::2], [True] * 1000)
    equal(replies[1::2], [b"value %d" % i for i in range(1000)])


@scenario("error inside a pipeline")
def pipeline_error(c):
    k = c.key
    pipe = c.r.pipeline(transaction=False)
    pipe.set(k("a"), "text").incr(k("a")).get(k("a")).execute_command("NOSUCHCOMMAND", "x").set(k("b"), "after")
    replies = pipe.execute(raise_on_error=False)
    equal((replies[0], replies[2], replies[4]), (True, b"text", True))
    true(isinstance(replies[1], redis.ResponseError), "INCR of text is a ResponseError")
    equal(str(replies[1]), "value is not an integer or out of range")
    true(str(replies[3]).startswith("unknown command 'NOSUCHCOMMAND'"), f"{replies[3]!r}")
    equal(c.r.get(k("b")), b"after")


@scenario("transaction")
def transaction(c):
    k = c.key
    pipe = c.r.pipeline(transaction=True)
    pipe.set(k("a"), "1").incr(k("a")).hset(k("h"), "f", "v").hgetall(k("h")).get(k("none"))
    equal(pipe.execute(), [True, 2, 1, {b"f": b"v"}, None])
    pipe.set(k("a"), "text").incr(k("a")).set(k("b"), "done")
    replies = pipe.execute(raise_on_error=False)
    equal((replies[0], replies[2]), (True, True))
    true(isinstance(replies[1], redis.ResponseError), "INCR of text fails alone")


@scenario("transaction refused")
def transaction_refused(c):
    k = c.key
    pipe = c.r.pipeline(transaction=True)
    pipe.set(k("a"), "1").execute_command("GET")
    raises(redis.ResponseError, "wrong number of arguments", pipe.execute)
    equal(c.r.get(k("a")), None)


@scenario("watch conflict")
def watch_conflict(c):
    k, other = c.key("w"), c.client()
    c.r.set(k, "1")
    with c.r.pipeline() as pipe:
        pipe.watch(k)
        equal(pipe.get(k), b"1")
        other.set(k, "2")
        pipe.multi()
        pipe.set(k, "3")
        raises(redis.WatchError, "Watched variable changed", pipe.execute)
    equal(c.r.get(k), b"2")


@scenario("watch success")
def watch_success(c):
    k = c.key("w")
    c.r.set(k, "1")
    with c.r.pipeline() as pipe:
        pipe.watch(k)
        value = int(pipe.get(k))
        pipe.multi()
        pipe.set(k, value + 1).get(k)
        equal(pipe.execute(), [True, b"2"])
        pipe.watch(k)
        equal(pipe.unwatch(), True)
    equal(c.r.transaction(lambda p: p.multi() or p.incr(k), k), [3])


@scenario("blocking pop woken by a push")
def blocking_pop(c):
    k, writer = c.key("q"), c.client()
    thread = later(lambda: writer.rpush(k, "job"))
    equal(tuple(c.r.blpop([c.key("other"), k], timeout=5)), (k.encode(), b"job"))
    thread.join()
    thread = later(lambda: writer.zadd(c.key("z"), {"m": 1}))
    equal(tuple(c.r.bzpopmin(c.key("z"), timeout=5)), (c.key("z").encode(), b"m", 1.0))
    thread.join()
    equal(c.r.llen(k), 0)


@scenario("blocking pop timing out")
def blocking_pop_timeout(c):
    equal(c.r.blpop(c.key("q"), timeout=0.1), None)
    equal(c.r.blmove(c.key("q"), c.key("p"), 0.1), None)
    equal(c.r.rpush(c.key("q"), "late"), 1)
    equal(c.r.lrange(c.key("q"), 0, -1), [b"late"])


def next_message(pubsub):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        message = pubsub.get_message(timeout=0.5)
        if message is not None:
            return message["type"], message["channel"], message["data"]
    raise AssertionError("no message within 5 s")


@scenario("pub/sub channels")
def pubsub_channels(c):
    one, two = c.key("one"), c.key("two")
    p = c.r.pubsub()
    p.subscribe(one, two)
    equal(next_message(p), ("subscribe", one.encode(), 1))
    equal(next_message(p), ("subscribe", two.encode(), 2))
    equal(c.client().publish(one, "hello"), 1)
    equal(next_message(p), ("message", one.encode(), b"hello"))
    for i in range(100):
        c.r.publish(two, i)
    equal([next_message(p)[2] for _ in range(100)], [b"%d" % i for i in range(100)])
    equal(c.r.pubsub_numsub(one), [(one.encode(), 1)])
    p.unsubscribe(one)
    equal(next_message(p), ("unsubscribe", one.encode(), 1))
    equal(c.r.publish(one, "nobody"), 0)
    p.ping()
    equal(p.get_message(timeout=5)["type"], "pong")
    p.unsubscribe()
    equal(next_message(p), ("unsubscribe", two.encode(), 0))
    p.close()


@scenario("pub/sub patterns")
def pubsub_patterns(c):
    p = c.r.pubsub(ignore_subscribe_messages=False)
    p.psubscribe(c.key("news.*"))
    equal(next_message(p), ("psubscribe", c.key("news.*").encode(), 1))
    equal(c.r.publish(c.key("news.art"), "x"), 1)
    message = p.get_message(timeout=5)
    equal(message["type"], "pmessage")
    equal((message["pattern"], message["channel"]), (c.key("news.*").encode(), c.key("news.art").encode()))
    equal(message["data"], b"x")
    p.punsubscribe()
    equal(next_message(p), ("punsubscribe", c.key("news.*").encode(), 0))
    p.close()


@scenario("sharded pub/sub")
def sharded_pubsub(c):
    names = [f"{c.prefix.strip('{}')}:{i}" for i in range(6)]
    p = c.r.pubsub()

    def heard():
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            message = p.get_sharded_message(timeout=0.5)
            if message is not None:
                return message["type"], message["channel"], message["data"]
        raise AssertionError("no message within 5 s")

    # All of them hash to different slots, so they are asked for one by one.
    for i, name in enumerate(names):
        p.ssubscribe(name)
        equal(heard(), ("ssubscribe", name.encode(), i + 1))
    for i in range(10):
        for name in names:
            equal(c.r.spublish(name, i), 1)
    everything = [heard() for _ in range(10 * len(names))]
    for name in names:
        own = [data for kind, channel, data in everything if (kind, channel) == ("smessage", name.encode())]
        equal(own, [b"%d" % i for i in range(10)])
    for i, name in enumerate(names):
        p.sunsubscribe(name)
        equal(heard(), ("sunsubscribe", name.encode(), len(names) - i - 1))
        equal(c.r.spublish(name, "nobody"), 0)
    p.close()


@scenario("databases")
def databases(c):
    k, third = c.key("same"), c.client(db=3)
    equal(c.r.set(k, "zero"), True)
    equal(third.get(k), None)
    equal(third.set(k, "three"), True)
    for _ in range(20):
        equal((c.r.get(k), third.get(k)), (b"zero", b"three"))
    equal(third.delete(k), 1)
    equal(c.r.get(k), b"zero")
    single = c.client(single_connection_client=True)
    equal(single.select(3), True)
    equal(single.get(k), None)
    equal(single.select(0), True)
    equal(single.get(k), b"zero")


@scenario("wrong type error")
def wrong_type(c):
    c.r.set(c.key("s"), "text")
    text = "Operation against a key holding the wrong kind of value"
    raises(redis.ResponseError, text, lambda: c.r.lpush(c.key("s"), "x"))
    raises(redis.ResponseError, "wrong number of arguments for 'get' command", lambda: c.r.execute_command("GET"))
    equal(c.r.get(c.key("s")), b"text")


@scenario("missing keys")
def missing_keys(c):
    r, k = c.r, c.key("none")
    equal((r.get(k), r.hget(k, "f"), r.lpop(k), r.spop(k), r.zscore(k, "m")), (None,) * 5)
    equal((r.lrange(k, 0, -1), r.exists(k), r.delete(k), r.type(k)), ([], 0, 0, b"none"))


@scenario("server info")
def server_info(c):
    info = c.r.info()
    equal((info["role"], info["loading"]), ("master", 0))
    true("run_id" not in c.r.info("memory") and "used_memory" in c.r.info("memory"), "INFO of one section")
    true(info["redis_version"].count(".") >= 1, "INFO names a version")
    equal(c.r.config_get("databases"), {"databases": "16"})
    true(abs(c.r.time()[0] - time.time()) < 60, "TIME")
    true(c.r.dbsize() >= 0, "DBSIZE")
    true(c.r.command_count() > 100, "COMMAND COUNT")


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


@scenario("client names")
def client_names(c):
    one, two = c.client(client_name="one-" + c.prefix), c.client(single_connection_client=True)
    equal(as_text(one.client_getname()), "one-" + c.prefix)
    equal(two.client_getname(), None)
    equal(two.client_setname("two"), True)
    equal(as_text(two.client_getname()), "two")
    equal(as_text(one.client_getname()), "one-" + c.prefix)


@scenario("client list and id")
def client_list(c):
    name = "me-" + c.prefix
    me = c.client(client_name=name, single_connection_client=True)
    number = me.client_id()
    equal(me.client_id(), number)
    mine = [entry for entry in me.client_list() if entry["name"] == name]
    equal([int(entry["id"]) for entry in mine], [number])
    equal(me.client_info()["name"], name)
    true(c.client(single_connection_client=True).client_id() != number, "ids differ")


@scenario("many connections at once")
def many_connections(c):
    failures = []

    def work(number):
        try:
            client = c.client()
            for i in range(25):
                client.set(c.key(f"{number}"), f"{number}:{i}")
                equal(client.get(c.key(f"{number}")), f"{number}:{i}".encode())
        except Exception as error:  # noqa: BLE001  reported below, whatever it is
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [])


@scenario("quit and close")
def quit_and_close(c):
    r = c.client(single_connection_client=True)
    equal(r.quit(), True)
    r.close()
    equal(c.r.ping(), True)
    c.r.close()
    equal(c.r.ping(), True)


if __name__ == "__main__":
    sys.exit(main(Context))
