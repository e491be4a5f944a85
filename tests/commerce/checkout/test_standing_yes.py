"""A yes to kits to come: asked in a box of its own that may stay empty, shown and taken back under "your data"."""

import re
from collections.abc import Iterator

import pytest

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.policy.packets import OrderedItem
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, Shop, words
from tests.commerce.checkout.doubles import Chart

KIT = OrderedItem(key="order-3", kind="kit", name="HbA1c", orderer_name="Dr. Okafor")
BOX = "agree_standing"


@pytest.fixture
def cy(shop: Shop) -> Iterator[Cy]:
    Chart.ships_kits = True
    shop.products["KIT"] = Product.objects.create(
        organization=shop.clinic, sku="KIT", kind="kit", name_en="A1c kit", name_es="Kit de A1c", price_cents=0
    )
    yield Cy(shop, shop.offer(("KIT", KIT)))
    Chart.ships_kits = False


def standing(cy: Cy) -> list[Consent]:
    with walls.organization(cy.shop.clinic.pk):
        subject = consent.standing_subject("customer-cy")
        return list(Consent.objects.select_related("text").filter(subject=subject).order_by("pk"))


def agree(cy: Cy, **changes: str) -> object:
    return cy.post("/c/price/", **{**cy.boxes(), "quote": cy.quote(), **changes})


def test_the_box_is_empty_and_the_order_goes_on_without_it(cy: Cy) -> None:
    cy.choose()
    page = cy.get("/c/price/")
    assert " checked" not in page.content.decode()
    assert "Yes, next time send me a kit like this without asking first" in words(page)
    assert "You can leave this box empty. Your order does not change." in words(page)
    assert cy.post("/c/price/", agree_kit=cy.boxes()["agree_kit"], quote=cy.quote()).status_code == 302
    assert standing(cy) == []


def test_who_ticks_it_has_said_yes_in_exactly_these_words(cy: Cy) -> None:
    cy.choose()
    shown = words(cy.get("/c/price/"))
    agree(cy)
    (yes,) = standing(cy)
    assert (yes.purpose, yes.recipient_name, yes.identity_level, yes.attested_by) == ("kit", "Kit lab", 2, "")
    for line in yes.text.text.splitlines()[:-1]:
        assert line in shown
    assert BOX not in cy.get("/c/price/").content.decode(), "who has agreed is not asked again"


def test_a_tick_beside_other_words_is_no_tick(cy: Cy) -> None:
    cy.choose()
    assert agree(cy, **{BOX: "0" * 64}).status_code == 422  # type: ignore[attr-defined]
    assert standing(cy) == []


def test_the_words_are_kept_in_the_language_in_which_they_were_read(cy: Cy) -> None:
    cy.choose()
    page = cy.get("/c/price/?lang=es").content.decode()
    boxes = dict(re.findall(r'name="(agree_\w+)" value="([0-9a-f]+)"', page))
    cy.post("/c/price/", **boxes, quote=cy.quote())
    (yes,) = standing(cy)
    assert yes.text.language == "es"
    assert "sin preguntarme antes" in yes.text.text


@pytest.mark.parametrize("what", ["clinic", "item", "printed"])
def test_nobody_is_asked_where_nothing_ships_by_itself(cy: Cy, shop: Shop, what: str) -> None:
    """No rule at this clinic; no kit in this order; somebody who was recognized by a printed sheet alone."""
    if what == "clinic":
        Chart.ships_kits = False
    if what == "item":
        cy = Cy(shop, shop.offer())
    cy.choose()
    if what == "printed":
        from ehrcommerce.commerce.checkout.models import CheckoutSession

        with walls.organization(shop.clinic.pk):
            CheckoutSession.objects.update(level=10)
    assert BOX not in cy.get("/c/price/").content.decode()


def test_it_is_seen_and_taken_back_under_your_data(cy: Cy) -> None:
    cy.choose()
    agree(cy)
    page = cy.get("/c/data/")
    assert "Kits without asking" in words(page)
    assert "Kit lab" in words(page)
    (yes,) = standing(cy)
    assert (
        "customer-cy" in cy.get("/c/data/file/").content.decode()
        or "Kit lab" in cy.get("/c/data/file/").content.decode()
    )
    assert cy.get("/c/data/standing/").status_code == 302
    assert standing(cy)[0].withdrawn_at is None, "a look takes nothing back"
    answer = cy.post("/c/data/standing/", recipient=yes.recipient)
    assert answer.status_code == 302
    assert standing(cy)[0].withdrawn_at is not None
    after = words(cy.get(answer["Location"]))
    assert "We ask you each time now." in after
    assert "Kits without asking" not in after


def test_who_only_holds_the_link_takes_nothing_back(cy: Cy, shop: Shop) -> None:
    cy.choose()
    agree(cy)
    other = Cy(shop, cy.link)
    other.answer()
    assert other.post("/c/data/standing/", recipient=standing(cy)[0].recipient).status_code == 403
    assert standing(cy)[0].withdrawn_at is None


def test_a_free_kit_is_ordered_without_a_payment(cy: Cy) -> None:
    assert cy.ship().status_code == 302
    done = cy.post("/c/pay/")
    assert done["Location"] == "/c/follow/"
