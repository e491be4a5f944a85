"""The exact bytes that leave, for each partner: a change of them is a change of what is disclosed, and shows here."""

from typing import Any

import pytest

from ehrcommerce.policy.packets import CoverageFacts, DispatchFacts, ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import (
    EligibilityLine,
    EligibilityRequest,
    Message,
    PaymentRequest,
    SupplyLine,
    SupplyRequest,
)

HOME = ShipTo("Cy Rivera", "12 Álamo St", "Olympia", "WA", "98501")
PLACE = '"city":"Olympia","state":"WA","postal_code":"98501","country":"US"'
ADDRESS = '"ship_to":{"name":"Cy Rivera","line":"12 Álamo St",' + PLACE + "}"
PERSON = DispatchFacts("Cy Rivera", "1980-02-29")


def adapter(name: str) -> Any:
    return chosen.adapter_of(Supplier(adapter=name, port="pharmacy", base_url="https://partner.example.org/v1"))


def supply(line: SupplyLine, person: DispatchFacts | None = None) -> SupplyRequest:
    return SupplyRequest(reference="R-1", ship_to=HOME, lines=(line,), person=person)


def test_the_pharmacy_gets_the_prescription_and_the_person() -> None:
    facts = {"name": "metformin", "dose": "0.50 g", "orderer_npi": "1234567893", "routing_proof": "e_prescription"}
    line = SupplyLine("L-1", "RX-1", 1, "", facts)
    assert adapter("pharmacy_http").render(supply(line, PERSON)).decode() == (
        '{"reference":"R-1",' + ADDRESS + ',"lines":[{"sku":"RX-1","quantity":1}],'
        '"prescription":{"items":[{"sku":"RX-1","name":"metformin","dose":"0.50 g","orderer_npi":"1234567893",'
        '"routing_proof":"e_prescription"}]},"patient":{"name":"Cy Rivera","birth_date":"1980-02-29"}}'
    )


def test_the_device_supplier_gets_size_and_count() -> None:
    line = SupplyLine("L-1", "DV-1", 2, "size: medium; side: left", {"name": "never"})
    assert adapter("device_http").render(supply(line, PERSON)).decode() == (
        '{"reference":"R-1",'
        + ADDRESS
        + ',"lines":[{"sku":"DV-1","quantity":2,"description":"size: medium; side: left"}]}'
    )


def test_the_laboratory_gets_its_own_sku() -> None:
    line = SupplyLine("L-1", "KT-1", 1, "never", {"name": "never"})
    assert adapter("kit_http").render(supply(line, PERSON)).decode() == (
        '{"reference":"R-1",' + ADDRESS + ',"lines":[{"sku":"KT-1","quantity":1}]}'
    )


def test_the_processor_gets_a_sum_and_two_addresses() -> None:
    request = PaymentRequest("R-1", 1480, "USD", "https://shop.example.org/ok", "https://shop.example.org/no")
    assert adapter("payment_hosted").render(request).decode() == (
        '{"reference":"R-1","amount_cents":1480,"currency":"USD","success_url":"https://shop.example.org/ok",'
        '"cancel_url":"https://shop.example.org/no","capture":"manual"}'
    )


def test_the_plan_is_asked_with_the_least_that_gets_an_answer() -> None:
    plan = CoverageFacts("Blue Plan", "P-9", "M-1", "self", rx_bin="610000", rx_pcn="ABC")
    lines = (EligibilityLine("L-1", "rxnorm", "861007", 1480, "88"),)
    body = adapter("eligibility_http").render(EligibilityRequest("R-1", plan, PERSON, "1234567893", lines))
    assert body.decode() == (
        '{"reference":"R-1","member_id":"M-1","payer_id":"P-9","provider_npi":"1234567893",'
        '"plan":{"rxbin":"610000","rxpcn":"ABC"},"patient":{"name":"Cy Rivera","birth_date":"1980-02-29"},'
        '"items":[{"line":"L-1","system":"rxnorm","code":"861007","price_cents":1480,"service_type":"88"}]}'
    )


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (
            Message("R-1", "sms", "+13605550101", "Your code", "left out", "<p>left out</p>", "Lakeside"),
            '{"reference":"R-1","channel":"sms","to":"+13605550101","text":"Your code","sender":"Lakeside"}',
        ),
        (
            Message("R-1", "email", "cy@mail.example", "Your code", "A message", "<p>code</p>", "Lakeside"),
            '{"reference":"R-1","channel":"email","to":"cy@mail.example","text":"Your code","sender":"Lakeside",'
            '"subject":"A message","html":"<p>code</p>"}',
        ),
    ],
)
def test_a_text_has_no_subject_and_no_html(message: Message, wire: str) -> None:
    assert adapter("messaging_http").render(message).decode() == wire
