"""The jobs of with_rq.py, as an application's module would hold them."""

import time

from rq import get_current_job


def add(x, y):
    return x + y


def fails(text):
    raise ValueError(text)


def succeeds_at_third(key):
    attempt = get_current_job().connection.incr(key)
    if attempt < 3:
        raise ValueError(f"attempt {attempt}")
    return int(attempt)


def sum_of_dependencies():
    return sum(job.return_value() for job in get_current_job().fetch_dependencies())


def takes_forever():
    time.sleep(60)
