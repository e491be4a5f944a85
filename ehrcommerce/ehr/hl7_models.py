"""Feeds of HL7 v2: which sender we believe, and where in its messages the ids of the FHIR resources stand."""

import uuid
from typing import TYPE_CHECKING

from django.db import models


class Hl7Feed(models.Model):
    """One sender of HL7 v2 messages. Its events go into the inbox under its `subscription`, which the app makes for it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey("ehr.EhrConnection", on_delete=models.CASCADE, related_name="+")
    subscription = models.OneToOneField(
        "ehr.Subscription", on_delete=models.CASCADE, related_name="feed", editable=False
    )
    name = models.CharField(max_length=80, help_text="As your interface engineer knows it.")
    enabled = models.BooleanField(default=False)
    senders = models.TextField(help_text="Sending application and facility (MSH-3, MSH-4), e.g. EPIC|MAIN; one a line.")
    certificates = models.CharField(
        max_length=200, blank=True, default="",
        help_text="SHA-256 of the sender's client certificate; two while one takes over.",
    )  # fmt: skip
    networks = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="From where it connects, e.g. 10.1.2.0/28; with spaces between.",
    )
    folder = models.SlugField(
        max_length=40, blank=True, default="", help_text="Where its files come, below the directory of hl7_files."
    )
    order_id_at = models.CharField(
        max_length=12, blank=True, default="",
        help_text="Where the FHIR id of an order stands, e.g. ORC-2.1. Empty: it stands nowhere; each message starts a look"
        " at what changed.",
    )  # fmt: skip
    patient_ids_are_fhir = models.BooleanField(
        default=False,
        help_text="PID-3 and MRG-1 hold the FHIR id of the patient. Off: a merge starts a look at everything.",
    )
    patient_authority = models.CharField(
        max_length=40,
        blank=True,
        default="",
        help_text="Which identifier of several: its assigning authority (CX.4.1).",
    )
    charset = models.CharField(max_length=16, blank=True, default="", help_text="Where MSH-18 is empty. Empty: ASCII.")
    processing_ids = models.CharField(
        max_length=8, default="P", help_text="MSH-11: P production, T training, D debugging."
    )
    refused = models.PositiveBigIntegerField(default=0, help_text="Messages that were answered AE or AR.")
    refused_kinds = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = "HL7 v2 feed", "HL7 v2 feeds"
        constraints = [
            models.UniqueConstraint(fields=["folder"], name="hl7_feed_folder", condition=~models.Q(folder="")),
        ]

    if TYPE_CHECKING:
        organization_id: int
        connection_id: int
        subscription_id: int

    def __str__(self) -> str:
        return self.name
