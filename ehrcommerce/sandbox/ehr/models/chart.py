"""FHIR resources as they were written: the text is the truth, the columns beside it are what searches need."""

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.db import models


class Resource(models.Model):
    """The newest version of one FHIR resource; numbers in `text` keep their own characters."""

    type = models.CharField(max_length=40)
    fhir_id = models.CharField(max_length=64)
    version = models.IntegerField(default=1)
    last_updated = models.DateTimeField()
    deleted = models.BooleanField(default=False)
    patient = models.CharField(max_length=64, default="", blank=True)
    status = models.CharField(max_length=40, default="", blank=True)
    intent = models.CharField(max_length=40, default="", blank=True)
    identifiers = models.JSONField(default=list)
    loaded_digest = models.CharField(max_length=64, default="", blank=True)
    text = models.TextField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["type", "fhir_id"], name="resource_one_id_in_a_type"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["patient", "type"], name="resource_patient_type"),
            models.Index(fields=["type", "last_updated"], name="resource_type_updated"),
            GinIndex(fields=["identifiers"], name="resource_identifiers", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """The relative reference."""
        return f"{self.type}/{self.fhir_id}"

    @property
    def etag(self) -> str:
        """The version as the HTTP headers write it."""
        return f'W/"{self.version}"'
