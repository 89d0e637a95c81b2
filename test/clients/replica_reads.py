"""A redis-py client of the replicas that a sentinel names, told only where that is.

Usage: replica_reads.py HOST PORT

What is played: see replica_reads.ts.
"""

import contextlib
import sys

import redis
from redis.sentinel import Sentinel

from program import HOST, PORT, equal, main, raises, scenario

@scenario("reads")
def reads(r):
    for _ in range(20):
        equal(r.get("greeting"), b"hello")


@scenario("finds a replica")
def finds_a_replica(r):
    equal(r.info("replication")["role"], "slave")


@scenario("does not write there")
def does_not_write(r):
    raises(redis.ReadOnlyError, "You can't write against a read only replica", lambda: r.set("greeting", "x"))


@scenario("reads all of a transaction")
def transaction(r):
    equal(r.pipeline(transaction=True).get("greeting").strlen("greeting").execute(), [b"hello", 5])


if __name__ == "__main__":
    client = Sentinel([(HOST, PORT)]).slave_for("mymaster")
    sys.exit(main(lambda: contextlib.nullcontext(client)))
