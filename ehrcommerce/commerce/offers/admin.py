"""Back office: offers and their links. Contacts stay masked; the address of a link is never shown here."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import EVERYBODY, OPERATIONS, ReadOnly, ShownInline, staff_of
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.oversight import link_to_reveal
from ehrcommerce.accounts.reveal import Revealable, register
from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.offers import links, services
from ehrcommerce.commerce.offers.models import Contact, Offer, OfferLine, PurchaseLink
from ehrcommerce.vault import walls


class LineInline(ShownInline):
    model = OfferLine
    verbose_name_plural = "items"
    fields = ["product", "kind", "quantity", "price", "routing_proof", "released_by", "released_at", "confirmed_by", "confirmed_at"]

    @admin.display(description="price")
    def price(self, line: OfferLine) -> str:
        return dollars(line.price_cents)


class ContactInline(ShownInline):
    model = Contact
    verbose_name_plural = "contacts (masked)"
    fields = ["channel", "masked", "carries_link", "look"]

    @admin.display(description="the whole of it")
    def look(self, contact: Contact) -> str:
        return link_to_reveal(CONTACT, contact)


CONTACT = Revealable(
    Contact, "value", "where a message went",
    lines=lambda contact: [(contact.get_channel_display(), contact.value)],
    entity=lambda contact: f"contact:{contact.public_id}", customer_key=lambda contact: contact.offer.customer_key,
)  # fmt: skip
register(CONTACT)


class LinkInline(ShownInline):
    model = PurchaseLink
    verbose_name_plural = "links"
    fields = ["state", "sent_at", "delivered_at", "opened_at", "verified_at", "expires_at", "tries_left", "end_reason"]
    show_change_link = True


@admin.register(Offer, site=site)
class OfferAdmin(ReadOnly):
    list_display = ["public_id", "made_by", "language", "created_at"]
    list_select_related = ["made_by"]
    search_fields = ["public_id__exact"]
    search_help_text = "Exact id."
    ordering = ["-id"]
    fields = ["public_id", ("made_by", "language", "created_at"), "needs_helper"]
    readonly_fields = ["public_id"]
    inlines = [LineInline, ContactInline, LinkInline]


@admin.register(PurchaseLink, site=site)
class PurchaseLinkAdmin(ReadOnly):
    list_display = [
        "public_id",
        "state",
        "sent_at",
        "delivered_at",
        "opened_at",
        "verified_at",
        "expires_at",
        "tries_left",
    ]
    list_filter = ["state"]
    search_fields = ["public_id__exact"]
    search_help_text = "Exact id."
    ordering = ["-id"]
    fields = [
        "public_id", "offer", ("state", "tries_left"), ("sent_at", "delivered_at", "opened_at", "verified_at"),
        ("expires_at", "ended_at", "end_reason"), ("reminder_1", "reminder_2", "asked_again_at"),
        ("wrong_at", "wrong_that_day", "messenger"),
    ]  # fmt: skip
    readonly_fields = ["public_id"]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self._has(request, OPERATIONS)

    @admin.action(
        description="Revoke (at most 10): the patient's page says that the clinic stopped it", permissions=["revoke"]
    )
    def revoke(self, request: HttpRequest, chosen: "QuerySet[PurchaseLink]") -> Any:
        revoked = 0
        for link in chosen[:10]:
            try:
                services.revoke(link=link, reason="operator", by=staff_of(request).actor, at=timezone.now())
                revoked += 1
            except services.AlreadyOrdered as problem:
                self.message_user(request, str(problem.__doc__), messages.WARNING)
        self.message_user(request, f"{revoked} revoked.", messages.SUCCESS)


@panel(12, EVERYBODY)
def who_asks_for_a_link() -> Panel:
    """Whoever made the old link, or anybody who opens the chart, sends the new one from there: the back office cannot."""
    organization_id = walls.current()
    waiting = list(links.asking(organization_id).select_related("offer__made_by")[:SHOWN]) if organization_id else []
    lines = [
        Line(f"Link of {link.sent_at:%Y-%m-%d}", f"asked {link.asked_again_at:%Y-%m-%d}: tell {link.offer.made_by}, who sends it"
             " from the chart", reverse("admin:offers_purchaselink_change", args=[link.pk]))
        for link in waiting
    ]  # fmt: skip
    more = f"{reverse('admin:offers_purchaselink_changelist')}?o=-3"
    return Panel("Patients who ask for a new link", "Nobody waits for a new link.", lines, more, urgent=True)
