"""A box of its own for each recipient: what stands beside it is what is kept, and no box stands for another."""

import hashlib
import re

import pytest

from ehrcommerce.disclosure.models import Consent
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import HTML, METER, METFORMIN, Cy, Shop, words
from tests.commerce.checkout.doubles import Chart


@pytest.fixture
def two(shop: Shop) -> Cy:
    """An order that a pharmacy and a device supplier fill, at the page with the price."""
    cy = Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER)))
    cy.choose()
    return cy


def consents(cy: Cy) -> list[Consent]:
    with walls.organization(cy.shop.clinic.pk):
        return list(Consent.objects.select_related("text").order_by("purpose"))


def box(page: HTML, name: str) -> str:
    """The tag of one box."""
    found = re.search(rf'<input type="checkbox" name="{name}"[^>]*>', page.content.decode())
    assert found is not None, name
    return found[0]


def test_each_recipient_has_its_own_box_in_a_named_group_and_none_is_ticked(two: Cy) -> None:
    page = two.get("/c/price/")
    text = page.content.decode()
    assert sorted(two.boxes()) == ["agree_device", "agree_prescription"]
    assert text.count('type="checkbox"') == 2
    assert " checked" not in text
    assert re.search(r"<fieldset[^>]*><legend[^>]*>What we share</legend>", text)
    said = words(page)
    assert "Yes, share with Lakeside Pharmacy" in said
    assert "It gets: your name, your birth date, your address" in said
    assert "Yes, share with Harbor Devices" in said


def test_a_box_that_was_left_out_is_named_beside_it_and_the_others_stay_ticked(two: Cy) -> None:
    ticked = two.boxes()
    page = two.post("/c/price/", agree_prescription=ticked["agree_prescription"], quote=two.quote())
    text = page.content.decode()
    assert page.status_code == 422
    assert " checked" in box(page, "agree_prescription")
    assert " checked" not in box(page, "agree_device")
    assert 'aria-describedby="id_agree_device_error"' in box(page, "agree_device")
    assert "aria-invalid" not in box(page, "agree_prescription")
    assert re.search(r'id="id_agree_device_error">.*?Tick the box for Harbor Devices if you agree', text, re.S)
    assert 'id="id_agree_prescription_error"' not in text
    assert '<a href="#id_agree_device" autofocus>' in text
    assert 'href="#id_agree_prescription"' not in text
    assert consents(two) == []
    assert Chart.asked == []


def test_the_page_says_what_happens_without_a_box(two: Cy) -> None:
    assert "We need each yes to send this order. To leave something out, ask your clinic." in words(
        two.get("/c/price/")
    )


def test_what_is_kept_for_a_recipient_is_what_stood_beside_its_box(two: Cy) -> None:
    page, ticked = two.get("/c/price/"), two.boxes()
    assert two.post("/c/price/", **ticked, quote=two.quote()).headers["Location"] == "/c/where/"
    shown = words(page)
    device, pharmacy = consents(two)
    for consent, other in ((device, "Lakeside Pharmacy"), (pharmacy, "Harbor Devices")):
        assert bytes(consent.text.sha256).hex() == ticked[f"agree_{consent.purpose}"]
        assert hashlib.sha256(f"en\n{consent.text.text}".encode()).digest() == bytes(consent.text.sha256)
        assert other not in consent.text.text
        assert consent.recipient_name in consent.text.text
        for line in consent.text.text.split("\n"):
            assert line in shown


def test_a_tick_beside_other_words_is_no_tick(two: Cy) -> None:
    english = two.boxes()
    two.get("/c/price/?lang=es")
    page = two.post("/c/price/", **english, quote=two.quote())
    assert page.status_code == 422
    assert "cambiaron" in words(page)
    assert " checked" not in box(page, "agree_device")
    assert consents(two) == []
    assert two.post("/c/price/", **two.boxes(), quote=two.quote()).headers["Location"] == "/c/where/"
    assert {consent.text.language for consent in consents(two)} == {"es"}
    assert {"Sí, compartir con Harbor Devices", "Sí, compartir con Lakeside Pharmacy"} == {
        consent.text.text.split("\n")[1] for consent in consents(two)
    }


def test_one_boxs_tick_does_not_count_for_another(two: Cy) -> None:
    ticked = two.boxes()
    mine = ticked["agree_prescription"]
    page = two.post("/c/price/", agree_prescription=mine, agree_device=mine, quote=two.quote())
    assert page.status_code == 422
    assert consents(two) == []


def test_the_plan_is_asked_with_the_words_that_stood_beside_its_box(cy: Cy) -> None:
    cy.prove()
    shown = words(cy.get("/c/check/"))
    cy.use_plan()
    (consent,) = consents(cy)
    assert consent.purpose == "eligibility"
    for line in consent.text.text.split("\n"):
        assert line in shown


def test_a_tick_for_the_plan_beside_other_words_asks_nobody(cy: Cy) -> None:
    cy.prove()
    page = cy.post("/c/check/", pay_with="plan", plan_ok="1")
    assert page.status_code == 422
    assert "These words changed" in words(page)
    assert " checked" not in box(page, "plan_ok")
    assert cy.shop.outside.payer.asked == []
    assert consents(cy) == []
