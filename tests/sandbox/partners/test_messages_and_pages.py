"""Messages arrive on the sandbox's phone and in its mailbox; people steer the partners from pages without script."""

import re
import uuid
from typing import Any

import requests

from .conftest import Caller

LINK = "http://127.0.0.1:9/l/ABCDEF23"


def text_message(**other: Any) -> dict[str, Any]:
    return {
        "reference": f"m-{uuid.uuid4().hex}",
        "channel": "sms",
        "to": f"+1608555{uuid.uuid4().int % 10_000:04d}",
        "text": f"Your clinic: {LINK}. Reply STOP <b>to</b> end.",
        "sender": "Lakeside",
        **other,
    }


def mail(**other: Any) -> dict[str, Any]:
    address = f"cy-{uuid.uuid4().hex}@example.org"
    return text_message(channel="email", to=address, subject="From your clinic", **other)


def test_a_text_arrives_on_the_phone_with_its_link(caller: Caller) -> None:
    message = text_message()
    sent = caller.post("/messages", message)
    assert (sent.status_code, sent.json()["status"]) == (202, "queued")
    page = caller.page(f"/phone/{message['to']}/")
    assert f'href="{LINK}"' in page
    assert "Lakeside" in page
    assert "&lt;b&gt;" in page
    assert "<b>to" not in page
    assert message["to"] in caller.page("/phone/")


def test_mail_arrives_in_the_mailbox_and_its_html_is_shut_in(caller: Caller) -> None:
    message = mail(html=f'<p><a href="{LINK}">Open</a></p><script>alert(1)</script>')
    caller.post("/messages", message)
    page = caller.page(f"/mailbox/{message['to']}/")
    assert "From your clinic" in page
    assert "<script" not in page
    framed = re.search(r'<iframe[^>]* src="([^"]+)" sandbox="([^"]*)"', page)
    assert framed
    assert "allow-scripts" not in framed[2]
    html = requests.get(caller.sandbox.url + framed[1], timeout=10)
    assert "default-src 'none'" in html.headers["Content-Security-Policy"]
    assert f'href="{LINK}"' in html.text


def test_messages_are_found_by_reference_and_receiver(caller: Caller) -> None:
    first, second = text_message(), text_message()
    second["to"] = first["to"]
    for message in (first, second):
        caller.post("/messages", message)
    by_receiver = caller.look(f"messages?to={first['to']}")["messages"]
    assert [one["reference"] for one in by_receiver] == [second["reference"], first["reference"]]
    assert len(caller.look(f"messages?reference={first['reference']}")["messages"]) == 1
    assert caller.get(f"/messages?reference={first['reference']}").json()["messages"][0]["text"] == first["text"]


def test_a_message_to_nobody_is_refused(caller: Caller) -> None:
    for other in ({"to": "nobody"}, {"text": ""}, {"channel": "fax"}, {"patient": "Cy"}):
        assert caller.post("/messages", text_message(**other)).status_code == 422


def test_a_person_moves_an_order_by_buttons(caller: Caller) -> None:
    order = caller.place("RX-ONE")
    assert order["reference"] in caller.page("/partners/")
    page = caller.page(f"/partners/orders/{order['id']}/")
    assert "Advance to accepted" in page
    move = f"{caller.sandbox.url}/partners/orders/{order['id']}/move/"
    for _ in range(2):  # the second press comes from a page that is out of date
        requests.post(move, data={"from": "received", "to": "accepted"}, timeout=10)
    assert caller.get(f"/pharmacy/orders/{order['id']}").json()["status"] == "accepted"
    foreign = requests.post(
        move, data={"from": "accepted", "to": "packed"}, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10
    )
    assert foreign.status_code == 404
    requests.post(move, data={"from": "accepted", "to": "cancelled"}, timeout=10)
    assert caller.get(f"/pharmacy/orders/{order['id']}").json()["status"] == "cancelled"


def test_a_person_accepts_the_ticked_lines_only(caller: Caller) -> None:
    order = caller.place("RX-ONE", "RX-TWO")
    assert "Accept the ticked lines" in caller.page(f"/partners/orders/{order['id']}/")
    form = {"from": "received", "to": "accepted", "choose": "1", "sku": ["RX-TWO"]}
    requests.post(f"{caller.sandbox.url}/partners/orders/{order['id']}/move/", data=form, timeout=10)
    lines = caller.get(f"/pharmacy/orders/{order['id']}").json()["lines"]
    assert [line["accepted"] for line in lines] == [False, True]


def test_the_journal_is_shown_with_bodies(caller: Caller) -> None:
    order = caller.place("RX-ONE")
    entry = caller.look("journal?partner=pharmacy")["entries"][-1]
    assert caller.sandbox.partner_api_key not in str(entry["headers"])
    assert order["reference"] in caller.page(f"/partners/journal/{entry['id']}/")
    assert "/pharmacy/orders" in caller.page("/partners/journal/?partner=pharmacy")
    assert "Callbacks" in caller.page("/partners/callbacks/")


def test_control_is_not_there_without_its_token(caller: Caller) -> None:
    for path in ("orders", "messages", "callbacks", "step"):
        assert requests.get(f"{caller.sandbox.url}/control/{path}", timeout=10).status_code == 404


def test_reset_forgets_messages_and_orders(caller: Caller) -> None:
    order, message = caller.place(), text_message()
    caller.post("/messages", message)
    caller.control("reset", {"what": "messages"})
    assert caller.look("messages")["messages"] == []
    assert caller.get(f"/pharmacy/orders/{order['id']}").status_code == 200
    caller.control("reset", {"what": "partners"})
    assert caller.get(f"/pharmacy/orders/{order['id']}").status_code == 404
