"""What an operator types, for two clinics whose data mirror each other: each command that touches a patient says and writes
for the one what it says and writes for the other, and in neither stands anything of its twin. [SEC-B13]"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.vault import walls
from tests import factories
from tests.access.asking import _DRAWN
from tests.access.cast import Tenant, World, suppliers
from tests.access.test_twins import ask, fingerprint, tables

pytestmark = pytest.mark.usefixtures("db")
DAYS = ("--from", "2020-01-01", "--to", "2100-01-01")
WORDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12,}\b|[A-Za-z0-9_=/+-]{40,}|LK-?\w+|\d+")


@dataclass(frozen=True)
class Typed:
    """`words` with {n} (the clinic), {order}, {officer}, {file}; `agreed` is what two people must agree on first."""

    words: str
    agreed: str = ""
    speaks: bool = True  # of things of the clinic, by their names: a search for names must find them here
    person: bool = False  # about the one person whose order it names
    alike: bool = True  # says the same of both, but for names and numbers
    mirrored: bool = True  # writes as many rows for both: not where one of them has more that ends

    def __str__(self) -> str:
        return self.words.partition(" --organization")[0].replace("{", "").replace("}", "")


FOR_ONE = (
    Typed("patient_export --organization {n} --order {order} --by {officer} --reason asked --to {file}", person=True),
    Typed("patient_erase --organization {n} --order {order} --by {officer} --reason asked", agreed="purge", speaks=False,
          person=True),
    Typed("audit --organization {n} who order:{order}", person=True),
    Typed("audit --organization {n} accounting order:{order}", person=True, speaks=False),
    Typed("audit --organization {n} accounting order:{order} --pdf {file}", person=True, speaks=False, alike=False),
    Typed(f"audit --organization {{n}} export {' '.join(DAYS)}", agreed="bulk_export", alike=False),
    Typed(f"audit --organization {{n}} scope {' '.join(DAYS)}", alike=False),
    Typed("audit --organization {n} verify", speaks=False),
    Typed("audit --organization {n} roots", speaks=False),
    Typed("verify_audit --organization {n}", speaks=False),
    Typed("export_consents --organization {n}", agreed="bulk_export"),
    Typed("retention --organization {n} --dry-run", speaks=False),
    Typed("retention --organization {n}", speaks=False),
    Typed("revoke_all --organization {clinic}", mirrored=False, alike=False),
)  # fmt: skip
FOR_ALL = (
    Typed("verify_audit", speaks=False),
    Typed("audit verify", speaks=False),
    Typed("audit roots", speaks=False),
    Typed("retention", speaks=False),
    Typed("after_restore --by ops", speaks=False),
    Typed("rotate_encryption_keys --dry-run", speaks=False),
)


@dataclass(frozen=True)
class Said:
    output: str
    rows: dict[str, int]  # table -> how many more there are
    crossed: list[str]  # tables in which it left something of the one with the other


@pytest.fixture
def type_it(world: World, tmp_path: Path) -> Callable[..., Said]:
    """Type it for one clinic, about an order of `about`; what it wrote is looked at and then rolled back."""

    def typed(one: Typed, mine: Tenant, about: str = "") -> Said:
        number, file = mine.shop.clinic.pk, tmp_path / f"file-{len(list(tmp_path.iterdir()))}"
        order, customer = order_of(mine)
        around = transaction.atomic()
        around._from_testcase = True  # type: ignore[attr-defined]
        with around:
            try:
                with walls.organization(number):
                    officer = User.objects.filter(organization_id=number, username=f"officer-{number}").first()
                    officer = officer or factories.staff(
                        mine.shop.clinic, username=f"officer-{number}", password="correct horse battery staple",
                        role=Role.PRIVACY, is_superuser=False,
                    )  # fmt: skip
                    if one.agreed:
                        about_whom = approvals.person(customer) if one.person else ""
                        factories.two_agree(mine.shop.clinic, one.agreed, about_whom)
                walls.leave()
                before = counts(number)
                words = one.words.format(
                    n=number,
                    order=about or order,
                    officer=officer.username,
                    file=file,
                    clinic=mine.shop.clinic.public_id,
                )
                output = run(words, file)
                assert walls.current() is None, "it left the walls of a clinic entered"
                after = counts(number)
                left = crossed(world)
                more = {name: after[name] - before[name] for name in after if after[name] != before[name]}
                return Said(output, more, left)
            finally:
                walls.leave()
                transaction.set_rollback(True)

    return typed


def run(words: str, file: Path) -> str:
    out = StringIO()
    name, *rest = words.split()
    try:
        call_command(name, *rest, stdout=out, stderr=out)
    except CommandError as refusal:
        out.write(f"refused: {refusal}")
    if file.exists():
        out.write(file.read_bytes().decode("utf-8", "replace"))
    return out.getvalue()


def counts(number: int) -> dict[str, int]:
    return {name: found[0][0] for name, found in fingerprint(number).items()}


def order_of(mine: Tenant) -> tuple[str, str]:
    with walls.organization(mine.shop.clinic.pk):
        order = Order.objects.get(offer=mine.offers[0])
        return str(order.public_id), Offer.objects.get(pk=mine.offers[0].pk).customer_key


def marks(mine: Tenant) -> set[str]:
    """What names things of this clinic and of no other."""
    number = mine.shop.clinic.pk
    with walls.organization(number):
        found = {str(mine.shop.clinic.public_id), str(mine.connection.public_id), mine.connection.slug}
        found |= {str(one) for group in (mine.payments, mine.questions, mine.hooks, mine.acts) for one in group}
        found |= {str(offer.public_id) for offer in mine.offers} | {str(link.public_id) for link in mine.links}
        found |= set(map(str, suppliers(mine)))
        for order in Order.objects.all():
            found |= {
                str(order.public_id),
                order.number,
                *(str(one) for one in order.fulfillments.values_list("public_id", flat=True)),
            }
        keys = set(Offer.objects.values_list("customer_key", flat=True))
        found |= keys | {audit.patient_ref(key).hex() for key in keys}
        found |= {one.username for one in User.objects.filter(organization_id=number)}
    return {mark for mark in found if len(mark) > 5}


def plain(said: str, mine: Tenant) -> str:
    """Without names and numbers of things."""
    for mark in sorted(marks(mine), key=len, reverse=True):
        said = said.replace(mark, "*")
    return WORDS.sub("#", _DRAWN.sub(b"*", said.encode()).decode())


def crossed(world: World) -> list[str]:
    """Rows of the one in which something of the other is named."""
    found = []
    for mine, other in ((world.here, world.there), (world.there, world.here)):
        names = "|".join(sorted(marks(other)))
        with walls.organization(mine.shop.clinic.pk):
            for table, column in tables().items():
                if (
                    column == "organization_id"
                    and not table.startswith("audit_auditevent_")  # parts of a table that is looked at whole
                    and ask(f"SELECT count(*) FROM {table} t WHERE t::text ~ '{names}'")[0][0]
                ):
                    found.append(table)
    return found


@pytest.fixture
def twins(world: World) -> Iterator[World]:
    walls.leave()
    yield world
    walls.leave()


def test_each_clinic_has_names_of_its_own(twins: World) -> None:
    assert len(marks(twins.here)) > 20
    assert not marks(twins.here) & marks(twins.there)
    assert crossed(twins) == []


@pytest.mark.parametrize("one", FOR_ONE, ids=str)
def test_a_command_for_one_clinic_knows_nothing_of_its_twin(
    twins: World, type_it: Callable[..., Said], one: Typed
) -> None:
    there = twins.there.shop.clinic.pk
    untouched = fingerprint(there)
    mine = type_it(one, twins.here)
    assert fingerprint(there) == untouched
    other = type_it(one, twins.there)
    assert "refused: " not in mine.output
    assert mine.crossed == other.crossed == []
    for said, own, foreign in ((mine, twins.here, twins.there), (other, twins.there, twins.here)):
        assert [mark for mark in marks(foreign) if mark in said.output] == []
        assert not one.speaks or any(mark in said.output for mark in marks(own)), said.output[:500]
    assert mine.rows == other.rows if one.mirrored else mine.rows.keys() == other.rows.keys()
    if one.alike:
        assert plain(mine.output, twins.here).splitlines() == plain(other.output, twins.there).splitlines()


@pytest.mark.parametrize("one", [one for one in FOR_ONE if one.person], ids=str)
def test_of_the_twins_patient_it_says_what_it_says_of_nobody(
    twins: World, type_it: Callable[..., Said], one: Typed
) -> None:
    order, _ = order_of(twins.there)
    untouched = fingerprint(twins.there.shop.clinic.pk)
    foreign = type_it(one, twins.here, order)
    nobody = type_it(one, twins.here, "00000000-0000-0000-0000-000000000007")
    assert foreign.output.startswith("refused: ")
    assert foreign.output.replace(order, "") == nobody.output.replace("00000000-0000-0000-0000-000000000007", "")
    assert foreign.rows == nobody.rows
    assert fingerprint(twins.there.shop.clinic.pk) == untouched


@pytest.mark.parametrize("one", FOR_ALL, ids=str)
def test_a_command_for_all_does_for_each_what_it_does_for_its_twin(
    twins: World, type_it: Callable[..., Said], one: Typed
) -> None:
    mine, other = type_it(one, twins.here), type_it(one, twins.there)
    assert "refused: " not in mine.output
    assert mine.rows == other.rows
    assert plain(mine.output, twins.here) == plain(other.output, twins.here)
    assert mine.crossed == other.crossed == []


LINES = "ehrcommerce.disclosure.management.commands.export_consents.consent_export.lines"
EXPORT = next(one for one in FOR_ONE if one.words.startswith("export_consents"))


def test_a_command_that_looks_into_the_twin_is_caught(
    twins: World, type_it: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search can fail: a command that enters the walls of the other clinic says its names."""

    def astray(number: int) -> Iterator[str]:
        with walls.organization(twins.there.shop.clinic.pk):
            yield from [f"{order.public_id}\n" for order in Order.objects.all()]

    monkeypatch.setattr(LINES, astray)
    said = type_it(EXPORT, twins.here)
    assert [mark for mark in marks(twins.there) if mark in said.output]


def test_a_command_that_writes_a_name_of_the_twin_is_caught(
    twins: World, type_it: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = f"offer:{twins.there.offers[0].public_id}"

    def mixed_up(number: int) -> list[str]:
        audit.record(organization_id=number, by=audit.system("x"), action="a.b", entity=entity, at=timezone.now())
        return []

    monkeypatch.setattr(LINES, mixed_up)
    assert type_it(EXPORT, twins.here).crossed == ["audit_auditevent"]


def test_every_command_that_touches_patients_is_typed() -> None:
    """A new one stands in FOR_ONE or FOR_ALL, or here with the reason."""
    from tests.house.test_authorization_matrix import COMMANDS

    elsewhere: dict[str, Any] = {
        "sweeper": "its chores and effects one by one in test_twins.py", "reconcile": "asks processors: tests/commerce/orders",
        "mllp": "tests/hl7", "hl7_files": "tests/hl7", "ehr_connect": "no patient", "rotate_keys": "no patient",
        "load_demo": "the demo's own", "write_docs": "asks no database",
        "show_opened": "test systems alone",
    }  # fmt: skip
    typed = {one.words.split()[0] for one in (*FOR_ONE, *FOR_ALL)}
    assert typed | set(elsewhere) == set(COMMANDS)
    assert not typed & set(elsewhere)
