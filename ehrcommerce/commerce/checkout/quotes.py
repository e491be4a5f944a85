"""Which price the patient saw and said yes to. The quote is made anew on each page from the same lines and answer; a
version that differs from the confirmed one stops the payment and is shown, both prices side by side."""

from datetime import datetime

from django.utils.translation import gettext as _

from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.checkout.coverage import answer_of
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import pricing


def quote_of(session: CheckoutSession) -> pricing.Quote:
    """The price of the items at this moment."""
    return pricing.quote(lines_of(session.link.offer), answer_of(session))


def total_of(session: CheckoutSession, at: datetime) -> pricing.Quote:
    """The same with shipping and sales tax to where it goes. Raises NoRule."""
    lines, day = lines_of(session.link.offer), session.link.day_of(at)
    return pricing.delivered(quote_of(session), lines, state=session.ship_to["state"], on=day)


def confirm(session: CheckoutSession, quote: pricing.Quote) -> None:
    """Remember the quote that was shown; the caller saves `quote`."""
    session.quote = pricing.as_json(quote)


def confirmed(session: CheckoutSession) -> pricing.Quote | None:
    """The quote that the patient said yes to."""
    return pricing.from_json(session.quote) if session.quote else None


def changes(before: pricing.Quote, now: pricing.Quote) -> list[str]:
    """What is not as the patient saw it, in sentences. Where they pay the same, what else changed is named."""
    sums = {"old": dollars(before.total_cents), "new": dollars(now.total_cents)}
    if before.total_cents != now.total_cents:
        return [_("It was %(old)s. It is %(new)s now.") % sums]
    said = [_("You still pay %(new)s.") % sums]
    if before.full_cents != now.full_cents:
        full = {"old": dollars(before.full_cents), "new": dollars(now.full_cents)}
        said.append(_("The full price was %(old)s. It is %(new)s now.") % full)
    if before.plan_cents != now.plan_cents:
        plan = {"old": dollars(before.plan_cents), "new": dollars(now.plan_cents)}
        said.append(_("Your plan paid %(old)s. It pays %(new)s now.") % plan)
    if before.shipping_cents != now.shipping_cents:
        fee = {"old": dollars(before.shipping_cents), "new": dollars(now.shipping_cents)}
        said.append(_("Shipping was %(old)s. It is %(new)s now.") % fee)
    if before.tax_cents != now.tax_cents:
        tax = {"old": dollars(before.tax_cents), "new": dollars(now.tax_cents)}
        said.append(_("Sales tax was %(old)s. It is %(new)s now.") % tax)
    return said if len(said) > 1 else [*said, _("Prices of single items changed. The sum did not.")]


def plan_words(quote: pricing.Quote) -> str:
    """What stands beside "Your plan pays". What is not known is never shown as a sum."""
    if quote.plan_unknown and not quote.uses_plan:
        return _("Not known")
    if all(line.plan_state == pricing.NOT_ASKED for line in quote.lines):
        return _("Not used")
    return f"\N{MINUS SIGN}{dollars(quote.plan_cents)}"
