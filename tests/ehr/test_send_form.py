"""What the clinician ticked and chose is what was shown, and nothing is ticked for somebody else."""

from datetime import date
from typing import Any, cast

import pytest
from django.http import QueryDict
from django.test import RequestFactory

from ehrcommerce.accounts.models import User
from ehrcommerce.commerce.catalog.models import Product, ProductCode
from ehrcommerce.ehr import leaving
from ehrcommerce.ehr.forms import SendForm
from ehrcommerce.ehr.order_rows import rows_of
from ehrcommerce.ehr.views import clinician, made
from ehrcommerce.policy.packets import (
    DEVICE,
    PRESCRIPTION,
    ChartOrder,
    ChartPage,
    Coding,
    ContactPoint,
    OrderedItem,
    OrderState,
    PatientBanner,
    RecipientFacts,
)

TODAY = date(2026, 11, 21)
MOBILE, HOME = ContactPoint("phone", "+12065550142", "mobile"), ContactPoint("phone", "+12065550199", "home")


def sent_to(mark: str) -> SendForm:
    form = SendForm(QueryDict(f"patient=p&language=en&order=k&send_to={mark}"))
    assert form.is_valid()
    return form


def test_the_contact_that_was_shown_is_used_wherever_the_chart_lists_it_now() -> None:
    form = sent_to(leaving.contact_mark(MOBILE))
    assert clinician._contact(form, (MOBILE, HOME)) == MOBILE
    assert clinician._contact(form, (HOME, MOBILE)) == MOBILE
    assert clinician._contact(form, (HOME,)) is None


@pytest.mark.parametrize("mark", ["", "0", "1", "²", "x" * 64])
def test_a_place_in_the_list_chooses_nobody(mark: str) -> None:
    assert clinician._contact(sent_to(mark), (MOBILE, HOME)) is None


def test_the_mark_of_a_contact_tells_nothing_of_it() -> None:
    assert MOBILE.value[-4:] not in leaving.contact_mark(MOBILE)
    assert leaving.contact_mark(MOBILE) != leaving.contact_mark(HOME)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("orderer", "user", "ticked"),
    [("", "", False), (" ", " ", False), ("Ada Lund", "Ada Lund", True), ("Ada Lund", "", False)],
)
def test_an_order_of_nobody_is_not_ticked_for_a_clinician_without_a_name(
    ada: User, orderer: str, user: str, ticked: bool
) -> None:
    ada.display_name, ada.npi = user, ""
    product = Product.objects.create(
        organization=ada.organization, sku="MASK", kind=DEVICE, name_en="Mask", name_es="Mascarilla", price_cents=6990
    )
    ProductCode.objects.create(organization=ada.organization, product=product, system="urn:codes", code="A7034")
    item = OrderedItem(
        key="k", kind=DEVICE, name="mask", codings=(Coding("urn:codes", "A7034"),), orderer_name=orderer,
        ordered_on=TODAY.isoformat(),
    )  # fmt: skip
    page = ChartPage(
        banner=PatientBanner("Rivera", "Cy", "1968-03-14"),
        recipient=RecipientFacts("p", b"", b"", b"", (MOBILE,), "en"),
        orders=(ChartOrder(item, OrderState("1", "", "active")),),
    )
    (row,) = rows_of(page, user=ada, today=TODAY, focus=[])
    assert row.selectable
    assert row.ticked == ticked


@pytest.mark.django_db
def test_what_nobody_can_change_is_said_before_what_the_chart_could(ada: User) -> None:
    """Who renews a controlled medicine because it is old is refused a second time."""
    product = Product.objects.create(
        organization=ada.organization, sku="C4", kind=PRESCRIPTION, name_en="C", name_es="C", price_cents=100,
        controlled_schedule="CIV",
    )  # fmt: skip
    ProductCode.objects.create(organization=ada.organization, product=product, system="urn:codes", code="c4")
    said = {}
    for key, code in (("controlled", "c4"), ("unknown", "other")):
        item = OrderedItem(key=key, kind=PRESCRIPTION, name="x", codings=(Coding("urn:codes", code),))
        page = ChartPage(
            banner=PatientBanner("Rivera", "Cy", "1968-03-14"),
            recipient=RecipientFacts("p", b"", b"", b"", (MOBILE,), "en"),
            orders=(ChartOrder(item, OrderState("1", "", "active", "too_old")),),
        )
        (row,) = rows_of(page, user=ada, today=TODAY, focus=[])
        said[key] = row.refusal.code if row.refusal else ""
    assert said == {"controlled": "controlled", "unknown": "too_old"}


def test_a_page_that_asks_again_by_itself_is_told_from_a_person() -> None:
    looks = RequestFactory().get("/", headers={"Sec-Fetch-Dest": "document"})
    polls = RequestFactory().get("/", headers={"Sec-Fetch-Dest": "empty"})
    assert [made._by_itself(cast(Any, each)) for each in (looks, polls)] == [False, True]
