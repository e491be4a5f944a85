"""Pages of rows that one person must not switch on or redirect alone. A new row begins switched off; what reaches the
outside from a row that is on waits for a second person (approvals.py), and everything else is saved at once. Switching
off needs nobody."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import BackOffice, entity_of, staff_of
from ehrcommerce.accounts.models import ProposedChange, User
from ehrcommerce.vault.fields import SealedField


class TwoPeople(BackOffice):
    """`kind` of approvals, the column that switches the row on, and the columns that need a second person while it is."""

    kind: ClassVar[str]
    switch: ClassVar[str]
    guarded: ClassVar[frozenset[str]]

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        before = self.model._default_manager.get(pk=obj.pk) if change else None
        held = self._hold(obj, before)
        kept = [name for name in form.changed_data if name not in held and SECRET_FIELDS.get(name, name) not in held]
        form.changed_data = kept
        if before is None or kept:
            super().save_model(request, obj, form, change)
        if held:
            self.propose(request, obj, held)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """What was saved, without what waits; noted for the sentence above the page."""
        done = super().construct_change_message(request, form, formsets, add)
        request.saved_something = bool(done)  # type: ignore[attr-defined]
        return done

    def message_user(
        self, request: HttpRequest, message: Any, level: Any = messages.INFO, *args: Any, **more: Any
    ) -> None:
        """Beside something that waits, "changed successfully" would say what has not happened."""
        if level == messages.SUCCESS and getattr(request, "waits", False):
            if not getattr(request, "saved_something", False):
                return
            message = "The rest was saved."
        super().message_user(request, message, level, *args, **more)

    def _hold(self, obj: Any, before: Any) -> dict[str, Any]:
        """Take off the row what must wait, and return it."""
        on = getattr(obj, self.switch)
        if not on:
            return {}
        if before is None or not getattr(before, self.switch):
            setattr(obj, self.switch, False)
            return {self.switch: True}
        held = {name: getattr(obj, name) for name in self.guarded if getattr(obj, name) != getattr(before, name)}
        for name in held:
            setattr(obj, name, getattr(before, name))
        return held

    def propose(
        self, request: HttpRequest, row: Any, values: Mapping[str, Any], diff: approvals.Diff | None = None
    ) -> None:
        """Let it wait for a second person, and say so."""
        request.waits = True  # type: ignore[attr-defined]
        fresh = self.model._default_manager.get(pk=row.pk)
        told = diff if diff is not None else [shown(fresh, name, value) for name, value in values.items()]
        try:
            approvals.propose(
                kind=self.kind, entity=entity_of(row), by=staff_of(request), at=timezone.now(), values=values, diff=told,
                before=stands(fresh, self.switch, self.guarded),
            )  # fmt: skip
        except approvals.ApprovalProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
            return
        names = ", ".join(label for label, _, _ in told)
        self.message_user(
            request, f"Waits for a second person, under Proposed changes: {names}. Until then it stays as it was.",
            messages.WARNING,
        )  # fmt: skip


SECRET_FIELDS = {
    "new_client_secret": "client_secret", "new_api_key": "api_key", "new_callback_secret": "callback_secret",
    "new_client_pem": "client_pem",
}  # fmt: skip


def shown(row: Any, name: str, value: Any) -> tuple[str, str, str]:
    """A line of the diff; of a secret only that there is a new one."""
    field = row._meta.get_field(name)
    if isinstance(field, SealedField):
        return (str(field.verbose_name), "(secret)", "(a new secret)")
    return (str(field.verbose_name), _words(getattr(row, name)), _words(value))


def _words(value: Any) -> str:
    return (
        ("on" if value else "off")
        if isinstance(value, bool)
        else str(value if value not in ("", {}, None) else "empty")
    )


def stands(row: Any, switch: str, guarded: frozenset[str]) -> bytes:
    """The row as it stands, in one keyed hash."""
    return approvals.digest_of({name: getattr(row, name) for name in sorted({switch, *guarded})})


def applier(model: type[models.Model], switch: str, guarded: frozenset[str], extra: Any = None) -> approvals.Apply:
    """What an approval does to a row of `model`: exactly what was proposed, if it still is what it was. `extra(row, values,
    by, at)` takes what is no column of the row."""

    def apply(change: ProposedChange, values: Mapping[str, Any], by: User, at: datetime) -> None:
        row: Any = model._default_manager.select_for_update().filter(public_id=approvals.row_id(change)).first()
        if row is None or stands(row, switch, guarded) != bytes(change.before_digest):
            raise approvals.RowChanged
        columns = {field.name for field in model._meta.concrete_fields}
        written = [name for name in values if name in columns]
        for name in written:
            setattr(row, name, values[name])
        if written:
            row.save(update_fields=written)
        if extra is not None:
            extra(row, values, by, at)

    return apply
