"""Ids that the box of the back office knows here: effects, and users by name."""

from collections.abc import Iterator

from django.urls import reverse

from ehrcommerce.accounts.backoffice import EVERYBODY, PRIVACY
from ehrcommerce.accounts.finding import Found, finder, uuid_in
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.words import title
from ehrcommerce.outbox.models import Effect


@finder(EVERYBODY)
def effects(text: str) -> Iterator[Found]:
    """By the id that partners were given as our reference, or by what a partner answered with."""
    public_id = uuid_in(text)
    rows = Effect.objects.filter(public_id=public_id) if public_id else Effect.objects.none()
    for effect in rows[:5]:
        yield Found(title(effect.kind), "an effect", reverse("admin:outbox_effect_change", args=[effect.pk]))


@finder(PRIVACY)
def users(text: str) -> Iterator[Found]:
    public_id = uuid_in(text)
    rows = User.objects.filter(public_id=public_id) if public_id else User.objects.filter(username=text)
    for user in rows[:5]:
        yield Found(str(user), "a user", reverse("admin:accounts_user_change", args=[user.pk]))
