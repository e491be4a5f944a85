"""A link that nobody answered is called to mind: after a day and after three, by day, at most twice, by the same message
effect as the link itself. Whoever answered, said no, said STOP or cannot be reached is left in peace.

A reminder is dropped, never late: one that could not go out in its hours is worth less than the patient's night."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, Q

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.offers import arrivals
from ehrcommerce.commerce.offers.models import Contact, Delivery, LinkState, PurchaseLink
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.planning import last_generation

KIND = "offers.link"
AFTER = (timedelta(days=1), timedelta(days=3))
# Between two messages about one link, whoever sent them: a clinician's own Resend counts.
APART = timedelta(hours=20)
DAY_BEGINS, DAY_ENDS = time(9), time(20)
# Whoever has proved who they are has seen the order: they decide in their own time.
UNANSWERED = (LinkState.SENT, LinkState.OPENED)
AT_ONCE = 200


def is_quiet(organization: Organization, at: datetime) -> bool:
    """Whether it is night at the clinic, and so, as far as anybody knows, at the patient."""
    return not DAY_BEGINS <= at.astimezone(ZoneInfo(organization.time_zone)).time() < DAY_ENDS


def evening_of(organization: Organization, at: datetime) -> datetime:
    """When the hours of this day end."""
    local = at.astimezone(ZoneInfo(organization.time_zone))
    return datetime.combine(local.date(), DAY_ENDS, tzinfo=local.tzinfo)


def is_wanted(link: PurchaseLink, at: datetime) -> bool:
    """Asked once more right before it goes out."""
    return link.state in UNANSWERED and link.declined_at is None and not is_quiet(link.organization, at)


def remind_due(organization_id: int, at: datetime) -> int:
    """The sweeper's chore. Two sweepers at once write one reminder: the row decides."""
    organization = Organization.objects.get(pk=organization_id)
    if not organization.reminders or organization.read_only_since is not None or is_quiet(organization, at):
        return 0
    due = PurchaseLink.objects.filter(
        Q(reminder_1=None, sent_at__lte=at - AFTER[0]) | Q(reminder_1__isnull=False, sent_at__lte=at - AFTER[1]),
        organization_id=organization_id, state__in=UNANSWERED, delivery=Delivery.MESSAGE, reminder_2=None,
        declined_at=None, delivered_at__isnull=False, expires_at__gt=at,
    )  # fmt: skip
    found = list(due.order_by("pk")[:AT_ONCE])
    lost, resting = arrivals.undelivered(found), _resting(found, at)
    return sum(
        _remind(link.pk, organization, at)
        for link in found
        if link.pk not in lost and str(link.public_id) not in resting
    )


def _resting(links: list[PurchaseLink], at: datetime) -> frozenset[str]:
    """Links about which something went out, or is on its way, too short a time ago."""
    sends = Effect.objects.filter(kind=KIND, subject__in=[str(link.public_id) for link in links])
    last = sends.values("subject").annotate(last=Max("created_at"))
    return frozenset(row["subject"] for row in last if row["last"] > at - APART)


@transaction.atomic
def _remind(link_id: int, organization: Organization, at: datetime) -> bool:
    rows = PurchaseLink.objects.select_for_update(skip_locked=True, of=("self",))
    link = rows.filter(pk=link_id, state__in=UNANSWERED, reminder_2=None, declined_at=None).first()
    if link is None or link.expires_at is None or _resting([link], at):
        return False
    if not Contact.objects.filter(offer_id=link.offer_id, carries_link=True).exclude(masked="").exists():
        return False
    generation = last_generation(link.organization_id, KIND, str(link.public_id)) + 1
    which = "reminder_1" if link.reminder_1 is None else "reminder_2"
    setattr(link, which, generation)
    link.save(update_fields=[which])
    outbox.plan(
        kind=KIND, subject=str(link.public_id), organization_id=link.organization_id, at=at, generation=generation,
        deadline_at=min(link.expires_at, evening_of(organization, at)),
    )  # fmt: skip
    audit.record(
        organization_id=link.organization_id, by=audit.system("sweeper"), action="link.reminded",
        entity=f"link:{link.public_id}", at=at, reason=which,
    )  # fmt: skip
    return True
