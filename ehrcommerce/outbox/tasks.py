"""The doorbell's other end: one id, one call."""

import logging
from typing import Any

from celery import shared_task
from celery.signals import task_postrun
from django.db import DatabaseError, connection

from ehrcommerce.outbox import services
from ehrcommerce.vault import walls

log = logging.getLogger(__name__)


@shared_task(name="ehrcommerce.outbox.run")
def run_effect(effect_id: str) -> None:
    """Nothing is raised into Celery: it would write the text of a fault, and with it the values of a row."""
    look(effect_id, in_turn=True)


def look(effect_id: str, *, in_turn: bool = False) -> None:
    """Run one effect, or, in turn, that of the organization whose turn it is; a fault ends here, by its name and place
    alone."""
    try:
        whose = services.turn(effect_id) if in_turn else None
        if whose is None or (not services.run(whose.effect_id) and whose.effect_id != effect_id):
            # Nobody's turn, or another worker was quicker: then what the bell is for.
            services.run(effect_id)
    except DatabaseError:
        log.exception("effect %s: the database does not answer, or refuses", effect_id)
        connection.close()
    except Exception:
        # A fault in one handler must not stop the hand for all; run() has noted it on the row.
        log.exception("effect %s: a fault of the program", effect_id)
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
    finally:
        # A thread of the sweeper is used again without Celery's signals.
        stand_outside()


@task_postrun.connect
def stand_outside(**_: Any) -> None:
    """No organization stays open on a connection that the next task will use."""
    if walls.current() is not None:
        walls.leave()
