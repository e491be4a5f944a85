"""What a recipient gets is said from the table: for the consent and for the receipt, and a new row changes both."""

from datetime import UTC, datetime

import pytest

from ehrcommerce.commerce.checkout import consents, gaining
from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.disclosure.models import Disclosure
from ehrcommerce.policy import derive, keeping, table
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.policy.table import Crossing
from ehrcommerce.suppliers.models import Supplier

SUPPLIER = Supplier(name="Kit lab", needs_birth_date=True)
AT = datetime(2026, 11, 2, tzinfo=UTC)


def receipt(purpose: str, supplier: Supplier = SUPPLIER) -> Disclosure:
    elements = ",".join(payloads.elements_for(purpose, supplier))
    return Disclosure(purpose=purpose, elements=elements, recipient_name=supplier.name, planned_at=AT)


def add(monkeypatch: pytest.MonkeyPatch, row: Crossing) -> None:
    monkeypatch.setattr(derive, "CROSSINGS", (*table.CROSSINGS, row))


def row(resource: str, element: str, purpose: str, field: str, hop: str) -> Crossing:
    return Crossing(resource, element, purpose, field, (hop,), keeping.OFFER, (), "a test")


@pytest.mark.parametrize("purpose", [PRESCRIPTION, DEVICE, KIT, table.ELIGIBILITY])
def test_every_field_of_the_table_has_words(purpose: str) -> None:
    known = {name for names in gaining._phrases().values() for name in names} | gaining.OPAQUE
    assert gaining.fields_of(purpose, birth_date=True) - known == set()


@pytest.mark.parametrize("purpose", [PRESCRIPTION, DEVICE, KIT])
def test_the_receipt_says_what_the_consent_said(purpose: str) -> None:
    other = Supplier(name="Lakeside", needs_birth_date=False)
    for supplier in (SUPPLIER, other):
        assert gaining.got(receipt(purpose, supplier)) == gaining.gets(purpose, supplier) != ""
    born = "birth date" in gaining.gets(purpose, SUPPLIER)
    assert born is (purpose == PRESCRIPTION)
    assert "birth date" not in gaining.gets(purpose, other)


def test_a_row_added_to_the_table_changes_consent_and_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gaining.got(receipt(KIT))
    assert "how to use it" not in before
    add(monkeypatch, row("ServiceRequest", "patientInstruction", KIT, "OrderedItem.directions", table.LABORATORY))
    assert gaining.got(receipt(KIT)) == gaining.gets(KIT, SUPPLIER)
    assert "how to use it" in gaining.got(receipt(KIT))
    words = consents.words([(KIT, SUPPLIER)])
    assert "how to use it" in words.recipients[0].text


def test_a_row_without_words_is_told_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, row("ServiceRequest", "bodySite.text", KIT, "OrderedItem.place", table.LABORATORY))
    assert gaining.got(receipt(KIT)).endswith("other facts of your order")


def test_an_old_receipt_tells_what_went_then_also_when_the_table_gives_less_today() -> None:
    old = receipt(KIT)
    old.elements += ",ServiceRequest.note"
    assert gaining.got(old).endswith("other facts of your order")


def test_a_row_for_another_hop_changes_nothing_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gaining.gets(KIT, SUPPLIER)
    add(monkeypatch, row("ServiceRequest", "patientInstruction", KIT, "OrderedItem.directions", table.CLINICIAN))
    assert gaining.gets(KIT, SUPPLIER) == before
