"""How it goes, in charts that the server draws: the counts are those of the rows, each chart has its table, and each role sees
its own."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.accounts.figures import Chart, Row, draw, share, span
from ehrcommerce.accounts.models import Role
from ehrcommerce.commerce.offers.models import LinkState, Offer, PurchaseLink
from ehrcommerce.outbox.outcomes import NeedsHuman
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.vault import walls
from tests import factories
from tests.admin.conftest import SignedIn, signed_in, staff_user
from tests.commerce.shop import Shop

PAGE = "/admin/figures/"


def table(page: str, title: str) -> dict[str, str]:
    """The table below the chart of this title."""
    part = re.split(r"<section", page)
    (mine,) = [each for each in part if f">{title}</h2>" in each]
    return {
        re.sub(r"<[^>]+>", "", name).strip(): said
        for name, said in re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', mine)
    }


def page_of(as_role: SignedIn, role: str = Role.ADMINISTRATOR, time: str = "week") -> str:
    return as_role(role).get(f"{PAGE}?time={time}").content.decode()


def test_the_funnel_counts_the_links(as_role: SignedIn, shop: Shop) -> None:
    at = timezone.now()
    shop.accepted("device")
    for state in (LinkState.SENT, LinkState.OPENED, LinkState.VERIFIED):
        shop.link(DEVICE, state=state)
    PurchaseLink.objects.update(sent_at=at - timedelta(hours=3))
    PurchaseLink.objects.exclude(state="sent").update(opened_at=at - timedelta(hours=1))
    PurchaseLink.objects.filter(state__in=("verified", "completed")).update(verified_at=at)
    assert table(page_of(as_role), "From the link to the parcel") == {
        "Sent": "4 (100 %)", "Opened": "3 (75 %)", "Identity proven": "2 (50 %)", "Ordered": "1 (25 %)", "Shipped": "0 (0 %)",
    }  # fmt: skip
    assert table(page_of(as_role), "How long it takes")["Link sent until opened"] == "2 h, 2 h"


def test_the_time_that_is_chosen_counts(as_role: SignedIn, shop: Shop) -> None:
    shop.link(DEVICE, state=LinkState.SENT)
    PurchaseLink.objects.update(sent_at=timezone.now() - timedelta(days=3))
    assert table(page_of(as_role, time="week"), "From the link to the parcel")["Sent"] == "1 (100 %)"
    assert table(page_of(as_role, time="day"), "From the link to the parcel") == {}
    assert "last 7 days" in page_of(as_role, time="nonsense")


def test_a_language_that_lags_behind_is_seen(as_role: SignedIn, shop: Shop) -> None:
    shop.accepted("device")
    Offer.objects.filter(pk=shop.link(DEVICE, state=LinkState.SENT).offer_id).update(language="es")
    PurchaseLink.objects.update(sent_at=timezone.now())
    assert table(page_of(as_role), "Orders by language") == {"English": "100 %, 1 of 1", "Spanish": "0 %, 0 of 1"}


def test_what_fails_and_what_waits_have_their_reasons_and_lead_there(as_role: SignedIn, shop: Shop) -> None:
    shop.devices.faults.coming = [NeedsHuman("not_authorized")]
    shop.dispatched("device")
    page = page_of(as_role)
    assert table(page, "Waits for a person")["Order to the supplier: not_authorized"].startswith("1, oldest ")
    assert table(page, "What fails")["Order to the supplier"] == "100 %, 1 of 1"
    address = re.search(r'href="([^"]+)">Order to the supplier: not_authorized', page)
    assert address
    listed = as_role(Role.ADMINISTRATOR).get(address[1].replace("&amp;", "&"))
    assert listed.status_code == 200
    assert "1 effect" in listed.content.decode()


def test_each_role_sees_its_own_and_nobody_another_clinics(as_role: SignedIn, shop: Shop) -> None:
    shop.accepted("device")
    PurchaseLink.objects.update(sent_at=timezone.now())
    assert "Why money went back" in page_of(as_role, Role.OPERATIONS)
    assert "Why money went back" not in page_of(as_role, Role.CATALOG)
    assert "Who proved who they are" not in page_of(as_role, Role.INTEGRATION)
    other = signed_in(staff_user(factories.organization(), Role.ADMINISTRATOR))
    assert table(other.get(PAGE).content.decode(), "From the link to the parcel") == {}
    walls.enter(shop.clinic.pk)


def test_a_chart_says_in_words_what_it_draws_and_has_no_style_of_its_own(as_role: SignedIn, shop: Shop) -> None:
    shop.accepted("device")
    PurchaseLink.objects.update(sent_at=timezone.now())
    page = page_of(as_role)
    drawn = re.findall(r"<svg class=\"ec-chart\".*?</svg>", page, re.DOTALL)
    assert drawn
    for each in drawn:
        assert re.search(r'role="img" aria-labelledby="(c\d+)-t".*<title id="\1-t">[^<]{10,}</title>', each, re.DOTALL)
        assert "style=" not in each
    assert page.count("<table>") >= len(drawn)


def test_bars_are_as_long_as_their_numbers_and_something_is_never_nothing() -> None:
    bars = draw("c1", Chart("t", "m", [Row("a", 10_000, ""), Row("b", 5_000, ""), Row("c", 1, ""), Row("d", 0, "")])).bars
    assert [bar.width for bar in bars] == [300, 150, 2, 0]
    assert draw("c1", Chart("t", "m", [Row("a", 0, "")])).bars[0].width == 0


@pytest.mark.parametrize(("part", "whole", "said"), [(0, 0, "-"), (1, 3, "33 %"), (2, 3, "67 %"), (1, 200, "1 %")])
def test_a_share_is_rounded_as_people_do(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


def test_a_span_is_said_in_the_unit_that_fits() -> None:
    said = [span(timedelta(**each)) for each in ({"seconds": 30}, {"minutes": 90}, {"hours": 30}, {"days": 3})]
    assert said == ["under a minute", "90 min", "30 h", "3 days"]
    assert span(None) == "-"
