"""Every address of the app, from the URLconf itself: a new one is here before anybody thinks of a test."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, get_resolver

from ehrcommerce.accounts.otp import site

URLCONF = "ehrcommerce.urls.everything"


@dataclass(frozen=True, slots=True)
class Address:
    """`name` is what the matrix calls it: the URL's name, or its route where it has none. `fields` are the parts of its
    path that name something; `model` is the table behind a page of the back office."""

    name: str
    route: str
    fields: tuple[str, ...]
    model: str = ""


@cache
def addresses() -> tuple[Address, ...]:
    return tuple(_walk(get_resolver(URLCONF), "", ""))


def _walk(resolver: Any, before: str, namespace: str) -> Iterator[Address]:
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if not isinstance(each, URLPattern):
            yield from _walk(each, route, namespace + (f"{each.namespace}:" if each.namespace else ""))
            continue
        name = f"{namespace}{each.name}" if each.name else route
        # Pages of apps stand in the order in which their apps were loaded: the pattern of their names says no more.
        yield Address(_plain(name), _plain(route), tuple(each.pattern.converters), _model(route))


def _plain(text: str) -> str:
    return "admin/<app>/" if "(?P<app_label>" in text else "admin/<rest>" if "(?P<url>" in text else text


def _model(route: str) -> str:
    parts = route.split("/")
    labels = {model._meta.label_lower for model in site._registry}
    found = ".".join(parts[1:3])
    return found if found in labels else ""
