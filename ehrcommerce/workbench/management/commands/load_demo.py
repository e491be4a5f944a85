"""Fills the app's side of the demo: one clinic, its EHR (the sandbox), its partners (the sandbox too), the catalog,
and an administrator. Everything is made by name, so that loading twice changes nothing."""

import base64
import hashlib
import json
import secrets
import uuid
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts.models import Agreement, AgreementState, Organization, Role, User
from ehrcommerce.accounts.organizations import create_organization, organization_ids
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog import rules
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import ShippingRule, TaxRule
from ehrcommerce.ehr.models import EhrConnection, HookClient, PollingWatermark, Scheme, Subscription
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Partner, ask
from ehrcommerce.workbench.demo_catalog import PRODUCTS
from ehrcommerce.workbench.management.demo_rules import automate

OVERLAP = timedelta(minutes=2)
ORDER_TYPES = "MedicationRequest DeviceRequest ServiceRequest"
NAMESPACE = uuid.UUID("6f0e6d1c-2b57-4a55-9a3e-8f2d1f0a7c11")
# port, adapter, path below the sandbox, name that patients read, asks for the birth date
PARTNERS = (
    (Port.PHARMACY, "pharmacy_http", "pharmacy", "Lakeside Pharmacy", True),
    (Port.DEVICE, "device_http", "devices", "Harbor Medical Supply", False),
    (Port.KIT, "kit_http", "lab", "Northwest Home Tests", False),
    (Port.CARRIER, "carrier_http", "carrier", "Sandbox Post", False),
    (Port.PAYMENT, "payment_hosted", "pay", "Sandbox Pay", False),
    (Port.ELIGIBILITY, "eligibility_http", "payer", "Planlink", False),
    (Port.MESSAGING, "messaging_http", "messages", "Message service", False),
)


def supplier_id(port: str) -> uuid.UUID:
    """The same id on every machine, so that the sandbox can be told its callback addresses before anything is loaded."""
    return uuid.uuid5(NAMESPACE, f"supplier/{port}")


class Command(BaseCommand):
    help = "Load the demo clinic, its sandbox EHR and partners, the catalog and an administrator. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", action="store_true", help="the EHR tells of changes, and two rules act on them")
        parser.add_argument("--any-age", action="store_true", help="old prescriptions are taken too, as published ones are")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX_URL:
            raise CommandError("EHRC_SANDBOX_URL is not set. Start the demo with: python3 manage.py demo")
        organization = self._organization()
        if options["any_age"]:
            Organization.objects.filter(pk=organization.pk).update(prescription_max_age_days=0)
        connection = self._connection(organization)
        self._agreement(organization, "organization", organization.name, "all")
        self._agreement(organization, connection.party, connection.name, "chart,write_back")
        for partner in PARTNERS:
            supplier = self._supplier(organization, *partner)
            self._agreement(organization, supplier.party, supplier.name, supplier.port)
        catalog.load_products(
            organization, [asdict(product) for product in PRODUCTS], by=audit.system("load_demo"), at=timezone.now()
        )
        self._rules(organization)
        self._call_back()
        if options["events"]:
            self._listen(connection)
            self._advise(connection)
            automate(connection, Supplier.objects.get(public_id=supplier_id(Port.KIT)), at=timezone.now())
        self.stdout.write(json.dumps({"admin": self._administrators(organization)}))
        walls.leave()

    def _organization(self) -> Organization:
        public_id = uuid.uuid5(NAMESPACE, "organization")
        for organization_id in organization_ids():
            walls.enter(organization_id)
            found = Organization.objects.filter(public_id=public_id).first()
            if found:
                return found
        return create_organization(
            public_id=public_id,
            name="Lakeside Family Clinic",
            alias="Lakeside Health",
            phone="1-800-555-0142",
            state="WA",
        )

    def _connection(self, organization: Organization) -> EhrConnection:
        base = f"{settings.SANDBOX_URL.rstrip('/')}/fhir/R4"
        made, _ = EhrConnection.objects.update_or_create(
            slug="demo",
            defaults={
                "organization": organization, "name": "Sandbox EHR", "vendor": "sandbox", "fhir_base": base,
                "canonical_iss": base, "client_id": "ehrcommerce-demo", "oidc_issuer": base, "backend_services": True,
                "write_back": True, "frame_origins": settings.SANDBOX_URL.rstrip("/"), "owner_contact": "You",
                "jwks_uri": f"{settings.SANDBOX_URL.rstrip('/')}/auth/jwks",
            },
        )  # fmt: skip
        return made

    def _listen(self, connection: EhrConnection) -> None:
        """The app makes the subscription at the EHR by itself, at its present address; and looks every five minutes."""
        at = timezone.now()
        row, _ = Subscription.objects.get_or_create(
            connection=connection, scheme=Scheme.BACKPORT, managed=True,
            defaults={
                "organization_id": connection.organization_id, "topic": f"{settings.SANDBOX_URL.rstrip('/')}/topics/orders",
                "heartbeat_s": 60, "secret": secrets.token_urlsafe(32), "created_at": at,
            },
        )  # fmt: skip
        Subscription.objects.filter(pk=row.pk).update(reference="", checked_at=None, last_number="")
        for name in ORDER_TYPES.split():
            # What was there before is no news: the first look begins at this moment.
            PollingWatermark.objects.get_or_create(
                connection=connection, resource_type=name,
                defaults={
                    "organization_id": connection.organization_id, "since_at": at + OVERLAP, "next_at": at,
                    "overlap_s": OVERLAP.seconds,
                },
            )  # fmt: skip

    def _advise(self, connection: EhrConnection) -> None:
        """Before an order is signed the EHR asks us for a card."""
        sandbox = settings.SANDBOX_URL.rstrip("/")
        HookClient.objects.update_or_create(
            connection=connection,
            defaults={
                "organization_id": connection.organization_id, "enabled": True, "hooks": "order-sign", "issuer": sandbox,
                "jku": f"{sandbox}/auth/jwks",
            },
        )  # fmt: skip
        self._tell("control/knobs", {"cds_base": f"{settings.CLINIC_URL}/hooks/cds/{connection.slug}"})

    def _supplier(
        self, organization: Organization, port: str, adapter: str, path: str, name: str, birth_date: bool
    ) -> Supplier:
        found = Supplier.objects.filter(public_id=supplier_id(port)).first() or Supplier(public_id=supplier_id(port))
        found.organization, found.port, found.adapter, found.name = organization, port, adapter, name
        found.base_url = f"{settings.SANDBOX_URL.rstrip('/')}/{path}"
        found.needs_birth_date, found.phone = birth_date, "1-800-555-0142"
        found.api_key, found.callback_secret = settings.SANDBOX_PARTNER_API_KEY, settings.SANDBOX_CALLBACK_SECRET
        found.save()
        return found

    def _rules(self, organization: Organization) -> None:
        """Prices hold everything at home; a parcel to California has tax and a fee, to see how that looks."""
        since = date(2026, 1, 1)
        rules.add_free_rules(organization_id=organization.pk, starts_on=since)
        for tax_class, rate_ppm in (("medical_device", 72_500), ("lab_kit", 72_500)):
            TaxRule.objects.get_or_create(
                organization=organization, state="CA", tax_class=tax_class, starts_on=since,
                defaults={"rate_ppm": rate_ppm},
            )  # fmt: skip
        ShippingRule.objects.get_or_create(
            organization=organization, state="CA", kind="", from_grams=0, from_cents=0, starts_on=since,
            defaults={"fee_cents": 695},
        )  # fmt: skip

    def _call_back(self) -> None:
        """Tell the sandbox's partners where this app listens."""
        paths = {"pharmacy": Port.PHARMACY, "devices": Port.DEVICE, "lab": Port.KIT}
        addresses = {name: f"{settings.BASE_URL}/hooks/supplier/{supplier_id(port)}/" for name, port in paths.items()}
        addresses["payment"] = f"{settings.BASE_URL}/hooks/payment/{supplier_id(Port.PAYMENT)}/"
        self._tell("control/callbacks", addresses)

    def _tell(self, path: str, what: dict[str, str]) -> None:
        sandbox = Partner("sandbox", settings.SANDBOX_URL)
        headers = {"Content-Type": "application/json", "X-Sandbox-Control": settings.SANDBOX_CONTROL_TOKEN}
        answer = ask(sandbox, "POST", path, headers=headers, body=json.dumps(what).encode())
        if not answer.ok:
            raise CommandError(f"The sandbox did not take {path} (HTTP {answer.status}).")

    def _agreement(self, organization: Organization, party: str, name: str, services: str) -> None:
        Agreement.objects.get_or_create(
            organization=organization, party=party,
            defaults={
                "party_name": name, "document": "demo agreement", "effective": date(2026, 1, 1), "signed_off_by": "Demo",
                "services": services, "state": AgreementState.ACTIVE, "breach_contact": "1-800-555-0142",
                "document_sha256": hashlib.sha256(b"demo agreement").hexdigest(),
            },
        )  # fmt: skip

    def _administrators(self, organization: Organization) -> dict[str, str]:
        """Two, since some changes take a second person: the facts of the first one, and of the second as `second_...`."""
        first = self._administrator(organization, "admin", "Demo administrator")
        second = self._administrator(organization, "admin2", "Second demo administrator")
        return first | {f"second_{name}": value for name, value in second.items()}

    def _administrator(self, organization: Organization, username: str, name: str) -> dict[str, str]:
        """An administrator and the one-time-code enrolment line; the password is made once and told once."""
        user = User.objects.filter(username=username).first()
        told = {"username": username, "password": "(unchanged)"}
        if user is None:
            password = "-".join(secrets.token_hex(3) for _ in range(3))
            user = User(
                username=username, organization=organization, role=Role.ADMINISTRATOR, is_staff=True, is_superuser=True
            )
            user.display_name = name
            user.set_password(password)
            user.save()
            told["password"] = password
        device, _ = TOTPDevice.objects.get_or_create(user=user, name="demo", defaults={"tolerance": 0})
        told["otpauth"] = device.config_url
        told["secret"] = base64.b32encode(device.bin_key).decode().rstrip("=")
        return told
