"""The keys between the configured ones and the values: one of each organization, one of each order.

An order's key is sealed by its organization's, and that by a configured key. Whoever empties the row of an order's key
has erased every value that was sealed under it, wherever a copy of that value lies (docs/keys.md)."""

from django.db import models
from django.db.models.functions import Now


class DataKey(models.Model):
    """`scope` stands in the header of each value that the key seals: an offer's public id, or an id of its own for an
    organization's key. A destroyed key leaves its row, so that nobody makes another by that name."""

    ORGANIZATION, ORDER = "organization", "order"

    scope = models.UUIDField(unique=True)
    organization_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=[(kind, kind) for kind in (ORGANIZATION, ORDER)])
    wrapped = models.BinaryField(max_length=160, default=b"")
    made_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id"],
                name="data_key_one_of_organization",
                condition=models.Q(kind="organization", destroyed_at=None),
            ),
            models.CheckConstraint(
                condition=models.Q(destroyed_at=None) | models.Q(wrapped=b""), name="data_key_destroyed_is_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope}"
