"""The tasks of with_celery.py, as an application's module would hold them."""

import os

from celery import Celery, Task

URL = os.environ["REDIS_URL"]

app = Celery("tasks", broker=URL, backend=URL)
app.conf.update(
    task_track_started=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    # A task comes back when its time is over; nothing here should take that long.
    broker_transport_options={"visibility_timeout": 3600},
)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=5)
def succeeds_at_third(self: Task):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def fails(text):
    raise ValueError(text)


@app.task(bind=True)
def reports(self: Task):
    self.update_state(state="HALFWAY", meta={"done": 50})
    return "done"
