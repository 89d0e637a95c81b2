"""Sessions that count with redis-py, each over a connection of its own.

Usage: counting.py HOST PORT SESSIONS NAME

What a session does, and what is printed: see counting.ts.
"""

import sys
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST, PORT, SESSIONS, NAME = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
KEYS, AT_ONCE = 300, 6
over = threading.Event()


def play(client, session, step):
    numbers = [(step * AT_ONCE + i) % KEYS for i in range(AT_ONCE)]
    counters = [f"counter:{session}:{number}" for number in numbers]
    # Two in each slot.
    texts = [f"text:{{{session}:{number >> 1}}}:{number}" for number in numbers]
    values = [f"{text} {step}" for text in texts]
    if step % 5 == 0:
        record("incr", counters[0], "", caught(client.incr, counters[0]))
    elif step % 5 == 1:
        replies = caught(pipeline, client, counters, texts, values)
        if isinstance(replies, Exception):
            replies = [replies] * 3 * AT_ONCE
        for i in range(AT_ONCE):
            record("incr", counters[i], "", replies[3 * i])
            record("set", texts[i], values[i], replies[3 * i + 1])
            record("get", texts[i], "", replies[3 * i + 2])
    elif step % 5 == 2:
        done = caught(client.mset, dict(zip(texts, values, strict=True)))
        for text, value in zip(texts, values, strict=True):
            record("mset", text, value, done)
        got = caught(client.mget, texts)
        for i, text in enumerate(texts):
            record("get", text, "", got if isinstance(got, Exception) else got[i])
    elif step % 5 == 3:
        record("exec", counters[0], "", caught(transact, client, counters[0]))
    else:
        replies = caught(multi, client, counters[0])
        failed = isinstance(replies, Exception)
        record("multi", counters[0], "" if failed else replies[1].decode(), replies if failed else replies[0])


def pipeline(client, counters, texts, values):
    with client.pipeline(transaction=False) as pipe:
        for counter, text, value in zip(counters, texts, values, strict=True):
            pipe.incr(counter).set(text, value).get(text)
        return pipe.execute(raise_on_error=False)


def transact(client, key):
    """WATCH and GET the counter, then INCR it in a transaction; None if the key had changed."""
    with client.pipeline() as pipe:
        pipe.watch(key)
        pipe.get(key)
        pipe.multi()
        pipe.incr(key)
        try:
            return pipe.execute()[0]
        except redis.WatchError:
            return None


def multi(client, key):
    """INCR and GET of the counter in a transaction that goes out in one write."""
    with client.pipeline() as pipe:
        return pipe.incr(key).get(key).execute()


def caught(function, *arguments):
    try:
        return function(*arguments)
    except redis.RedisError as error:
        return error


def record(operation, key, value, reply):
    """An error begins with `!`, and None is `~`."""
    if isinstance(reply, Exception):
        # The library takes the word for the kind of error off.
        text = f"!{PREFIXES.get(type(reply), '')}{reply}"
    elif isinstance(reply, bytes):
        text = reply.decode()
    else:
        text = "~" if reply is None else "OK" if reply is True else str(reply)
    sys.stdout.write("\t".join((operation, key, value, " ".join(text.split()))) + "\n")


PREFIXES = {
    redis.exceptions.MovedError: "MOVED ",
    redis.exceptions.AskError: "ASK ",
    redis.exceptions.TryAgainError: "TRYAGAIN ",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN ",
    redis.exceptions.MasterDownError: "MASTERDOWN ",
    redis.exceptions.BusyLoadingError: "LOADING ",
    redis.exceptions.ReadOnlyError: "READONLY ",
    redis.exceptions.ExecAbortError: "EXECABORT ",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT ",
}


def session(number):
    client = redis.Redis(host=HOST, port=PORT, retry=Retry(NoBackoff(), 0))
    step = number
    while not over.is_set():
        play(client, f"{NAME}:{number}", step)
        step += 1
    client.close()


threads = [threading.Thread(target=session, args=(number,)) for number in range(SESSIONS)]
for thread in threads:
    thread.start()
sys.stdin.read()
over.set()
for thread in threads:
    thread.join()
