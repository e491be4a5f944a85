"""Everything that is asked of the audit at a terminal: verify, roots, who, export, accounting, scope."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import accountings, shell
from ehrcommerce.accounts.audit_pages import names_of
from ehrcommerce.accounts.models import Organization
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.audit import accounting, balp, roots, search, traces
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditRoot
from ehrcommerce.vault import walls


def moment(text: str) -> datetime:
    """A day or a time in UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Asks the audit: verify the chains, print daily roots, who touched an order, exports, the scope of a breach."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=int, help="the id of one; all, if left out")
        parts = parser.add_subparsers(dest="part", required=True)
        one = parts.add_parser("verify", help="walk every chain; the first break is named and the command fails")
        one.add_argument("--accept-end", action="store_true", help="after a break was looked into")
        one = parts.add_parser("roots", help="print the root of each day")
        one.add_argument("--requests", type=Path, metavar="FOLDER", help="also write RFC 3161 requests, one a root")
        one = parts.add_parser("who", help="who touched this order, oldest first")
        one.add_argument("name", help="order:<id or number> or offer:<id>")
        one = parts.add_parser("accounting", help="disclosures of one patient in six years (45 CFR 164.528)")
        one.add_argument("name", help="an order or offer of theirs: order:<id or number> or offer:<id>")
        one.add_argument("--pdf", type=Path, metavar="FILE", help="write a PDF instead of CSV to the screen")
        for name, words in (("export", "FHIR AuditEvent (IHE BALP), NDJSON"), ("scope", "whose data was touched")):
            one = parts.add_parser(name, help=words)
            one.add_argument("--from", dest="since", type=moment, required=True, metavar="TIME")
            one.add_argument("--to", dest="until", type=moment, required=True, metavar="TIME")
            if name == "scope":
                one.add_argument("--actor", action="append", default=[], help="user:<id> ...; may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"do_{options['part']}")(options)

    def do_verify(self, options: dict[str, Any]) -> None:
        call_command(
            "verify_audit", organization=options["organization"], accept_end=options["accept_end"],
            stdout=self.stdout, stderr=self.stderr,
        )  # fmt: skip

    def do_roots(self, options: dict[str, Any]) -> None:
        for organization_id in self._inside(options):
            rows = list(AuditRoot.objects.filter(organization_id=organization_id).order_by("day"))
            for row in rows:
                self.stdout.write(roots.line_of(row))
            if options["requests"]:
                made = roots.write_requests(rows, options["requests"])
                self.stderr.write(f"{len(made)} requests in {options['requests']}")

    def do_who(self, options: dict[str, Any]) -> None:
        with self._named(options) as (organization_id, trace):
            rows = list(search.about(organization_id, trace))
            names = names_of(rows)
            _note(organization_id, "who", trace)
            for row in rows:
                who = names.get(row.actor, row.actor)
                what = " ".join(filter(None, [row.action, row.outcome, row.reason, row.recipient]))
                self.stdout.write(f"{row.at:%Y-%m-%d %H:%M:%S}  {who}  {what}  {row.entity}  {row.elements}".rstrip())

    def do_accounting(self, options: dict[str, Any]) -> None:
        with self._named(options) as (organization_id, trace):
            at, patient = timezone.now(), audit.patient_ref(trace.customer_key)
            lines = accounting.lines(organization_id=organization_id, patient=patient, at=at)
            _note(organization_id, "accounting", trace)
            if options["pdf"]:
                clinic = Organization.objects.get(pk=organization_id)
                options["pdf"].write_bytes(accountings.as_pdf(clinic, lines, at=at))
            else:
                self.stdout.write(accountings.as_csv(organization_id, lines).decode("utf-8-sig"), ending="")

    def do_export(self, options: dict[str, Any]) -> None:
        """Everybody's at once, so two people agreed; nothing is written before the approval of each clinic is spent."""
        with transaction.atomic():
            for organization_id in self._inside(options):
                shell.spend("bulk_export", organization_id)
                _note(organization_id, "export")
        for organization_id in self._inside(options):
            for line in balp.lines(organization_id, since=options["since"], until=options["until"]):
                self.stdout.write(line, ending="")

    def do_scope(self, options: dict[str, Any]) -> None:
        self.stdout.write("organization,patient,actor,times,first,last,actions,recipients,elements")
        for organization_id in self._inside(options):
            _note(organization_id, "scope")
            found = search.people(
                organization_id, since=options["since"], until=options["until"], actors=options["actor"]
            )
            for one in found:
                lists = ["+".join(sorted(names)) for names in (one.actions, one.recipients, one.elements)]
                times = [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (one.first, one.last)]
                cells = [str(organization_id), one.patient, one.actor, str(one.times), *times, *lists]
                self.stdout.write(",".join(accountings.safe(cell) for cell in cells))
            self.stderr.write(f"organization {organization_id}: {len({one.patient for one in found})} patients")

    def _inside(self, options: dict[str, Any]) -> Iterator[int]:
        for organization_id in [options["organization"]] if options["organization"] else organization_ids():
            with walls.organization(organization_id):
                yield organization_id

    @contextmanager
    def _named(self, options: dict[str, Any]) -> "Iterator[tuple[int, traces.Trace]]":
        """The organization that knows this name, its walls entered."""
        for organization_id in [options["organization"]] if options["organization"] else organization_ids():
            with walls.organization(organization_id):
                try:
                    trace = traces.trace(organization_id, options["name"])
                except traces.NotTraceable:
                    continue
                yield organization_id, trace
                return
        raise CommandError(traces.NotTraceable.__doc__)


def _note(organization_id: int, reason: str, trace: traces.Trace | None = None) -> None:
    """Who asks at a terminal is known to the machine alone; that it was asked stands in the audit."""
    audit.record(
        organization_id=organization_id, by=audit.system("terminal"), action="audit.asked", entity="audit",
        at=timezone.now(), reason=reason, customer_key=trace.customer_key if trace else "",
    )  # fmt: skip
