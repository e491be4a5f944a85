"""Connect an EHR from the shell: look at what it publishes, fill the knobs of its vendor, say in sentences what was found,
write the row, and print what its administrator needs. The same look as the admin's Test connection."""

import copy
import re
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connection as database
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from ehrcommerce.accounts.models import Organization
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.audit import services as audit
from ehrcommerce.ehr import checking, handover, knob_rules, presets
from ehrcommerce.ehr.connection_form import METHODS, free_iss
from ehrcommerce.ehr.errors import BadIssuer, EhrError
from ehrcommerce.ehr.findings import ERROR, OK, WARNING
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls

BY = audit.system("ehr_connect")
MARK = {OK: "  ok      ", WARNING: "  look    ", ERROR: "  WRONG   "}
# What people paste: an address below the base instead of the base.
BELOW = re.compile(r"/(metadata|\.well-known/[a-z-]+)/?$")


class Command(BaseCommand):
    help = "Looks at the EHR behind a FHIR base, says what was found, and writes its connection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="the FHIR R4 base, as the EHR's administrator gave it")
        parser.add_argument("--vendor", choices=sorted(presets.PRESETS), help="guessed from the address if left out")
        parser.add_argument(
            "--organization", default="", metavar="NAME", help="its name or id; needed if there are several"
        )
        parser.add_argument("--client-id", default="", help="as the EHR registered the app; may come later")
        parser.add_argument("--client-auth", choices=[method for method, _ in METHODS], help="as registered there")
        parser.add_argument("--slug", default="", help="short name, part of the redirect address")
        parser.add_argument("--name", default="", help="as clinicians read it")
        parser.add_argument(
            "--origin", action="append", default=[], metavar="ORIGIN",
            help="a further origin of the EHR, asked of its administrator; may be given several times",
        )  # fmt: skip
        parser.add_argument(
            "--frame", action="append", default=[], metavar="ORIGIN", help="an origin whose pages frame the app"
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--save", action="store_true", help="write the row even if something is wrong")
        how.add_argument("--dry-run", action="store_true", help="write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = _organization(options["organization"])
        with walls.organization(organization.pk):
            row = self._row(organization, options)
            found = self._look(row)
            saved = not options["dry_run"] and (options["save"] or found.worst != ERROR)
            if saved:
                self._save(row, found)
            self._tell(row, found, saved=saved)
        if found.worst == ERROR:
            raise CommandError("Something is wrong, see WRONG above. " + _end(saved=saved))

    # ---------------------------------------------------------------------------------------------------------- the row
    def _row(self, organization: Organization, options: dict[str, Any]) -> EhrConnection:
        """The connection of this address, new or there already, with what the options say. Not saved yet."""
        base = BELOW.sub("", options["url"].strip())
        row = _known(base)
        self._before = _values(row) if row else {}
        new = row is None
        row = row or EhrConnection(organization=organization, fhir_base=base)
        try:
            row.canonical_iss = free_iss(base, besides=row.pk)
            row.extra_origins = knob_rules.origins("\n".join([row.extra_origins, *options["origin"]]))
            row.frame_origins = knob_rules.origins("\n".join([row.frame_origins, *options["frame"]]))
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from problem
        if new or options["vendor"]:
            self._fill(row, options["vendor"] or "", new=new)
        first_id = bool(options["client_id"]) and not row.client_id
        row.client_id = options["client_id"] or row.client_id
        if options["client_auth"]:
            row.client_auth = options["client_auth"]
            row.backend_services = row.backend_services and row.client_auth == "private_key_jwt"
        self._call_it(row, options)
        if new or first_id:
            row.enabled = bool(row.client_id)
        return row

    def _fill(self, row: EhrConnection, vendor: str, *, new: bool) -> None:
        guessed = vendor or presets.guess(row.fhir_base) or presets.guess("", checking.software(row, timezone.now()))
        row.vendor = guessed or presets.GENERIC.vendor
        preset = presets.preset(row.vendor)
        if preset.refusal:
            raise CommandError(preset.refusal)
        presets.fill(row)
        how = (
            "as told"
            if vendor
            else "guessed from its address and statement"
            if guessed
            else "nothing tells whose it is"
        )
        self.stdout.write(f"Vendor: {preset.title} ({how}).")
        for knob in preset.knobs:
            self.stdout.write(f"  {knob.name} = {knob.value}: {knob.because}")

    @staticmethod
    def _call_it(row: EhrConnection, options: dict[str, Any]) -> None:
        host = row.canonical_iss.partition("://")[2].partition("/")[0].partition(":")[0]
        row.name = options["name"] or row.name or f"{presets.preset(row.vendor).title} at {host}"[:120]
        if row.pk and options["slug"] not in ("", row.slug):
            raise CommandError(
                f"The short name of this connection is {row.slug}: the EHR knows its redirect address by it."
            )
        row.slug = row.slug or slugify(options["slug"] or options["name"] or host)[:40]
        with database.cursor() as cursor:
            cursor.execute("SELECT pk FROM ehrc_connection_by_slug(%s)", [row.slug])
            if any(taken[0] != row.pk for taken in cursor.fetchall()):
                raise CommandError(f"The short name {row.slug} is taken. Choose another one: --slug NAME")

    # --------------------------------------------------------------------------------------------------- look and write
    def _look(self, row: EhrConnection) -> checking.Report:
        at = timezone.now()
        try:
            return checking.examine(row, at=at, agreed=bool(row.pk) and checking.has_agreement(row, at))
        except EhrError as problem:
            raise CommandError(f"{problem.sentence} {problem.remedy}") from problem

    def _save(self, row: EhrConnection, found: checking.Report) -> None:
        """Of a row that is there already: what was told or found, and nothing that an administrator changed meanwhile."""
        at, added = timezone.now(), row.pk is None
        with transaction.atomic():
            checking.keep(row, found, at)
            if added:
                row.save()
            else:
                now = EhrConnection.objects.select_for_update(no_key=True).get(pk=row.pk)
                _join_origins(row, self._before, now)
                row.save(update_fields=[name for name, value in _values(row).items() if self._before[name] != value])
            audit.record(
                organization_id=row.organization_id, by=BY, at=at, entity=f"connection:{row.public_id}",
                action=f"ehrconnection.{'added' if added else 'changed'}", reason=found.worst,
            )  # fmt: skip

    def _tell(self, row: EhrConnection, found: checking.Report, *, saved: bool) -> None:
        say = self.stdout.write
        say("\nFound:")
        for one in found.findings:
            say(f"{MARK[one.severity]}{one.sentence} [{one.code}]")
            if one.remedy:
                say(f"            {one.remedy}")
            if one.origin:
                say(f"            If it is theirs, run this again with: --origin {one.origin}")
        say("\nFor the EHR's administrator:")
        for value in handover.of(row):
            say(f"  {value.name}: {value.value}")
        if notes := presets.preset(row.vendor).notes:
            say("\nWhat is known of this vendor:")
            for note in notes:
                say(f"  {note}")
        say(f"\n{_end(saved=saved)}")
        if saved:
            self._next(row)

    def _next(self, row: EhrConnection) -> None:
        base = settings.BASE_URL
        page = reverse("admin:ehr_ehrconnection_test", args=[row.pk])
        if not checking.has_agreement(row, timezone.now()):
            self.stdout.write(f"Next: record the agreement at {base}{page} ; until then launches are refused.")
        if not row.client_id:
            self.stdout.write(
                "Next: run this again with --client-id once the EHR's administrator gave it, and tick Enabled."
            )
        if row.client_auth.startswith("client_secret") and not row.client_secret:
            self.stdout.write(f"Next: enter the client secret at {base}{page.removesuffix('test/')}change/ .")


def _values(row: EhrConnection) -> dict[str, Any]:
    """What the row holds, by column, as it is now."""
    return {field.attname: copy.deepcopy(getattr(row, field.attname)) for field in row._meta.concrete_fields}


def _join_origins(row: EhrConnection, before: dict[str, Any], now: EhrConnection) -> None:
    """Origins that were told come on top of those that stand in the row by now, be they more or fewer than before."""
    for name in ("extra_origins", "frame_origins"):
        had = before[name].split()
        told = [one for one in getattr(row, name).split() if one not in had]
        if told:
            setattr(row, name, knob_rules.origins("\n".join([getattr(now, name), *told])))


def _end(*, saved: bool) -> str:
    return "The connection was written." if saved else "Nothing was written."


def _known(base: str) -> EhrConnection | None:
    """The row of this address in this organization, by whichever of its spellings."""
    try:
        canonical = canonical_iss(base)
    except BadIssuer as problem:
        raise CommandError(f"{base[:120]} cannot be a FHIR base: https, a host name, no query.") from problem
    with database.cursor() as cursor:
        cursor.execute("SELECT pk FROM ehrc_connection_by_iss(%s)", [canonical])
        found = cursor.fetchone()
    return EhrConnection.objects.filter(pk=found[0]).first() if found else None


def _organization(wanted: str) -> Organization:
    """By name or id; the only one where there is only one."""
    found: list[Organization] = []
    for organization_id in organization_ids():
        with walls.organization(organization_id):
            found += Organization.objects.filter(pk=organization_id)
    named = [one for one in found if wanted in ("", one.name, str(one.pk), str(one.public_id), slugify(one.name))]
    if len(named) == 1:
        return named[0]
    listed = "; ".join(sorted(f"{one.name} ({one.pk})" for one in found)) or "none"
    raise CommandError(f"Say whose EHR it is: --organization NAME. There are: {listed}.")
