"""redis-py looks for all keys of 100,000, of which each hundredth is a list.

Usage: scan_all.py HOST PORT

Prints one JSON line {name, ok, detail} per scenario; exit code 0 when all are ok.
"""

import collections
import sys

import redis

from program import HOST, PORT, equal, main, scenario

ALL = {b"key:%d" % i for i in range(100_000)}
client = redis.Redis(host=HOST, port=PORT)


def each_once(found, expected):
    counts = collections.Counter(found)
    equal(len(set(counts) - expected), 0)
    equal(len(expected - set(counts)), 0)
    equal([key for key, count in counts.items() if count != 1][:5], [])


@scenario("scan_iter")
def all_keys(_context):
    each_once(client.scan_iter(), ALL)


@scenario("scan_iter with COUNT")
def with_count(_context):
    each_once(client.scan_iter(count=1000), ALL)


@scenario("scan_iter with MATCH")
def with_match(_context):
    each_once(client.scan_iter(match="key:*7", count=1000), {key for key in ALL if key.endswith(b"7")})


@scenario("scan_iter with TYPE")
def with_type(_context):
    each_once(client.scan_iter(_type="list", count=1000), {b"key:%d" % i for i in range(0, 100_000, 100)})


@scenario("KEYS and DBSIZE")
def at_once(_context):
    each_once(client.keys(), ALL)
    equal(client.dbsize(), len(ALL))


if __name__ == "__main__":
    sys.exit(main(seconds=60))
