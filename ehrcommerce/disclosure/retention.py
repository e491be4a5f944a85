"""Nothing is kept longer than its row of the table says. The app that owns a value registers how it is erased and of
which class it is; here it becomes a chore of the clock, each on its own, so that one that fails does not keep the others
waiting. Each run that erased something leaves a certificate with its counts."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from ehrcommerce.accounts.models import BreakGlass, Reveal
from ehrcommerce.audit import services as audit
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.models import Consent, Disclosure, PurgeCertificate
from ehrcommerce.outbox import chores
from ehrcommerce.policy import keeping
from ehrcommerce.policy.keeping import Keeping
from ehrcommerce.vault.fields import Sealed

# `erase(organization_id, at)` runs inside that organization's walls and a transaction; one batch, of BATCH rows at most.
# It returns how many rows lost a value.
Eraser = Callable[[int, datetime], int]
EVERY_S = 3600.0
BATCH, MOST_BATCHES = 100, 100


@dataclass(frozen=True, slots=True)
class Rule:
    """`keeps`: the columns that it erases, `app.Model.field`, each with its class of the table."""

    erase: Eraser
    keeps: Mapping[str, Keeping]


RULES: dict[str, Rule] = {}
# Called with (organization_id, customer_key, order keys) when one person is erased, by rooms that hold something of
# theirs and that are not to be imported.
FORGETTERS: dict[str, Callable[[int, str, frozenset[str]], int]] = {}


def register(name: str, eraser: Eraser, keeps: Mapping[str, Keeping] | None = None) -> None:
    """Called in AppConfig.ready by the owner of the values, e.g. register("contacts", erase_contacts, {...})."""
    RULES[name] = Rule(eraser, keeps or {})
    chores.register(f"retention.{name}", every_s=EVERY_S, work=partial(run_one, name))


def run_one(name: str, organization_id: int, at: datetime) -> int:
    """Erase what is due, batch by batch, and certify each; all of a batch or nothing."""
    total = 0
    for _ in range(MOST_BATCHES):
        with transaction.atomic():
            erased = RULES[name].erase(organization_id, at)
            if erased:
                _certify(name, organization_id, erased, at)
        total += erased
        if erased < BATCH:
            break
    return total


def run(organization_id: int, at: datetime) -> int:
    """All of them now, for an operator who does not want to wait for the clock."""
    return sum(run_one(name, organization_id, at) for name in sorted(RULES))


def due(organization_id: int, at: datetime) -> Counter[str]:
    """What a run would erase now, by rule: it is run, and undone. So a dry run cannot differ from the run."""
    counts: Counter[str] = Counter()
    for name in sorted(RULES):
        with transaction.atomic():
            for _ in range(MOST_BATCHES):
                erased = RULES[name].erase(organization_id, at)
                counts[name] += erased
                if erased < BATCH:
                    break
            transaction.set_rollback(True)
    return counts


def _certify(name: str, organization_id: int, rows: int, at: datetime) -> None:
    classes = ", ".join(sorted({kept.name for kept in RULES[name].keeps.values()}))
    PurgeCertificate.objects.create(organization_id=organization_id, rule=name, kept=classes, rows=rows, at=at)
    audit.record(
        organization_id=organization_id, by=audit.system("retention"), action="retention.erased",
        entity=f"retention:{name}", at=at, reason=f"rows:{rows}",
    )  # fmt: skip


def over_since(kept: Keeping, at: datetime) -> datetime:
    """What came to its end before this moment is due."""
    return at - timedelta(days=kept.days)


def erase_receipts(organization_id: int, at: datetime) -> int:
    """Receipts and consents after the six years in which they must be shown (45 CFR 164.528). Holds keep theirs."""
    before, held = over_since(keeping.SKELETON, at), holds.standing(organization_id, at)
    receipts = Disclosure.objects.filter(organization_id=organization_id, planned_at__lte=before)
    yes = Consent.objects.filter(organization_id=organization_id, given_at__lte=before)
    yes = yes.exclude(pk__in=Consent.objects.exclude(standing=None).values("standing"))  # before those that followed it
    gone = 0
    for rows in (receipts.exclude(customer_key__in=held), yes.exclude(customer_key__in=held)):
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: BATCH // 2])
        gone += rows.model._base_manager.filter(pk__in=pks).delete()[0]
    return gone


def erase_notes(organization_id: int, at: datetime) -> int:
    """Why staff looked at a value, in their own words, after as long as the audit is kept; the row itself stays."""
    before, empty = over_since(keeping.AUDITED, at), Sealed(b"")
    looks = Reveal.objects.filter(organization_id=organization_id, at__lte=before).exclude(note=empty)
    glass = BreakGlass.objects.filter(organization_id=organization_id, began_at__lte=before).exclude(note=empty)
    gone = 0
    for rows in (looks, glass):
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: BATCH // 2])
        gone += rows.model._base_manager.filter(pk__in=pks).update(note=empty)
    return gone
