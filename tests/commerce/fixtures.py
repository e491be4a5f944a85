"""The shop, on a database that commits: effects are claimed, settled and fenced by commits, so a test that rolls back
would test something else. Each shop is its own organization behind its own walls; nothing needs to be removed.

A conftest that wants them says: from tests.commerce.fixtures import commits, shop, transactional_db"""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from ehrcommerce.outbox import doorbell
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.suppliers import chosen
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.shop import Shop


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """In place of pytest-django's, which empties every table after every test. It goes by this name because that is how
    pytest-django knows that a test needs the database."""
    with django_db_blocker.unblock():
        yield
        walls.leave()


@pytest.fixture
def commits(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test database without a transaction around the test, and with nobody listening to the doorbell."""
    monkeypatch.setattr(doorbell, "ring", lambda effect_id, queue: None)


@pytest.fixture
def shop(commits: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A clinic with every kind of supplier; its walls are entered."""
    clinic = factories.organization()
    walls.enter(clinic.pk)
    made = Shop(clinic, factories.clinician(clinic, subject="ada"))
    made.add_suppliers()
    monkeypatch.setattr(chosen, "adapter_of", made.adapter_of)
    monkeypatch.setattr(chosen, "chart", lambda: made.chart)
    yield made
    walls.enter(clinic.pk)
    Effect.objects.filter(state__in=OPEN).update(state="rejected", next_run_at=None)
