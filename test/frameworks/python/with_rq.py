"""RQ: workers in processes of their own, jobs that succeed, fail, depend on others and come later."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import redis
from jobs import add, fails, succeeds_at_third, sum_of_dependencies, takes_forever
from program import HOST, PORT, equal, main, scenario, true
from rq import Queue, Retry, Worker
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job, JobStatus

SECONDS = 25
WORKER = [sys.executable, "-m", "rq.cli", "worker", "--url", f"redis://{HOST}:{PORT}", "--quiet"]

r = redis.Redis(host=HOST, port=PORT)


def start(*arguments):
    return subprocess.Popen([*WORKER, *arguments], cwd=os.path.dirname(__file__), stdout=sys.stderr)


def burst(queue):
    """Lets a worker do all that there is to do."""
    equal(start("--burst", queue.name).wait(timeout=SECONDS), 0)


@contextmanager
def worker(*arguments):
    """A worker that stays, and its name."""
    process = start(*arguments)
    try:
        until(lambda: Worker.all(connection=r), "the worker is there")
        (name,) = [known.name for known in Worker.all(connection=r)]
        yield process, name
    finally:
        process.kill()


def until(condition, what):
    deadline = time.monotonic() + SECONDS / 2
    while not condition():
        true(time.monotonic() < deadline, f"waited in vain until {what}")
        time.sleep(0.02)


@scenario("success and failure")
def success_and_failure(_):
    queue = Queue("first", connection=r)
    good, bad = queue.enqueue(add, 40, 2), queue.enqueue(fails, "on purpose")
    equal(queue.count, 2)
    burst(queue)
    equal((good.get_status(), good.return_value()), (JobStatus.FINISHED, 42))
    equal(bad.get_status(), JobStatus.FAILED)
    true("ValueError: on purpose" in bad.latest_result().exc_string, "another failure")
    equal(queue.failed_job_registry.get_job_ids(), [bad.id])
    equal(queue.finished_job_registry.get_job_ids(), [good.id])


@scenario("retries")
def retries(_):
    queue = Queue("retries", connection=r)
    job = queue.enqueue(succeeds_at_third, "attempts", retry=Retry(max=3))
    burst(queue)
    equal(job.return_value(), 3)


@scenario("jobs that depend on others")
def dependencies(_):
    queue = Queue("dependencies", connection=r)
    parts = [queue.enqueue(add, n, n) for n in range(3)]
    whole = queue.enqueue(sum_of_dependencies, depends_on=parts)
    equal(whole.get_status(), JobStatus.DEFERRED)
    burst(queue)
    equal(whole.return_value(), 6)


@scenario("many jobs at once")
def many(_):
    queue = Queue("many", connection=r)
    jobs = queue.enqueue_many([Queue.prepare_data(add, (n, n)) for n in range(10)])
    burst(queue)
    equal([Job.fetch(job.id, connection=r).return_value() for job in jobs], [2 * n for n in range(10)])


@scenario("a worker that waits for work")
def waits(_):
    queue = Queue("live", connection=r)
    with worker("--with-scheduler", queue.name) as (process, _name):
        for n in range(3):
            job = queue.enqueue(add, n, 1)
            until(lambda: job.get_status() == JobStatus.FINISHED, "a job is done")
            equal(job.return_value(), n + 1)
        later = queue.enqueue_in(timedelta(seconds=1), add, 1, 1)
        equal(later.get_status(), JobStatus.SCHEDULED)
        until(lambda: later.get_status() == JobStatus.FINISHED, "the scheduled job is done")
        process.terminate()
        equal(process.wait(timeout=SECONDS), 0)


@scenario("a worker that obeys commands")
def commands(_):
    queue = Queue("obedient", connection=r)
    with worker(queue.name) as (process, name):
        job = queue.enqueue(takes_forever)
        until(lambda: job.get_status() == JobStatus.STARTED, "a job has begun")
        send_stop_job_command(r, job.id)
        until(lambda: job.get_status() == JobStatus.STOPPED, "it is stopped")
        send_shutdown_command(r, name)
        equal(process.wait(timeout=SECONDS), 0)
    equal(Worker.all(connection=r), [])


@scenario("close")
def close(_):
    r.close()


sys.exit(main(seconds=SECONDS))
