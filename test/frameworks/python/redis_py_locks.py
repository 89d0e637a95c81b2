"""Locks of redis-py."""

import sys
import threading

import redis
from program import HOST, PORT, equal, main, raises, scenario, true
from redis.exceptions import LockNotOwnedError

r = redis.Redis(host=HOST, port=PORT)


@scenario("lock and release")
def lock_and_release(_):
    with r.lock("a", timeout=10) as lock:
        true(lock.locked() and lock.owned(), "not held")
        equal(r.get("a"), lock.local.token)
    equal(r.exists("a"), 0)


@scenario("refused while another holds it")
def refused(_):
    with r.lock("b", timeout=10):
        equal(r.lock("b").acquire(blocking=False), False)
        equal(r.lock("b", blocking_timeout=0.1).acquire(), False)
    with r.lock("b", timeout=10, blocking=False):
        pass


@scenario("extended")
def extended(_):
    lock = r.lock("c", timeout=5)
    equal(lock.acquire(), True)
    equal(lock.extend(60), True)
    true(r.pttl("c") > 30_000, "not extended")
    equal(lock.reacquire(), True)
    true(r.pttl("c") <= 5000, "not as at first")
    lock.release()


@scenario("lost when its time is over")
def lost(_):
    lock = r.lock("d", timeout=0.05)
    lock.acquire()
    other = r.lock("d", timeout=10)
    equal(other.acquire(blocking_timeout=5), True)
    raises(LockNotOwnedError, "longer own", lambda: lock.extend(1))
    raises(LockNotOwnedError, "no longer owned", lock.release)
    other.release()


@scenario("only one at a time of many")
def one_at_a_time(_):
    inside, crowds, failures = [], [], []

    def work():
        try:
            with r.lock("e", timeout=20, sleep=0.005):
                inside.append(1)
                if len(inside) > 1:
                    crowds.append(1)
                count = int(r.get("count") or 0)
                r.set("count", count + 1)
                inside.pop()
        except Exception as error:  # noqa: BLE001  reported below, whatever it is
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal((crowds, failures), ([], []))
    equal(r.get("count"), b"20")


@scenario("close")
def close(_):
    r.close()


sys.exit(main(seconds=25))
