"""Away from an old configured key, in batches, while the app runs: organization keys are wrapped anew, values that stand
directly under a configured key are sealed anew, and those of an order move under the order's own key.

Each value is written only if nobody changed it since it was read, so that a running writer always wins. Nothing is
remembered between runs: what still stands under an old key is found by its header, and a run that was stopped is simply
started again."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from psycopg import sql

from ehrcommerce.vault import envelopes, keys, walls
from ehrcommerce.vault.fields import Sealed, SealedField
from ehrcommerce.vault.keys import VaultError
from ehrcommerce.vault.models import DataKey

BATCH = 200


@dataclass
class Tally:
    """`moved` and `left` by table and column; `held` names each row that no key opens: it stays as it is."""

    moved: Counter[str] = field(default_factory=Counter)
    held: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


# Values of tables that are not ours and that stand under a configured key, e.g. seeds of one-time codes. Each is called
# with (current key id, write) inside the walls that stand, and returns how many it moved or would move.
OTHERS: dict[str, Callable[[bool], int]] = {}


def columns() -> Iterator[tuple[type[models.Model], SealedField]]:
    """Every sealed column there is."""
    for model in apps.get_models():
        for one in model._meta.concrete_fields:
            if isinstance(one, SealedField):
                yield model, one


def organizations() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        return [row[0] for row in cursor.fetchall()]


def everything(*, write: bool, batch: int = BATCH) -> Tally:
    """All organizations, then what belongs to none. Without `write` it only counts."""
    tally = Tally()
    for organization_id in organizations():
        with walls.organization(organization_id):
            _organization_keys(tally, write=write)
            for model, one in columns():
                if _has_organization(model):
                    _column(tally, model, one, write=write, batch=batch)
    for model, one in columns():
        if not _has_organization(model):
            _column(tally, model, one, write=write, batch=batch)
    for name, work in OTHERS.items():
        if count := work(write):
            (tally.moved if write else tally.left)[name] += count
    return tally


def _has_organization(model: type[models.Model]) -> bool:
    return any(one.attname == "organization_id" for one in model._meta.concrete_fields)


def _organization_keys(tally: Tally, *, write: bool) -> None:
    for row in DataKey.objects.filter(kind=DataKey.ORGANIZATION, destroyed_at=None):
        if keys.key_id_of(bytes(row.wrapped)) == current():
            continue
        if not write:
            tally.left["vault_datakey.wrapped"] += 1
            continue
        try:
            wrapped = envelopes.rewrap(row)
        except VaultError as problem:
            tally.held.append(f"vault_datakey {row.scope}: {type(problem).__name__}")
            continue
        tally.moved["vault_datakey.wrapped"] += DataKey.objects.filter(pk=row.pk, wrapped=row.wrapped).update(
            wrapped=wrapped
        )


def current() -> str:
    """The id of the configured key that seals."""
    return str(next(iter(settings.FIELD_KEYS)))


def _column(tally: Tally, model: type[models.Model], one: SealedField, *, write: bool, batch: int) -> None:
    name, after = f"{model._meta.db_table}.{one.column}", 0
    while pks := _waiting(model, one, after, batch):
        after = pks[-1]
        if not write:
            tally.left[name] += len(pks)
            continue
        for row in model._base_manager.filter(pk__in=pks).order_by("pk"):
            before = row.__dict__.get(one.attname)
            if not isinstance(before, Sealed):
                continue  # emptied meanwhile
            try:
                with transaction.atomic():
                    sealed = one.sealed(row, one.opened(row, before))
                    tally.moved[name] += _exchange(model, one, row.pk, bytes(before), sealed)
            except VaultError as problem:
                tally.held.append(f"{name} {row.public_id}: {type(problem).__name__}")  # type: ignore[attr-defined]


def _waiting(model: type[models.Model], one: SealedField, after: int, batch: int) -> list[int]:
    """Rows whose value stands directly under a configured key and should not, or not under that one."""
    to_order_key = hasattr(model, "envelope") and not hasattr(model, "envelope_optional") and envelopes.wanted()
    header = keys.header_of(current())
    elsewhere = sql.SQL("TRUE") if to_order_key else sql.SQL("substring({column} from 1 for {length}) <> {header}")
    column = sql.Identifier(str(one.column))
    query = sql.SQL(
        "SELECT id FROM {table} WHERE id > {after} AND substring({column} from 1 for 1) = {version}"
        " AND {elsewhere} ORDER BY id LIMIT {batch}"
    ).format(
        table=sql.Identifier(model._meta.db_table), column=column, after=after, batch=batch, version=keys.VERSION,
        elsewhere=elsewhere.format(column=column, length=len(header), header=header),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def _exchange(model: type[models.Model], one: SealedField, pk: int, before: bytes, after: bytes) -> int:
    query = sql.SQL("UPDATE {table} SET {column} = {after} WHERE id = {pk} AND {column} = {before}").format(
        table=sql.Identifier(model._meta.db_table),
        column=sql.Identifier(str(one.column)),
        after=after,
        before=before,
        pk=pk,
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.rowcount)
