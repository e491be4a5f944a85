"""The EHR hinted that an order changed whose link was not ordered from yet: read it, and end a link that no longer says
what the chart says. A changed note changes nothing: the digest of what was offered decides."""

from django.utils import timezone

from ehrcommerce.commerce.fulfillment import progress
from ehrcommerce.commerce.fulfillment.recheck import confirm_gone
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.models import CHANGED, LIVE_LINK, LinkState, PurchaseLink
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import gate
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused


class Relook(Handler):
    """One reading of all chart orders of one link. The bytes are its finding: "" or what is wrong."""

    kind = "fulfillment.relook"
    queue = "chart"

    def prepare(self, effect: Effect) -> bytes:
        link = PurchaseLink.objects.select_related("offer").get(public_id=effect.subject)
        if link.state not in LIVE_LINK:
            raise Halt(Refused("not_wanted"))
        finding = gate.read_chart(lines_of(link.offer), organization_id=link.organization_id, by=str(progress.system()))
        confirm_gone(effect, [finding.problem])
        return finding.problem.encode()

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves: the reading was the act."""
        return Done(facts={"problem": body.decode()})

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, self.prepare(effect))

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """Superseded where the clinic wrote it anew, revoked where it may not be sold any more. A link that was spent
        meanwhile stays: its order is read by itself."""
        problem = outcome.facts["problem"] if isinstance(outcome, Done) else ""
        if problem:
            link = PurchaseLink.objects.get(public_id=effect.subject)
            state = LinkState.SUPERSEDED if problem == CHANGED else LinkState.REVOKED
            links.end(link=link, state=state, reason=problem[:32], by=progress.system(), at=timezone.now())
