"""Client-side caching of redis-py: what was read once is answered from memory until Redis says that it has changed."""

import sys
import time

import redis
from program import HOST, PORT, equal, main, scenario
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

# The library wants a newer server than Debian's, which has all that is needed.
CacheProxyConnection.MIN_ALLOWED_VERSION = "7.0.0"

r = redis.Redis(host=HOST, port=PORT, protocol=3, decode_responses=True, cache_config=CacheConfig(max_size=1000))
other = redis.Redis(host=HOST, port=PORT, decode_responses=True)


def gets():
    """How often Redis itself has been asked for values."""
    return other.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


def becomes(key, value):
    """Reads until the value is as expected: an invalidation takes a moment."""
    while r.get(key) != value:
        time.sleep(0.005)


@scenario("hits are answered locally")
def hits(_):
    other.set("a", "1")
    equal(r.get("a"), "1")
    before = gets()
    for _ in range(100):
        equal(r.get("a"), "1")
    equal(gets(), before)


@scenario("a write by another client invalidates")
def invalidation(_):
    for value in ["2", "3", "4"]:
        other.set("a", value)
        becomes("a", value)
    other.delete("a")
    becomes("a", None)


@scenario("a write of its own invalidates")
def own_write(_):
    r.set("own", "1")
    equal(r.get("own"), "1")
    r.set("own", "2")
    becomes("own", "2")


@scenario("hashes, many keys, expiry")
def more(_):
    other.hset("h", mapping={"one": "1", "two": "2"})
    equal(r.hgetall("h"), {"one": "1", "two": "2"})
    other.mset({"x": "1", "y": "2"})
    equal(r.mget("x", "y"), ["1", "2"])
    other.hset("h", "two", "II")
    while r.hgetall("h")["two"] != "II":
        time.sleep(0.005)
    other.set("short", "lived", px=50)
    equal(r.get("short"), "lived")
    becomes("short", None)


@scenario("FLUSHDB invalidates all")
def flush(_):
    other.mset({"p": "1", "q": "2"})
    equal([r.get("p"), r.get("q")], ["1", "2"])
    other.flushdb()
    becomes("p", None)
    becomes("q", None)


@scenario("many keys written while they are read")
def many(_):
    keys = [f"k{i}" for i in range(200)]
    for round in range(5):
        for key in keys:
            other.set(key, f"{round}")
            r.get(key)
    for key in keys:
        becomes(key, "4")


@scenario("close")
def close(_):
    r.close()
    other.close()


sys.exit(main(seconds=25))
