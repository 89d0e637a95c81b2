"""What the Python programs share: named scenarios, run one after the other.

Usage: PROGRAM HOST PORT [default|2|3] [cluster|sentinel|tls CA-FILE]

Prints one JSON line {name, ok, detail} per scenario; exit code 0 when all are ok.
"""

import contextlib
import json
import signal
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])
PROTOCOL = sys.argv[3] if len(sys.argv) > 3 else "default"
# What HOST and PORT are told to be: one Redis, a node of a cluster, a sentinel, or one Redis with TLS.
TOPOLOGY = sys.argv[4] if len(sys.argv) > 4 else "one"
SCENARIOS = []


def scenario(name):
    def register(function):
        SCENARIOS.append((name, function))
        return function

    return register


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"got {actual!r:.300}, expected {expected!r:.300}")


def true(value, what):
    if not value:
        raise AssertionError(what)


def raises(kind, text, function):
    try:
        value = function()
    except kind as error:
        true(text in str(error), f"{error!r} lacks {text!r}")
        return
    raise AssertionError(f"no {kind.__name__}, but {value!r}")


def main(context=contextlib.nullcontext, seconds=10):
    """Plays all scenarios, each with a context of its own and within a time; gives the exit code."""

    def on_alarm(_signal, _frame):
        raise TimeoutError(f"no end after {seconds} s")

    signal.signal(signal.SIGALRM, on_alarm)
    failed = 0
    for name, function in SCENARIOS:
        signal.alarm(seconds)
        ok, detail = run(function, context)
        signal.alarm(0)
        failed += not ok
        print(json.dumps({"name": name, "ok": ok, "detail": detail}), flush=True)
    return 1 if failed else 0


def run(function, context):
    try:
        with context() as given:
            function(given)
        return True, ""
    except Exception as error:  # noqa: BLE001  every failure becomes a line of output
        own = [frame for frame in frames(error.__traceback__) if frame.tb_frame.f_code.co_filename == sys.argv[0]]
        line = f" (line {own[-1].tb_lineno})" if own else ""
        return False, f"{type(error).__name__}: {error}{line}"


def frames(traceback):
    while traceback:
        yield traceback
        traceback = traceback.tb_next
