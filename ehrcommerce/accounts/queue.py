"""The needs-human queue in the back office: take it, say how it ended, singly or 500 at once. What a button does is the
outbox's; here is who may press it and what it answers."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import OPERATIONS, ReadOnly, staff_of
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.words import title
from ehrcommerce.outbox import queue
from ehrcommerce.outbox.models import Effect, State

if TYPE_CHECKING:
    from django.db.models import QuerySet

AT_ONCE = 500


class QueueAdmin(ReadOnly):
    """The part of the effects' pages by which a person settles what no machine can."""

    def get_urls(self) -> list[Any]:
        mine = [path("<int:pk>/close/", self.admin_site.admin_view(self.close), name="outbox_effect_close")]
        return [*mine, *super().get_urls()]

    @admin.display(description="looked after by")
    def owner_name(self, effect: Effect) -> str:
        """Few people look after things: their names are read once for a page, not once for a row."""
        return _names().get(effect.owner, effect.owner) or "-"

    @admin.action(description="Take: I look after it", permissions=["retry"])
    def take(self, request: HttpRequest, effects: "QuerySet[Effect]") -> None:
        self._assign(request, effects, str(staff_of(request).actor))

    @admin.action(description="Give back: nobody looks after it", permissions=["retry"])
    def give_back(self, request: HttpRequest, effects: "QuerySet[Effect]") -> None:
        self._assign(request, effects, "")

    def _assign(self, request: HttpRequest, effects: "QuerySet[Effect]", to: str) -> None:
        chosen = list(effects[:AT_ONCE])
        for effect in chosen:
            queue.assign(effect, to=to, by=staff_of(request).actor, at=timezone.now())
        words = "are yours now" if to else "are nobody's now"
        self.message_user(request, f"{len(chosen)} {words}.", messages.SUCCESS)

    @admin.action(
        description="Close: it did not happen and is not tried again (I asked the partner)", permissions=["retry"]
    )
    def give_up(self, request: HttpRequest, effects: "QuerySet[Effect]") -> None:
        closed = sum(
            self._close_one(request, each, happened=False, reason="asked_partner") for each in effects[:AT_ONCE]
        )
        self.message_user(request, f"{closed} closed.", messages.SUCCESS if closed else messages.WARNING)

    def _close_one(
        self, request: HttpRequest, effect: Effect, *, happened: bool, reason: str, reference: str = ""
    ) -> bool:
        try:
            queue.close(
                effect, happened=happened, reason=reason, reference=reference, by=staff_of(request).actor,
                at=timezone.now(),
            )  # fmt: skip
        except (queue.NotInQueue, queue.NotByHand, queue.ReferenceMissing) as problem:
            words = " ".join(str(type(problem).__doc__).split())
            self.message_user(request, f"{title(effect.kind)}: {words}", messages.WARNING)
            return False
        return True

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form on an effect's page."""
        if not self._has(request, OPERATIONS):
            raise PermissionDenied
        effect = get_object_or_404(Effect, pk=pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason, ended = str(request.POST.get("reason", "")), str(request.POST.get("ended", ""))
        if reason not in queue.REASONS or ended not in ("yes", "no"):
            self.message_user(request, "Say how it ended, and choose a reason. Nothing was changed.", messages.ERROR)
        elif self._close_one(
            request,
            effect,
            happened=ended == "yes",
            reason=reason,
            reference=str(request.POST.get("reference", ""))[:128],
        ):
            self.message_user(request, "Closed. The order's timeline shows what follows.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:outbox_effect_change", args=[pk]))


def closing(effect: Effect) -> dict[str, Any]:
    """What the form needs, where there is something to close."""
    return {"may_close": effect.state == State.NEEDS_HUMAN, "reasons": queue.REASONS}


def _names() -> dict[str, str]:
    people = User.objects.filter(issuer="").only("public_id", "username", "display_name", "organization_id")[:200]
    return {str(person.actor): str(person) for person in people}
