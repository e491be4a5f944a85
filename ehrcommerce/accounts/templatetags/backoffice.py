"""What the templates of the back office ask for."""

from django import template

from ehrcommerce.accounts import desk
from ehrcommerce.accounts.models import User

register = template.Library()


@register.simple_tag
def desk_of(user: object) -> list[desk.Panel]:
    """The panels of the first page."""
    return desk.panels_for(user) if isinstance(user, User) else []
