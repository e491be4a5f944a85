"""The pairs of charts once more, down to what the staff is shown: a value that is revealed, the pages behind broken glass, the
audit as a file. Two charts that differ in forbidden elements alone give the same pages, byte for byte, but for what is drawn
anew for each request. [SEC-3.4.6]"""

import random
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import glass, reveal
from ehrcommerce.accounts.models import Organization, Role, User
from ehrcommerce.audit import balp
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.offers.models import Contact, OfferLine
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.vault import walls
from ehrcommerce.workbench import rotation
from tests import factories
from tests.admin.conftest import signed_in, staff_user
from tests.admin.test_reveal import WHY, code_of
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop
from tests.disclosure.conftest import AT, Open, ehr, opened
from tests.disclosure.fake_ehr import FakeEhr
from tests.minimization import pairs
from tests.minimization.conftest import Tell
from tests.minimization.test_noninterference import first_of

__all__ = ["commits", "ehr", "opened", "shop", "transactional_db"]
CHARTS, NIGHTLY_CHARTS, TWINS = 3, 60, 2
KINDS = ("prescription", "device", "kit")
DRAWN = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{24,}\b|/\d+/'
    r"|\d{4}-\d\d-\d\dT[0-9:.]+Z?|[A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}(?:, [\d:]+(?: [ap]\.m\.)?)?|\b(?:noon|midnight)\b"
    r"|\b\d{1,2}:\d\d(?::\d\d)?(?: [ap]\.m\.)?|\"id\": ?\"[\w.-]+\"|\"(?:value|sequence)\": ?\"?\d+\"?|\b\d+ (?:minutes?|seconds?)"
)


@pytest.fixture
def clinic(shop: Shop) -> Organization:
    """The clinic whose charts are read is the one that sells."""
    return shop.clinic


class Office:
    """The staff of the shop, and one order of each kind that is filled from whatever came through the door."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.order = shop.accepted(*KINDS)
        self.people = {role: staff_user(shop.clinic, role) for role in (Role.ADMINISTRATOR, Role.PRIVACY, Role.SUPPORT)}
        walls.enter(shop.clinic.pk)

    def pages(self, access: FhirAccess, by: Actor, user: str) -> str:
        """What is shown of one chart; nothing of it stays."""
        around = transaction.atomic()
        around._from_testcase = True  # type: ignore[attr-defined]
        with around:
            try:
                self._fill(access, by, user)
                shown = [*self._revealed(), *self._behind_glass(), self._exported()]
            finally:
                walls.enter(self.shop.clinic.pk)
                transaction.set_rollback(True)
        return DRAWN.sub("#", "\n\n".join(shown))

    def _fill(self, access: FhirAccess, by: Actor, user: str) -> None:
        page = door.disclose_chart(access, by=by, at=AT, fhir_user=f"Practitioner/{user}")
        ship_to = door.disclose_ship_to(access, by=by, at=AT)
        order = Order.objects.get(pk=self.order.pk)
        assert ship_to is not None
        order.ship_to = asdict(ship_to)
        order.save(update_fields=["ship_to"])
        items = {one.item.kind: one.item for one in reversed(page.orders) if not one.state.refusal}
        for line in OfferLine.objects.filter(offer=order.offer, kind__in=items):
            line.packet, line.digest = as_json(items[line.kind]), digest(items[line.kind])
            line.save(update_fields=["packet", "digest"])
        point = page.recipient.contacts[0]
        contact = Contact.objects.get(offer=order.offer)
        contact.value, contact.masked = point.value, point.masked
        contact.save(update_fields=["value", "masked"])

    def _revealed(self) -> list[str]:
        client = signed_in(self.people[Role.ADMINISTRATOR])
        found = []
        rows: dict[str, Any] = {
            "orders.order": self.order,
            "offers.contact": Contact.objects.get(offer=self.order.offer),
        }
        for name, what in sorted(reveal.REVEALABLE.items()):
            address = f"/admin/reveal/{name}/{rows[what.model._meta.label_lower].pk}/"
            found.append(self._said(client.get(address)))
            answer = client.post(address, {**WHY, "otp_token": code_of(Role.ADMINISTRATOR, self.shop)})
            assert answer.status_code == 200, (name, answer.status_code)
            found.append(self._said(answer))
        return found

    def _behind_glass(self) -> list[str]:
        user = self.people[Role.SUPPORT]
        client = signed_in(user)
        page = f"/admin/orders/order/{self.order.pk}/change/"
        whole = self._said(client.get(page))
        glass.begin(user=user, reason="safety", note="somebody may be harmed", at=timezone.now())
        broken = [self._said(client.get(page)), self._said(client.get("/admin/")),
                  self._said(client.get(f"/admin/offers/offer/{self.order.offer_id}/change/"))]  # fmt: skip
        assert "The glass is broken until" in broken[0]
        assert OfferLine.objects.filter(offer=self.order.offer).earliest("pk").sold_as in broken[0]
        return [whole, *broken]

    def _exported(self) -> str:
        walls.enter(self.shop.clinic.pk)
        factories.two_agree(self.shop.clinic, "bulk_export")
        user = User.objects.get(username=f"proposes-{self.shop.clinic.pk}")
        answer = signed_in(user).post(
            "/admin/audit/auditevent/export/", {"since": "2020-01-01", "until": "2100-01-01"}
        )  # fmt: skip
        said = answer.getvalue()
        walls.enter(self.shop.clinic.pk)
        assert b"AuditEvent" in said, said[:300]
        return said.decode()

    def _said(self, answer: Any) -> str:
        assert answer.status_code == 200, answer.status_code
        headers = sorted((name, value) for name, value in answer.items() if name not in ("Expires", "Content-Length"))
        return f"{headers}\n{answer.content.decode()}"


@pytest.fixture
def office(shop: Shop) -> Office:
    return Office(shop)


def compare(number: int, office: Office, ehr: FakeEhr, opened: Open, shake: Callable[..., Any] = pairs.shaken) -> None:
    dice = random.Random(f"pages {rotation.seed()} {number}")
    patient, user, resources = first_of(number, dice)
    access, by = opened(patient), office.shop.ada.actor
    shown = []
    for chart in [resources, *([shake(one, dice) for one in resources] for _ in range(TWINS))]:
        ehr.resources.clear()
        ehr.put(*chart)
        shown.append(office.pages(replace(access), by, user))
    for twin, other in enumerate(shown[1:]):
        differ = [pair for pair in zip(shown[0].splitlines(), other.splitlines(), strict=False) if pair[0] != pair[1]]
        assert shown[0] == other, (
            f"twin {twin} of chart {number} of seed {rotation.seed()} looks differently: {differ[:3]}"
        )


def test_what_the_staff_is_shown_of_a_pair_is_the_same(office: Office, ehr: FakeEhr, opened: Open, tell: Tell) -> None:
    for number in range(CHARTS):
        compare(number, office, ehr, opened)
    tell("Pairs whose staff pages came out equal", str(CHARTS * TWINS))


@pytest.mark.nightly
def test_sixty_charts_at_the_staffs_pages(office: Office, ehr: FakeEhr, opened: Open) -> None:
    for number in range(CHARTS, NIGHTLY_CHARTS):
        compare(number, office, ehr, opened)


@pytest.mark.parametrize("page", ["revealed", "glass", "export"])
def test_a_page_that_tells_more_is_seen(
    page: str, office: Office, ehr: FakeEhr, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: each of the pages says how much there was in the chart, and repeats nothing of it."""

    def size() -> str:
        return f"size {sum(len(str(one)) for one in ehr.resources.values())}"

    address, lines = reveal.REVEALABLE["orders.order.ship_to"], balp.lines
    more = replace(address, lines=lambda row: [*address.lines(row), ("More", size())])
    if page == "revealed":
        monkeypatch.setitem(reveal.REVEALABLE, address.name, more)
    elif page == "glass":
        monkeypatch.setattr(Order, "__str__", lambda row: f"{row.number} {size()}")
    else:
        monkeypatch.setattr(balp, "lines", lambda *args, **how: [*lines(*args, **how), size()])
    with pytest.raises(AssertionError, match="looks differently"):
        compare(0, office, ehr, opened)
