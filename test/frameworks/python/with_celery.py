"""Celery: a worker of two processes, its broker and its results in Redis."""

import os
import signal
import subprocess
import sys
import time

from program import HOST, PORT, equal, main, raises, scenario, true

os.environ["REDIS_URL"] = f"redis://{HOST}:{PORT}/0"

from celery import chain, chord, group  # noqa: E402  the address comes first
from tasks import add, app, fails, reports, succeeds_at_third, total  # noqa: E402

SECONDS = 25
WORKER = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--loglevel=WARNING"]


@scenario("the worker answers a broadcast")
def ping(_):
    deadline = time.monotonic() + SECONDS
    while not (answers := app.control.ping(limit=1, timeout=1)):
        true(time.monotonic() < deadline, "no worker")
    equal([list(answer.values()) for answer in answers], [[{"ok": "pong"}]])


@scenario("a task and its result")
def result(_):
    task = add.delay(40, 2)
    equal(task.get(timeout=SECONDS), 42)
    equal(task.state, "SUCCESS")


@scenario("many tasks")
def many(_):
    job = group(add.s(n, n) for n in range(200))()
    equal(job.get(timeout=SECONDS), [2 * n for n in range(200)])


@scenario("a chain")
def a_chain(_):
    equal(chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=SECONDS), 10)


@scenario("a chord")
def a_chord(_):
    equal(chord((add.s(n, 1) for n in range(10)), total.s())().get(timeout=SECONDS), 55)


@scenario("a chain that ends in a chord")
def nested(_):
    flow = chain(add.s(1, 1), group(add.s(10), add.s(20)), total.s())
    equal(flow().get(timeout=SECONDS), 34)


@scenario("retries")
def retries(_):
    equal(succeeds_at_third.delay().get(timeout=SECONDS), 2)


@scenario("a failure")
def failure(_):
    task = fails.delay("on purpose")
    raises(ValueError, "on purpose", lambda: task.get(timeout=SECONDS))
    equal(task.state, "FAILURE")


@scenario("a task put off")
def put_off(_):
    begun = time.monotonic()
    equal(add.apply_async((1, 1), countdown=0.5).get(timeout=SECONDS), 2)
    true(time.monotonic() - begun >= 0.5, "too early")


@scenario("states while it runs")
def states(_):
    seen = []
    reports.delay().get(timeout=SECONDS, on_message=lambda message: seen.append(message["status"]))
    true("HALFWAY" in seen or seen == ["SUCCESS"], f"{seen}")
    equal(seen[-1], "SUCCESS")


@scenario("a task revoked")
def revoked(_):
    task = add.apply_async((1, 1), countdown=3600)
    inspector = app.control.inspect(timeout=SECONDS, limit=1)
    while not any(inspector.scheduled().values()):
        time.sleep(0.05)
    task.revoke()
    while task.state != "REVOKED":
        time.sleep(0.05)


@scenario("results forgotten")
def forgotten(_):
    task = add.delay(1, 1)
    task.get(timeout=SECONDS)
    task.forget()
    equal(app.AsyncResult(task.id).state, "PENDING")


@scenario("the worker ends when told")
def ends(_):
    app.control.shutdown()
    equal(worker.wait(timeout=SECONDS), 0)


@scenario("close")
def close(_):
    app.close()
    app.pool.force_close_all()
    app.backend.client.close()


worker = subprocess.Popen(WORKER, cwd=os.path.dirname(__file__), stdout=sys.stderr)
try:
    exit_code = main(seconds=SECONDS)
finally:
    if worker.poll() is None:
        worker.send_signal(signal.SIGKILL)
sys.exit(exit_code)
