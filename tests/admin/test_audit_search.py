"""The privacy officer's search: by what the audit holds, page after page by key, and the search is in the audit."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pypdf
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ehrcommerce.accounts import accountings
from ehrcommerce.accounts.models import Role
from ehrcommerce.audit import accounting, search
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers.models import Contact, contact_digest
from tests.admin.conftest import SignedIn, second_approves
from tests.commerce.shop import Shop

PAGE = "/admin/audit/auditevent/"


def shown(text: str) -> int:
    return text.count("<tr><td><a ")


@pytest.mark.parametrize(
    ("ask", "finds"),
    [
        ("action=order.placed", 1),
        ("action=order.", 1),
        ("action=nothing.here", 0),
        ("actor=patient:a-link&action=order.placed", 1),
        ("actor=patient:other&action=order.placed", 0),
        ("patient={number}&action=order.placed", 1),
        ("patient=order:{order}&action=order.placed", 1),
        ("patient=offer:{offer}&action=order.placed", 1),
        ("entity=order:{order}&action=order.placed", 1),
        ("q=order.placed", 1),
        ("purpose=device&action=consent.given", 1),
        ("purpose=kit&action=consent.given", 0),
        ("outcome=failure", 0),
        ("since=2020-01-01&until=2021-01-01", 0),
        ("since=2020-01-01&action=order.placed", 1),
    ],
)
def test_each_field_narrows_the_search(as_role: SignedIn, shop: Shop, ask: str, finds: int) -> None:
    order = shop.place("device")
    named = ask.format(order=order.public_id, offer=order.offer.public_id, number=order.number)
    page = as_role(Role.PRIVACY).get(f"{PAGE}?{named}")
    assert page.status_code == 200
    assert shown(page.content.decode()) == finds
    row = AuditEvent.objects.filter(action="audit.searched").latest("pk")
    assert set(row.elements.split(",")) == {part.partition("=")[0] for part in ask.split("&")}
    assert str(order.public_id) not in row.entity + row.reason + row.elements


def test_who_is_unknown_is_said_and_nothing_is_found(as_role: SignedIn, shop: Shop) -> None:
    page = as_role(Role.PRIVACY).get(f"{PAGE}?patient=LK-NOBODY")
    assert page.status_code == 400
    assert "Nothing is known by this name." in page.content.decode()


def test_pages_follow_by_key_and_nobody_counts(as_role: SignedIn, shop: Shop) -> None:
    for place in range(search.PAGE * 2 + 5):
        audit.record(
            organization_id=shop.clinic.pk, by=audit.system("t"), action="a.b", entity=f"e:{place}", at=timezone.now()
        )
    client, seen, address = as_role(Role.PRIVACY), [], f"{PAGE}?action=a.b"
    while address:
        with CaptureQueriesContext(connection) as asked:
            text = client.get(address).content.decode()
        assert not any("COUNT(" in one["sql"].upper() for one in asked.captured_queries)
        assert not any("OFFSET" in one["sql"].upper() for one in asked.captured_queries if "auditevent" in one["sql"])
        seen.append(shown(text))
        more = text.partition('<a href="?')[2].partition('" rel="next"')[0].replace("&amp;", "&")
        address = f"{PAGE}?{more}" if more else ""
    assert seen == [search.PAGE, search.PAGE, 5]


def test_the_accounting_is_one_click_as_csv_and_as_tagged_pdf(as_role: SignedIn, shop: Shop) -> None:
    order = shop.dispatched("device")
    client = as_role(Role.PRIVACY)
    answer = client.get(f"{PAGE}accounting/?patient={order.number}&as=csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[2] for row in rows[1:]] == ["Payment page opened", "Order sent to the supplier"]
    assert rows[2][4:6] == ["device", "treatment"]
    assert "no-store" in answer["Cache-Control"]
    document = pypdf.PdfReader(io.BytesIO(client.get(f"{PAGE}accounting/?patient={order.number}&as=pdf").content))
    root: Any = document.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    text = " ".join(page.extract_text() for page in document.pages)
    for words in ("Accounting of disclosures", shop.clinic.name, "Order sent to the supplier"):
        assert words in text
    made = AuditEvent.objects.filter(action="accounting.made").order_by("pk")
    assert [(row.reason, bytes(row.patient_ref or b"")) for row in made] == [
        (kind, audit.patient_ref(order.offer.customer_key)) for kind in ("csv", "pdf")
    ]


def test_one_person_s_accounting_holds_nobody_else(as_role: SignedIn, shop: Shop) -> None:
    first, second = shop.dispatched("device"), shop.dispatched("kit")
    lines = accounting.lines(
        organization_id=shop.clinic.pk, patient=audit.patient_ref(first.offer.customer_key), at=timezone.now()
    )
    assert {line.purpose for line in lines} == {"payment", "device"}
    later = timezone.now() + timedelta(days=7 * 365)
    person = audit.patient_ref(second.offer.customer_key)
    assert accounting.lines(organization_id=shop.clinic.pk, patient=person, at=later) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert accountings.safe(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"
    assert accountings.safe("chart") == "chart"


TIMES = {"since": "2020-01-01", "until": "2100-01-01"}


def test_an_export_needs_both_times_and_is_written_down(as_role: SignedIn, shop: Shop) -> None:
    shop.place("device")
    client = as_role(Role.PRIVACY)
    assert "search with From and Before first" in client.get(f"{PAGE}?since=2020-01-01").content.decode()
    assert 'name="until" value="2100-01-01"' in client.get(f"{PAGE}?since=2020-01-01&until=2100-01-01").content.decode()
    assert client.post(f"{PAGE}export/", {"since": "2020-01-01"}).status_code == 400
    approved(as_role, shop)
    answer = client.post(f"{PAGE}export/", TIMES)
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]
    assert "order.placed" in {coding["code"] for line in lines for coding in line["subtype"]}
    assert AuditEvent.objects.filter(action="audit.exported").count() == 1


def approved(as_role: SignedIn, shop: Shop) -> None:
    as_role(Role.PRIVACY).post("/admin/accounts/proposedchange/propose/", {"kind": "bulk_export"})
    second_approves(shop.clinic)


def test_nobody_exports_everybody_alone_or_twice_or_with_the_approval_of_others(as_role: SignedIn, shop: Shop) -> None:
    def exports(role: str) -> Any:
        return as_role(role).post(f"{PAGE}export/", TIMES, follow=True)

    assert "Two people must agree" in exports(Role.PRIVACY).content.decode()
    approved(as_role, shop)
    assert "Two people must agree" in exports(Role.ADMINISTRATOR).content.decode()
    assert exports(Role.PRIVACY)["Content-Type"] == "application/fhir+ndjson"
    assert "Two people must agree" in exports(Role.PRIVACY).content.decode()
    rows = AuditEvent.objects.filter(action="audit.exported").order_by("pk")
    assert [row.outcome for row in rows] == ["refused", "refused", "success", "refused"]
    assert AuditEvent.objects.filter(action="change.spent").count() == 1


@pytest.mark.parametrize("where", ["", "export/", "accounting/?patient=x"])
@pytest.mark.parametrize("role", [Role.OPERATIONS, Role.CATALOG, Role.INTEGRATION])
def test_it_is_for_those_who_watch_over_privacy(as_role: SignedIn, role: str, where: str) -> None:
    assert as_role(role).get(PAGE + where).status_code == 403


@pytest.mark.parametrize("written", ["(360) 555-0101", "+13605550101", "360.555.0101"])
def test_a_person_is_found_by_a_phone_number_that_stands_in_no_address(
    as_role: SignedIn, shop: Shop, written: str
) -> None:
    order = shop.place("device")
    answer = as_role(Role.PRIVACY).post(f"{PAGE}contact/", {"contact": written})
    ref = audit.patient_ref(order.offer.customer_key).hex()
    assert answer["Location"] == f"{PAGE}?patient=person:{ref}"
    assert shown(as_role(Role.PRIVACY).get(f"{answer['Location']}&action=order.placed").content.decode()) == 1
    row = AuditEvent.objects.filter(action="audit.searched", elements="contact").get()
    assert (row.reason, "555" in row.entity + row.elements) == ("found:1", False)


def test_a_family_at_one_number_is_listed_and_nobody_is_nobody(as_role: SignedIn, shop: Shop) -> None:
    shop.place("device")
    shop.place("kit")
    client = as_role(Role.PRIVACY)
    both = client.post(f"{PAGE}contact/", {"contact": "+13605550101"}, follow=True).content.decode()
    assert "2 people are reached there" in both
    assert both.count("?patient=person:") == 2
    for nobody in ("+12065550199", "nobody@mail.example", "", "x"):
        assert "Nothing is held" in client.post(f"{PAGE}contact/", {"contact": nobody}, follow=True).content.decode()
    assert as_role(Role.OPERATIONS).post(f"{PAGE}contact/", {"contact": "1"}).status_code == 403


def test_the_index_of_contacts_is_used(shop: Shop) -> None:
    shop.place("device")
    digest = contact_digest(shop.clinic.pk, "+13605550101")
    found = Contact.objects.filter(organization_id=shop.clinic.pk, value_digest=digest).exclude(value_digest=b"")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "contact_digest" in found.explain()
