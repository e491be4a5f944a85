"""Somebody without phone and e-mail: the clinic prints the link and hands it over, and the patient buys with it."""

from collections.abc import Callable

import pytest

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, state
from tests.journeys.visitor import Page

Patient = Callable[..., Cy]
ON_FILE = {"postal_code": "98101"}


@pytest.fixture
def unreached(patient: Patient, desk: Desk) -> Cy:
    """A person with an address and without any way to send a message."""
    cy = patient("prescription", "device")
    desk.put({key: value for key, value in cy.chart.resources[0].items() if key != "telecom"})
    return cy


def printed(ada: Ada, cy: Cy) -> Page:
    """Two clicks: the launch, and the button that makes the link."""
    page = ada.launch(cy.chart.patient)
    assert "Make a printed link" in page.text
    made = ada.send(page, "glucose", "Metformin")
    assert "/sent/" in made.path, (made.status, made.text[:600])
    return made


def say_all(cy: Cy, address: str, **changes: str) -> Page:
    year, month, day = cy.born.split("-")
    values = {"month": month, "day": day, "year": year, "family_name": cy.chart.family, **ON_FILE, **changes}
    return cy.visitor.submit(cy.open(address), "/l/", values=values)


def address_of(page: Page) -> str:
    return next(word for word in page.body.replace('"', " ").split() if "/l/" in word and word.startswith("http"))


def test_a_printed_link_is_bought_from_and_delivered(
    live: Live, desk: Desk, ada: Ada, unreached: Cy, database: Database
) -> None:
    made = printed(ada, unreached)
    assert "Link ready to print" in made.text
    (link,) = [link for link in made.links if link.endswith("/sheet/")]
    sheet = ada.visitor.get(live.app_url + link)
    content = sheet.body[sheet.body.index("ec-sheet") :]
    assert unreached.chart.family not in content
    assert "glucose" not in content
    assert "Escanee este" in content
    assert address_of(made) in content
    paper = ada.visitor.get(f"{live.app_url}{link}paper/")
    assert (paper.status, paper.body[:4]) == (200, "%PDF")
    wrong = say_all(unreached, address_of(made), postal_code="98102")
    assert wrong.status == 422
    page = at(say_all(unreached, address_of(made)), "/c/check/")
    unreached.pay(unreached.to_payment(page, plan=False))
    order = wait_for(lambda: order_of(database, unreached), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    delivered(desk, database, order)
    assert "elivered" in unreached.visitor.get(f"{live.app_url}/c/follow/").text
    token = address_of(made).rstrip("/").rpartition("/")[2]
    assert not [sent for sent in desk.messages() if token in sent["text"]], "there is nobody to write to"
    row = database.one(
        "SELECT l.delivery, l.state, s.level FROM offers_purchaselink l"
        " JOIN checkout_checkoutsession s ON s.link_id = l.id ORDER BY l.id DESC LIMIT 1"
    )
    assert (row["delivery"], row["state"], row["level"]) == ("printed", "completed", 10)


def test_the_patient_comes_back_to_the_order_with_the_same_sheet(
    live: Live, desk: Desk, ada: Ada, unreached: Cy, database: Database
) -> None:
    address = address_of(printed(ada, unreached))
    unreached.pay(unreached.to_payment(at(say_all(unreached, address), "/c/check/"), plan=False))
    order = wait_for(lambda: order_of(database, unreached), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    unreached.visitor.cookies.clear()
    assert say_all(unreached, address).path == "/c/follow/"
