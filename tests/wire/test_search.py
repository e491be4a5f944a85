"""A search page after page, and several readings in one request."""

import json
from typing import Any

import pytest

from ehrcommerce.wire import batch, fhir
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.errors import BadAnswer, WireError
from ehrcommerce.wire.fhir import FhirRefused, Search
from tests.disclosure import fake_ehr
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle, reply


@pytest.fixture
def partner(ehr: FakeEhr) -> Partner:
    return Partner(name=f"ehr {ehr.base}", base_url=ehr.base, read_s=2.0)


def page(number: int, following: str = "", **more: Any) -> Reply:
    links = [{"relation": "next", "url": following}] if following else []
    return bundle([{"resource": {"resourceType": "Task", "id": str(number)}, **more}], links)


def ids(search: Search) -> list[str]:
    return [str(entry.resource["id"]) for entry in search.found]


@pytest.fixture
def search(partner: Partner) -> Search:
    return Search(partner, partner.base_url, "Task", [("status", "active")])


@pytest.mark.smart("H70", "F3")
def test_a_token_that_ends_in_the_middle_loses_no_page(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", page(1, "Task2"))
    ehr.answer("GET Task2", Reply(401), page(2, "Task3"))
    ehr.answer("GET Task3", page(3))
    with pytest.raises(FhirRefused):
        search.run("old")
    search.run("new")
    assert ids(search) == ["1", "2", "3"]
    assert ehr.paths() == ["Task", "Task2", "Task2", "Task3"]
    assert [one.headers["Authorization"] for one in ehr.asked] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
        "Bearer new",
    ]
    assert search.complete


def test_only_the_first_page_is_asked_with_our_parameters(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", page(1, "Task2?cursor=x%20y&cursor=z"))
    ehr.answer("GET Task2", page(2))
    search.run("t")
    assert [one.query for one in ehr.asked] == [(("status", "active"),), (("cursor", "x y"), ("cursor", "z"))]


@pytest.mark.smart("H62")
def test_hapi_pages_from_its_base(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", page(1, f"{ehr.base}?_getpages=4f&_getpagesoffset=1"))
    ehr.answer("GET ", page(2))
    search.run("t")
    assert (ids(search), search.complete) == (["1", "2"], True)


@pytest.mark.smart("H62")
def test_two_pages_that_point_at_each_other_end(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", page(1, "A"))
    ehr.answer("GET A", page(2, "B"))
    ehr.answer("GET B", page(3, "A"))
    search.run("t")
    assert (ids(search), search.complete) == (["1", "2", "3"], False)


@pytest.mark.smart("F2", "H62")
def test_a_page_of_another_server_is_never_asked(ehr: FakeEhr, search: Search) -> None:
    with fake_ehr.running() as other:
        ehr.answer("GET Task", page(1, f"{other.base}/Task?page=2"))
        search.run("t")
        assert other.asked == []
    assert (ids(search), search.complete) == (["1"], False)


def test_more_bytes_than_any_chart_has_end_the_search(
    ehr: FakeEhr, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir, "MAX_SEARCH_BYTES", 3000)
    for number in range(10):
        ehr.answer(f"GET Task{number or ''}", page(number, f"Task{number + 1}", note="x" * 1000))
    search.run("t")
    assert (ids(search), search.complete) == (["0", "1", "2"], False)


@pytest.mark.smart("H61")
def test_what_was_looked_for_and_what_came_along_are_told_apart(ehr: FakeEhr, search: Search) -> None:
    modes = ["match", "include", "Include", "outcome", "", None, 5]
    rows = [{"resource": {"resourceType": "Task", "id": str(n)}, "search": {"mode": m}} for n, m in enumerate(modes)]
    ehr.answer("GET Task", bundle([*rows, {"resource": {"resourceType": "Task", "id": "9"}}]))
    search.run("t")
    assert [(entry.resource["id"], entry.is_match) for entry in search.found] == [
        ("0", True), ("1", False), ("2", False), ("4", True), ("5", True), ("6", True), ("9", True),
    ]  # fmt: skip


@pytest.mark.smart("H58")
@pytest.mark.parametrize("kind", ["text/plain", "application/json+fhir", "application/json", "text/html", ""])
def test_the_body_decides_and_not_what_it_is_called(ehr: FakeEhr, partner: Partner, kind: str) -> None:
    found = b'\xef\xbb\xbf{"resourceType":"Task","id":"1"}'
    ehr.answer("GET Task/1", Reply(200, found, {"Content-Type": kind}))
    assert fhir.get(partner, ehr.base, "Task/1", bearer="t")["id"] == "1"


@pytest.mark.smart("H58")
def test_an_error_in_plain_words_is_an_error(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", Reply(400, b"No supported search parameters provided"))
    with pytest.raises(FhirRefused) as caught:
        search.run("t")
    assert (caught.value.status, "No supported" in str(caught.value)) == (400, False)


@pytest.mark.smart("F1")
def test_the_token_stands_in_the_header_and_nowhere_else(ehr: FakeEhr, search: Search) -> None:
    ehr.answer("GET Task", page(1, "Task2"))
    ehr.answer("GET Task2", page(2))
    search.run("a-token-to-find")
    assert [one.headers["Authorization"] for one in ehr.asked] == ["Bearer a-token-to-find"] * 2
    assert "a-token-to-find" not in repr([(one.path, one.query, one.body) for one in ehr.asked])


# -- batches -------------------------------------------------------------------------------------------------------
def two(partner: Partner) -> tuple[list[batch.Part], float | None]:
    paths: list[tuple[str, fhir.Params]] = [("Task/1", [("_elements", "status,code")]), ("Task/2", [])]
    return batch.read(partner, partner.base_url, paths, bearer="t")


def test_a_batch_is_one_request_and_each_entry_has_its_own_answer(ehr: FakeEhr, partner: Partner) -> None:
    ehr.takes_batch = True
    ehr.put({"resourceType": "Task", "id": "1", "status": "draft"})
    parts, _ = two(partner)
    assert [(part.status, part.resource.get("id")) for part in parts] == [(200, "1"), (404, None)]
    (asked,) = ehr.asked
    assert (asked.method, asked.path, asked.headers["Content-Type"]) == ("POST", "", fhir.ACCEPT)
    assert json.loads(asked.body) == {
        "resourceType": "Bundle", "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Task/1?_elements=status%2Ccode"}},
            {"request": {"method": "GET", "url": "Task/2"}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [[], [{}], [{}, {}, {}], {"response": {"status": "200"}}, None],
)
def test_an_answer_that_does_not_fit_the_questions_is_none(ehr: FakeEhr, partner: Partner, rows: Any) -> None:
    ehr.answer("POST ", reply({"resourceType": "Bundle", "type": "batch-response", "entry": rows}))
    with pytest.raises(BadAnswer):
        two(partner)


@pytest.mark.parametrize(
    ("status", "read"),
    [
        ("200 OK", 200),
        ("200", 200),
        (200, 200),
        (" 404 Not Found", 404),
        ("2000", 0),
        ("OK", 0),
        ("", 0),
        (None, 0),
        ([], 0),
    ],
)
def test_the_status_of_an_entry(ehr: FakeEhr, partner: Partner, status: Any, read: int) -> None:
    ehr.answer("POST ", bundle([{"response": {"status": status}, "resource": {"id": "1"}}, None]))
    parts, _ = two(partner)
    assert [part.status for part in parts] == [read, 0]


@pytest.mark.parametrize("path", ["../Task/1", "/Task/1", "https://evil.example/Task/1", "Task/%2e%2e"])
@pytest.mark.smart("F2")
def test_no_entry_of_a_batch_leads_out_of_the_base(ehr: FakeEhr, partner: Partner, path: str) -> None:
    with pytest.raises(WireError):
        batch.read(partner, partner.base_url, [(path, [])], bearer="t")
    assert ehr.asked == []
