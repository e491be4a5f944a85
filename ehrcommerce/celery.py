"""Celery is a doorbell: it carries one opaque id that says "look at this row". Whatever is lost here, the sweeper
finds (docs/decisions/0001). So: no result backend, no ETA, no retries of its own, early acknowledgement."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.entity import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ehrcommerce.settings.production")

# A process that only publishes gives a silent broker one second; a worker's own blocking read needs longer.
PUBLISHES_ONLY = "worker" not in sys.argv
QUICK = {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0, "retry_on_timeout": False}

app = Celery("ehrcommerce")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_store_eager_result=False,
    result_backend=None,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    task_acks_late=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    # A broker may be away for hours: the worker waits for it, the sweeper works meanwhile.
    broker_connection_max_retries=None,
    # Apart, so that a flood of partner work never delays a message that a patient waits for. A worker that is told no
    # queues hears every bell; a site may give each its own workers (-Q).
    task_queues=[Queue(name, exchange=name, routing_key=name) for name in ("patient", "partner", "chart", "bulk")],
    task_default_queue="partner",
    task_publish_retry=False,
    broker_connection_timeout=1 if PUBLISHES_ONLY else 4,
    broker_transport_options=QUICK if PUBLISHES_ONLY else {},
    # Celery closes the database connection around every task unless told how often one may be used again.
    CELERY_DB_REUSE_MAX=1_000_000,
    worker_redirect_stdouts=False,
)
app.autodiscover_tasks(["ehrcommerce.outbox"])


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """Celery's own loggers print return values and exception texts: Django's configuration stays in force."""
