"""A partner without an API: files that stand whole or not at all, answers that count once, formulas that compute
nothing. Over a real SSH server on loopback, and over a folder. [REL-P2, P28, SEC-B17]"""

import csv
import io
import os
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ehrcommerce.outbox.handlers import LOOKUP, NONE
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Refused, TryAgain
from ehrcommerce.policy.packets import DispatchFacts, ShipTo
from ehrcommerce.suppliers import chosen, reading
from ehrcommerce.suppliers.adapters import _csv
from ehrcommerce.suppliers.adapters._file_answers import HEADER
from ehrcommerce.suppliers.models import FileAck, FileIn, FileOut, Port, Supplier
from ehrcommerce.suppliers.ports import SupplyLine, SupplyRequest
from ehrcommerce.wire.errors import NotSent, Unanswered
from ehrcommerce.wire.files import Local, OurKey, Remote, WrongHostKey
from tests import factories
from tests.commerce.shop import Shop
from tests.suppliers.sftp_server import HOST, OTHER, OURS, Sftp, pem

HOME = ShipTo("Cy Rivera", "12 Alder St", "Olympia", "WA", "98501")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("to_partner", "from_partner"):
        (tmp_path / "partner" / name).mkdir(parents=True)
    return tmp_path / "partner"


@pytest.fixture
def sftp(root: Path) -> Iterator[Sftp]:
    server = Sftp(root)
    yield server
    server.close()


@pytest.fixture(params=["sftp", "folder"])
def supplier(request: pytest.FixtureRequest, shop: Shop, root: Path, sftp: Sftp) -> Supplier:
    return over_sftp(shop, sftp) if request.param == "sftp" else over_folder(shop, root)


def over_sftp(shop: Shop, sftp: Sftp, **changes: Any) -> Supplier:
    values = {
        "adapter": "file_sftp", "base_url": f"sftp://127.0.0.1:{sftp.port}/", "account": "ehrc", "api_key": pem(OURS),
        "host_key": f"{HOST.get_name()} {HOST.get_base64()}", **changes,
    }  # fmt: skip
    return made(shop, **values)


def over_folder(shop: Shop, root: Path, **changes: Any) -> Supplier:
    return made(shop, adapter="file_folder", base_url=f"file://{root}", **changes)


def made(shop: Shop, **values: Any) -> Supplier:
    supplier = Supplier(organization=shop.clinic, name="Files", **{"port": Port.DEVICE, **values})
    supplier.save()
    return supplier


@pytest.fixture(autouse=True)
def real_adapters(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's doubles stand for other suppliers; those of this file are spoken with for real."""
    from importlib import import_module

    def adapter_of(supplier: Supplier) -> Any:
        module = import_module(f"ehrcommerce.suppliers.adapters.{supplier.adapter}")
        return module.Adapter(supplier, chosen.partner_of(supplier))

    monkeypatch.setattr(chosen, "adapter_of", adapter_of)


def order(*skus: str, **changes: Any) -> SupplyRequest:
    lines = tuple(SupplyLine(sku, sku, 1, "size: medium") for sku in skus or ("DV-1",))
    return SupplyRequest(**{"reference": str(uuid4()), "ship_to": HOME, "lines": lines, **changes})


def placed(adapter: Any, *skus: str) -> str:
    request = order(*skus)
    assert isinstance(adapter.place(adapter.render(request), idempotency_key="k"), Done)
    return request.reference


def answer(
    root: Path, *rows: tuple[str, ...], name: str = "", raw: bytes = b"", whole: bool = True, said: int = -1
) -> Path:
    """As the partner leaves it: a table of its own make, and its checksum."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([HEADER, *[(*row, *("",) * (6 - len(row))) for row in rows]])
    table.writerow(["END", len(rows) if said < 0 else said])
    content = raw or text.getvalue().encode()
    path = root / "from_partner" / (name or f"answers-{uuid4().hex}.csv")
    path.write_bytes(content if whole else content[:-5])
    path.with_name(path.name + ".sha256").write_text(f"{sha256(content).hexdigest()}  {path.name}\n")
    return path


def problems(supplier: Supplier) -> list[str]:
    return list(FileIn.objects.filter(supplier=supplier).order_by("pk").values_list("problem", flat=True))


def test_the_table_holds_what_a_device_supplier_needs_and_no_more(shop: Shop, root: Path) -> None:
    body = chosen.adapter_of(over_folder(shop, root)).render(order("DV-1", reference="R-1"))
    assert body.decode() == (
        '"reference","sku","quantity","ship_name","ship_line","ship_city","ship_state","ship_postal_code","ship_country",'
        '"description"\r\n'
        '"R-1","DV-1","1","Cy Rivera","12 Alder St","Olympia","WA","98501","US","size: medium"\r\n"END","1"\r\n'
    )


def test_a_pharmacy_s_table_keeps_every_character_of_a_dose(shop: Shop, root: Path) -> None:  # REL-P18
    pharmacy = chosen.adapter_of(over_folder(shop, root, port=Port.PHARMACY))
    facts = {"name": "metformin", "dose": "0.50 g", "routing_proof": "e_prescription"}
    lines = (SupplyLine("L", "RX-1", 1, "", facts),)
    body = pharmacy.render(order(lines=lines, person=DispatchFacts("Cy Rivera", "1980-02-29")))
    row = next(csv.DictReader(io.StringIO(body.decode())))
    assert (row["rx_dose"], row["rx_routing_proof"], row["patient_birth_date"]) == (
        "0.50 g",
        "e_prescription",
        "1980-02-29",
    )


def test_an_order_stands_there_whole_with_its_checksum(supplier: Supplier, root: Path) -> None:
    adapter, request = chosen.adapter_of(supplier), order()
    body = adapter.render(request)
    first = adapter.place(body, idempotency_key="k")
    assert isinstance(first, Done)
    path = root / "to_partner" / f"order-{request.reference}.csv"
    assert path.read_bytes() == body
    assert path.with_name(path.name + ".sha256").read_text() == f"{sha256(body).hexdigest()}  {path.name}\n"
    assert not list((root / "to_partner").glob("*.part"))
    path.unlink()  # the partner took it
    assert adapter.place(body, idempotency_key="k") == first
    assert not path.exists(), "it is not written twice"
    assert adapter.find(request.reference).state == "dispatched"
    assert adapter.place(adapter.render(order("X-1", reference=request.reference)), idempotency_key="k") == NeedsHuman(
        "conflict"
    )


def test_another_file_of_this_name_is_never_written_over(supplier: Supplier, root: Path) -> None:
    request = order()
    path = root / "to_partner" / f"order-{request.reference}.csv"
    path.write_text("theirs")
    adapter = chosen.adapter_of(supplier)
    assert adapter.place(adapter.render(request), idempotency_key="k") == NeedsHuman("conflict")
    assert path.read_text() == "theirs"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rename_whose_answer_is_lost_is_looked_into(shop: Shop, sftp: Sftp, root: Path, when: str) -> None:  # REL-F5
    adapter, request = chosen.adapter_of(over_sftp(shop, sftp)), order()
    body = adapter.render(request)
    sums = root / "to_partner" / f"order-{request.reference}.csv.sha256"
    sums.write_text(f"{sha256(body).hexdigest()}  order-{request.reference}.csv\n")
    sftp.lose.append(when)
    with pytest.raises(Unanswered):
        adapter.place(body, idempotency_key="k")
    if when == "after":
        assert adapter.find(request.reference).state == "dispatched"
    else:
        assert adapter.find(request.reference) is None, "it stands there under its other name: it was never sent"
        assert isinstance(adapter.place(body, idempotency_key="k"), Done)
    assert len(list((root / "to_partner").glob("order-*.csv"))) == 1


def test_a_doubt_that_nobody_can_settle_stays_one_until_an_answer_comes(shop: Shop, sftp: Sftp, root: Path) -> None:
    supplier, request = over_sftp(shop, sftp), order()
    adapter = chosen.adapter_of(supplier)
    body = adapter.render(request)
    sums = root / "to_partner" / f"order-{request.reference}.csv.sha256"
    sums.write_text(f"{sha256(body).hexdigest()}  order-{request.reference}.csv\n")
    sftp.lose.append("after")
    with pytest.raises(Unanswered):
        adapter.place(body, idempotency_key="k")
    (root / "to_partner" / f"order-{request.reference}.csv").unlink()
    with pytest.raises(Unanswered):
        adapter.find(request.reference)
    answer(root, (request.reference, "DV-1", "accepted"))
    adapter.read_files()
    assert adapter.find(request.reference).state == "accepted"


def test_what_a_partner_can_do_is_said_honestly(shop: Shop, root: Path) -> None:
    assert chosen.adapter_of(over_folder(shop, root)).capability == LOOKUP
    assert chosen.adapter_of(over_folder(shop, root, options={"acknowledges": False})).capability == NONE


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"host_key": f"{OTHER.get_name()} {OTHER.get_base64()}"}, WrongHostKey),
        ({"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE"}, WrongHostKey),
        ({"host_key": ""}, WrongHostKey),
        ({"api_key": pem(OTHER)}, OurKey),
        ({"account": "somebody"}, OurKey),
        ({"api_key": "no key"}, OurKey),
        ({"base_url": "sftp://127.0.0.1:1/"}, NotSent),
    ],
)
def test_whoever_is_not_who_we_agreed_on_gets_nothing(
    shop: Shop, sftp: Sftp, root: Path, changes: dict[str, str], error: type[Exception]
) -> None:
    adapter = chosen.adapter_of(over_sftp(shop, sftp, **changes))
    with pytest.raises(error):
        adapter.place(adapter.render(order()), idempotency_key="k")
    assert list((root / "to_partner").iterdir()) == []


def test_lines_are_answered_one_by_one(supplier: Supplier, root: Path) -> None:
    adapter = chosen.adapter_of(supplier)
    reference = placed(adapter, "DV-1", "DV-2")
    answer(root, (reference, "DV-1", "accepted"))
    assert adapter.read_files() == 1
    assert (adapter.find(reference).state, adapter.find(reference).accepted) == ("dispatched", {})
    assert problems(supplier) == [f"{reference}: 1 lines without an answer"]
    answer(root, (reference, "DV-2", "rejected", "out_of_stock"))
    adapter.read_files()
    found = adapter.find(reference)
    assert (found.state, found.accepted, found.reason) == ("accepted", {"DV-1": True, "DV-2": False}, "out_of_stock")
    answer(root, (reference, "DV-1", "shipped", "", "Post", "T-1"))
    answer(root, (reference, "DV-1", "accepted"), (reference, "DV-1", "received"))  # of the day before
    adapter.read_files()
    found = adapter.find(reference)
    assert (found.state, found.carrier, found.tracking_number) == ("shipped", "Post", "T-1")  # REL-F17


def test_a_file_and_a_line_count_once(supplier: Supplier, root: Path) -> None:  # REL-P28
    adapter = chosen.adapter_of(supplier)
    reference = placed(adapter)
    path = answer(root, (reference, "DV-1", "accepted"))
    assert [adapter.read_files() for _ in range(3)] == [1, 0, 0]
    copy = path.with_name("copy.csv")
    copy.write_bytes(path.read_bytes())
    copy.with_name("copy.csv.sha256").write_text(f"{sha256(copy.read_bytes()).hexdigest()}  copy.csv\n")
    assert adapter.read_files() == 0
    answer(root, (reference, "DV-1", "accepted"), (reference, "DV-1", "packed"), (reference, "DV-1", "packed"))
    assert adapter.read_files() == 1
    assert problems(supplier)[-1] == "line 4: duplicate"
    assert FileAck.objects.filter(supplier=supplier).count() == 2


def test_a_file_that_is_half_there_is_left_alone(supplier: Supplier, root: Path) -> None:
    adapter = chosen.adapter_of(supplier)
    reference = placed(adapter)
    half = answer(root, (reference, "DV-1", "accepted"), whole=False)
    no_sum = answer(root, (reference, "DV-1", "accepted"), name="bare.csv")
    no_sum.with_name("bare.csv.sha256").unlink()
    assert adapter.read_files() == 0
    assert problems(supplier) == []
    for path in (half, no_sum):
        os.utime(path, (time.time() - 7200,) * 2)
    adapter.read_files()
    assert sorted(problems(supplier)) == ["half_written", "no_checksum"]
    bare = no_sum.read_bytes()
    no_sum.with_name("bare.csv.sha256").write_text(f"{sha256(bare).hexdigest()}  bare.csv\n")  # its checksum came late
    assert adapter.read_files() == 1
    half.unlink()
    answer(root, (reference, "DV-1", "packed"), name=half.name)  # now it is whole
    assert adapter.read_files() == 1


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            "reference,sku,status,reason,carrier,tracking_number\nx,é,accepted,,,\nEND,1\n".encode("latin-1"),
            "bad_encoding",
        ),
        ("\ufeffreference;sku;status\nx;y;z\n".encode(), "bad_header"),
        (b"\xff\xfer\x00", "bad_encoding"),
        (b"reference,sku,status,reason,carrier,tracking_number\na,b,accepted,,,\n", "no_end"),
        (b"reference,sku,status,reason,carrier,tracking_number\na,b,accepted,,,\nEND,2\n", "missing_rows"),
        (b"reference,sku,status,reason,carrier,tracking_number\na,b,accepted,,,\nEND,0\n", "extra_rows"),
        (b'reference,sku,status,reason,carrier,tracking_number\n"a"b,b,accepted,,,\nEND,1\n', "not_a_table"),
        (b"\n", "bad_header"),
    ],
)
def test_a_table_that_is_not_right_is_named_and_nothing_of_it_taken(
    shop: Shop, root: Path, raw: bytes, problem: str
) -> None:
    supplier = over_folder(shop, root)
    answer(root, raw=raw)
    assert chosen.adapter_of(supplier).read_files() == 0
    assert problems(supplier) == [problem]


def test_a_line_that_is_not_right_is_named_and_the_others_are_taken(shop: Shop, root: Path) -> None:
    supplier, other = over_folder(shop, root), over_folder(shop, root / "elsewhere")
    (root / "elsewhere" / "to_partner").mkdir(parents=True)
    adapter, theirs = chosen.adapter_of(supplier), placed(chosen.adapter_of(other))
    mine = placed(adapter, "DV-1")
    answer(
        root, ("=1+1", "DV-1", "accepted"), (mine, "DV-1", "accepted", "", "@SUM(A1)"), (theirs, "DV-1", "accepted"),
        ("nobody", "DV-1", "accepted"), (mine, "DV-9", "accepted"), (mine, "DV-1", "lost_at_sea"),
    )  # fmt: skip
    assert adapter.read_files() == 1
    assert problems(supplier) == [
        "line 2: formula; line 3: formula; line 4: unknown_reference; line 5: unknown_reference; line 6: unknown_sku; "
        "line 7: unknown_status"
    ]
    assert adapter.find(mine).state == "unknown"  # REL-F18: kept, shown as in progress, and said
    assert chosen.adapter_of(other).find(theirs).state == "dispatched"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "\x00", " =1", "\uff1d1", "\u00a0=1", "'=1"])
def test_no_cell_of_ours_is_a_formula_and_all_can_be_read_back(cell: str) -> None:
    row = list(csv.reader(io.StringIO(_csv.written(["a"], [[cell]]).decode(), newline="")))[1]
    assert not _csv.is_formula(row[0])
    assert row[0].removeprefix("'") == cell


def test_a_cancel_is_asked_by_file_once_and_answered_by_a_line(supplier: Supplier, root: Path) -> None:
    adapter = chosen.adapter_of(supplier)
    stopped, gone = placed(adapter), placed(adapter)
    for _ in range(2):
        assert adapter.cancel(stopped, idempotency_key="c") == TryAgain("asked_by_file", after_s=600.0)
        assert adapter.cancel(gone, idempotency_key="c") == TryAgain("asked_by_file", after_s=600.0)
    assert len(list((root / "to_partner").glob("cancel-*.csv"))) == 2
    answer(root, (stopped, "DV-1", "cancelled"), (gone, "DV-1", "too_late"))
    adapter.read_files()
    assert adapter.cancel(stopped, idempotency_key="c") == Done(stopped)
    assert adapter.cancel(gone, idempotency_key="c") == Refused("too_late")
    assert adapter.find(stopped).state == "cancelled"
    assert adapter.find(gone).state == "dispatched"


def test_each_such_partner_has_one_look_that_returns(shop: Shop, root: Path) -> None:
    from django.utils import timezone

    from ehrcommerce.outbox import services as outbox
    from ehrcommerce.outbox.models import Effect

    supplier = over_folder(shop, root)
    factories.agreement(shop.clinic, supplier.party)
    reference = placed(chosen.adapter_of(supplier))
    answer(root, (reference, "DV-1", "accepted"))
    for _ in range(2):
        assert reading.plan(shop.clinic.pk, timezone.now()) == 1
    effect = Effect.objects.get(organization_id=shop.clinic.pk, kind="suppliers.read_files")
    assert outbox.run(str(effect.public_id)) == "planned"
    assert chosen.adapter_of(supplier).find(reference).state == "accepted"
    assert FileOut.objects.filter(supplier=supplier).count() == 1


def test_a_name_leads_nowhere_else(root: Path) -> None:
    for name in ("../x", "a/b", ".hidden", "a\x00"):
        with pytest.raises(ValueError, match="not a file name"):
            Local("p", root).read(name)
    assert Remote.__doc__
