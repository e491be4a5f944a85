"""`{% load areas %}{% area_csrf %}` inside a POST form: the hidden field that its area asks for."""

from django import template
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ehrcommerce.accounts.areas import GUARD_FIELD, PATIENT, guard_of

register = template.Library()


@register.simple_tag(takes_context=True)
def area_csrf(context: template.Context) -> SafeString:
    """Needs `request` in the context, as render() gives it."""
    request: HttpRequest = context["request"]
    if getattr(request, "area", "") == PATIENT:
        name, value = GUARD_FIELD, guard_of(request)
    else:
        name, value = "csrfmiddlewaretoken", get_token(request)
    return format_html('<input type="hidden" name="{}" value="{}">', name, value)
