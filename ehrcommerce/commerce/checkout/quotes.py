"""Which price the patient saw and said yes to. The quote is made anew on each page from the same lines and answer; a
version that differs from the confirmed one stops the payment and is shown, both prices side by side."""

from django.utils.translation import gettext as _

from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.checkout.coverage import answer_of
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import pricing


def quote_of(session: CheckoutSession) -> pricing.Quote:
    """The price of this moment."""
    return pricing.quote(lines_of(session.link.offer), answer_of(session))


def confirm(session: CheckoutSession, quote: pricing.Quote) -> None:
    """Remember the quote that was shown; the caller saves `quote`."""
    session.quote = pricing.as_json(quote)


def confirmed(session: CheckoutSession) -> pricing.Quote | None:
    """The quote that the patient said yes to."""
    return pricing.from_json(session.quote) if session.quote else None


def plan_words(quote: pricing.Quote) -> str:
    """What stands beside "Your plan pays". What is not known is never shown as a sum."""
    if quote.plan_unknown and not quote.uses_plan:
        return _("Not known")
    if all(line.plan_state == pricing.NOT_ASKED for line in quote.lines):
        return _("Not used")
    return f"\N{MINUS SIGN}{dollars(quote.plan_cents)}"
