"""The agreement with an EHR ends while clinicians have charts open: each page says so, nothing is read and nothing
breaks. [design law 9]"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Agreement, Organization, User
from ehrcommerce.disclosure import door
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.ehr.views import stale
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr


@pytest.fixture(autouse=True)
def outside(clinic: Organization) -> Iterator[None]:
    yield
    walls.leave()


def end_agreements(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        Agreement.objects.all().delete()


@pytest.mark.parametrize(
    ("method", "where"), [("get", ""), ("get", "values/"), ("post", "values/"), ("post", "send/"), ("get", "links/")]
)
def test_without_an_agreement_every_page_of_a_chart_says_so(
    browser: Browser, ehr: FakeEhr, clinic: Organization, method: str, where: str
) -> None:
    place = browser.open()["Location"]
    end_agreements(clinic)
    ehr.asked.clear()
    response = getattr(browser.client, method)(f"{place}{where}")
    assert response.status_code == 403
    assert "no agreement in force" in page(response)
    assert "L-BAA" in page(response)
    assert not [path for path in ehr.paths() if "/Patient" in path]


def test_signing_out_needs_no_agreement(browser: Browser, clinic: Organization) -> None:
    place = browser.open()["Location"]
    end_agreements(clinic)
    assert browser.client.post(f"{place}leave/").status_code == 200
    with walls.organization(clinic.pk):
        assert EhrSession.objects.get().ended_at


def test_a_tab_that_was_left_behind_names_nobody_whose_agreement_ended(browser: Browser, clinic: Organization) -> None:
    old = browser.open()["Location"]
    browser.open()
    end_agreements(clinic)
    with walls.organization(clinic.pk):
        EhrSession.objects.filter(launch_key=old.split("/")[3]).update(ended_at=timezone.now())
    response = browser.client.post(f"{old}send/", {"shown": "Rivera, Cy"})
    assert response.status_code == 403
    assert "Rivera, Cy" in page(response)


# ------------------------------------------------------------------------------------------ launches of two clinics
def held(client: Client, session: EhrSession) -> None:
    """The browser holds this launch's cookie."""
    store = client.session.__class__()
    store[stale.SESSION_KEY] = session.launch_key
    store.create()
    client.cookies[f"__Host-l-{session.launch_key}"] = str(store.session_key)


def test_the_newest_launch_is_read_inside_the_walls_of_its_own_organization(
    connection: EhrConnection, ada: User, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = factories.organization()
    there = factories.ehr_connection(elsewhere)
    at = timezone.now()
    newest = factories.ehr_session(connection, ada, at=at)
    bo = factories.clinician(elsewhere, subject="bo")
    older = factories.ehr_session(there, bo, at=at - timedelta(minutes=4))
    client, seen = Client(), []
    held(client, newest)
    held(client, older)

    def banner(access: Any, **_: Any) -> Any:
        seen.append((access.organization_id, walls.current()))
        return type("Banner", (), {"name": "Rivera, Cy"})

    monkeypatch.setattr(door, "disclose_banner", banner)
    response = client.post("/ehr/c/unknown12345/send/", {"shown": "Somebody"})
    assert "Rivera, Cy" in page(response)
    assert seen == [(clinic.pk, clinic.pk)]
