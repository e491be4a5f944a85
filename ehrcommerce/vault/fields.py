"""Model fields whose values are ciphertext in the database and plain text only in the hand that reads the attribute.

The model must have a `public_id` UUID made before the first save: it is the row's name in the additional data. Where it
also has `envelope()`, its values are sealed under the key of that offer (envelopes.py); else under a configured key.
Such a field cannot be filtered, updated by queryset, or read through values(): each of these raises or yields the seal."""

import json
import logging
from typing import TYPE_CHECKING, Any

from django.db import models

from ehrcommerce.vault import envelopes
from ehrcommerce.vault.keys import Destroyed, VaultError, seal

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
else:
    _Field = models.Field


class Sealed(bytes):
    """Ciphertext as it stands in the row."""

    def __repr__(self) -> str:
        return "<sealed>"


class _Opener:
    """Opens on read, keeps what is assigned: the plain value never waits in the instance longer than it must."""

    def __init__(self, field: "SealedField") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        return self.field.from_bytes(self.field.opened(instance, value)) if isinstance(value, Sealed) else value

    def __set__(self, instance: models.Model, value: Any) -> None:
        before = instance.__dict__.get(self.field.attname)
        if isinstance(before, Sealed) and (scope := envelopes.scope_of(before)):
            instance.__dict__[self.field.remembered] = scope
        instance.__dict__[self.field.attname] = value


class SealedField(_Field):
    """Base: bytes in, bytes out. An empty value is stored as it is (nothing to hide, nothing to open)."""

    empty: Any = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", type(self).empty)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def get_internal_type(self) -> str:
        return "BinaryField"

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Opener(self))

    def place(self, instance: models.Model) -> str:
        return f"{self.model._meta.db_table}.{self.column}:{instance.public_id}"  # type: ignore[attr-defined]

    @property
    def remembered(self) -> str:
        """Where an instance keeps the scope of a value that was replaced, which spares asking for its offer."""
        return f"_{self.attname}_scope"

    def opened(self, instance: models.Model, sealed: bytes) -> bytes:
        """Raises a VaultError, and rings the alarm: a value that does not open is an attack, or a key that is lost."""
        try:
            return envelopes.open_sealed(sealed, self.place(instance))
        except Destroyed:
            raise
        except VaultError as problem:
            log.error("vault: %s in %s.%s", type(problem).__name__, self.model._meta.db_table, self.column)
            raise

    def sealed(self, instance: models.Model, plain: bytes) -> bytes:
        """Under the order's key where the model belongs to one. Of whom asked to be forgotten nothing new is kept."""
        envelope = getattr(instance, "envelope", None)
        if envelope is None or not envelopes.wanted():
            return seal(plain, self.place(instance))
        scope = instance.__dict__.get(self.remembered) or envelope()
        if scope is None:
            return seal(plain, self.place(instance))
        organization_id = instance.organization_id  # type: ignore[attr-defined]
        try:
            return envelopes.seal(plain, self.place(instance), scope=scope, organization_id=organization_id)
        except Destroyed:
            return b""

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, plain: bytes) -> Any:
        return plain

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return self.empty_value() if value is None or len(value) == 0 else Sealed(value)

    def empty_value(self) -> Any:
        return self.get_default()

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname, self.empty_value())
        if isinstance(value, Sealed):
            return value
        if value in ("", b"", None, {}, []):
            return Sealed(b"")
        return Sealed(self.sealed(model_instance, self.to_bytes(value)))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} is sealed: assign it on an instance and save that.")
        return None if value is None else bytes(value)


class SealedText(SealedField):
    """Text of any length."""

    empty = ""

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, plain: bytes) -> str:
        return plain.decode()


class SealedJson(SealedField):
    """A JSON value. Numbers that are doses must be given as text."""

    empty: Any = dict

    def to_bytes(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def from_bytes(self, plain: bytes) -> Any:
        return json.loads(plain)
