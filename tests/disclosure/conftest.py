"""An EHR on loopback and the right to read Cy's chart there."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr.handles import key_maker
from ehrcommerce.vault import walls
from ehrcommerce.wire import exchange
from ehrcommerce.wire.client import Partner
from tests import factories
from tests.disclosure import charts, fake_ehr
from tests.disclosure.fake_ehr import FakeEhr

AT = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
Open = Callable[..., FhirAccess]


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr.running() as server:
        server.put(charts.patient())
        yield server


@pytest.fixture
def opened(ehr: FakeEhr, clinic: Organization) -> Iterator[Open]:
    """Make a FhirAccess to one patient's chart, with the clinic's walls entered and an agreement in force."""
    row = factories.ehr_connection(clinic, fhir_base=ehr.base)

    def make(patient_id: str = "cy", **changes: Any) -> FhirAccess:
        partner = Partner(name="ehr", base_url=ehr.base, read_s=2.0, at_once=16)
        access = FhirAccess(
            partner=partner, base=ehr.base, bearer="a-token", patient_id=patient_id, organization_id=clinic.pk,
            connection_party=row.party, key_of=key_maker(row), place="launch:test",
        )  # fmt: skip
        return replace(access, **changes)

    with walls.organization(clinic.pk):
        yield make


@pytest.fixture
def only_the_ehr(ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever the answers say, no connection is opened to anybody but the EHR."""
    peers, look = set[int](), exchange._outside

    def seen(sock: socket.socket) -> socket.socket:
        peers.add(sock.getpeername()[1])
        return look(sock)

    monkeypatch.setattr(exchange, "_outside", seen)
    yield
    assert peers <= {urlsplit(ehr.base).port}


@pytest.fixture
def access(opened: Open) -> FhirAccess:
    return opened()


@pytest.fixture
def by(ada: User) -> Any:
    return ada.actor
