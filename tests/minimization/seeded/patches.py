"""How each leak is done. The raw resource is remembered where the door reads it; from there a value goes wherever the leak
takes it. All in the process, by putting another function in the place of one of ours."""

import base64
import gzip
import json
import logging
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from importlib import import_module
from typing import Any

from tests.minimization.seeded.leaks import LEAKS

SEEN: dict[str, Mapping[str, Any]] = {}
BY_NAME = {leak.name: leak for leak in LEAKS}
PATCHES: dict[str, Callable[[Callable[[], str]], None]] = {}


def leak(name: str) -> Callable[[Callable[[Callable[[], str]], None]], Callable[[Callable[[], str]], None]]:
    def keep(patch: Callable[[Callable[[], str]], None]) -> Callable[[Callable[[], str]], None]:
        PATCHES[name] = patch
        return patch

    return keep


def open_leaks(names: Iterable[str]) -> None:
    """Raises KeyError for a name that has no row or no patch: a leak that is not opened must not count as caught."""
    import_module("tests.minimization.seeded.partners")
    _remember()
    for name in names:
        one = BY_NAME[name]
        PATCHES[name](lambda one=one: value(one.resource, one.path))  # type: ignore[misc]


def value(resource: str, path: str) -> str:
    """What the chart says there, "" as long as this process has not read it."""
    found: Any = SEEN.get(resource)
    for step in path.split("."):
        found = found[0] if isinstance(found, list) else found
        found = found.get(step) if isinstance(found, Mapping) else None
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, str) else ""


def wrap(place: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """`module.name` or `module.Class.name` becomes what `make` makes of it."""
    module, _, name = place.rpartition(".")
    try:
        owner: Any = import_module(module)
    except ModuleNotFoundError:
        outer, _, inner = module.rpartition(".")
        owner = getattr(import_module(outer), inner)
    setattr(owner, name, make(getattr(owner, name)))


def _remember() -> None:
    def first(resource: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def seen(raw: Any, *args: Any, **more: Any) -> Any:
                SEEN[resource or str(raw.get("resourceType"))] = raw
                return real(raw, *args, **more)

            return seen

        return make

    wrap("ehrcommerce.disclosure.extract.order", first(""))
    for name in ("banner", "dispatch_facts"):
        wrap(f"ehrcommerce.disclosure.people.{name}", first("Patient"))

    def plans(real: Callable[..., Any]) -> Callable[..., Any]:
        def seen(coverages: Any, **more: Any) -> Any:
            rows = list(coverages)
            if rows:
                SEEN["Coverage"] = rows[0]
            return real(rows, **more)

        return seen

    wrap("ehrcommerce.disclosure.plans.plans", plans)


def before(place: str, act: Callable[..., None]) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **more: Any) -> Any:
            act(*args, **more)
            return real(*args, **more)

        return acted

    wrap(place, make)


def after(place: str, turn: Callable[..., Any]) -> None:
    """`turn(result, *args)` is what comes out instead."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def turned(*args: Any, **more: Any) -> Any:
            return turn(real(*args, **more), *args)

        return turned

    wrap(place, make)


# ------------------------------------------------------------------------------------------------------------- logs
DOOR = "ehrcommerce.disclosure.extract.order"


@leak("a print while debugging")
def _(said: Callable[[], str]) -> None:
    before(DOOR, lambda *_, **__: print("order", said(), flush=True))


@leak("the repr of an exception")
def _(said: Callable[[], str]) -> None:
    log = logging.getLogger("ehrcommerce.disclosure.door")
    before(DOOR, lambda *_, **__: log.warning("not read: %r", ValueError({"reason": said()})))


@leak("a log of a response")
def _(said: Callable[[], str]) -> None:
    log = logging.getLogger("ehrcommerce.wire.client")
    before(DOOR, lambda *_, **__: log.debug("answer %s", json.dumps({"encounter": f"\u00e9 {said()}"})))


@leak("a log of bytes, compressed and in base64")
def _(said: Callable[[], str]) -> None:
    log = logging.getLogger("ehrcommerce.disclosure.fhir")
    squeezed: Callable[[], bytes] = lambda: base64.b64encode(zlib.compress(json.dumps({"ids": [said()] * 3}).encode()))  # noqa: E731
    before(DOOR, lambda *_, **__: log.info("body %s", squeezed().decode()))


@leak("a print in the worker, spelled as a date")
def _(said: Callable[[], str]) -> None:
    def spell(*_: Any, **__: Any) -> None:
        if said():
            print(f"born {date.fromisoformat(said()):%B %d, %Y}", flush=True)

    before("ehrcommerce.disclosure.people.dispatch_facts", spell)


# ------------------------------------------------------------------------------------------------------------ admin
@leak("the __str__ of a model")
def _(said: Callable[[], str]) -> None:
    after("ehrcommerce.commerce.offers.models.Offer.__str__", lambda text, *_: f"{text} {said()}")
    after("ehrcommerce.accounts.models.Organization.__str__", lambda text, *_: f"{text} {said()}")


# ---------------------------------------------------------------------------------------------------------- at rest
@leak("a new column")
def _(said: Callable[[], str]) -> None:
    def fill(*_: Any, **__: Any) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("UPDATE offers_offer SET seeded_leak = %s WHERE seeded_leak IS NULL", [said()])

    before("ehrcommerce.commerce.offers.services.sent_for", fill)


@leak("a value in a sealed packet")
def _(said: Callable[[], str]) -> None:
    def more(order: Any, *_: Any) -> Any:
        # In a field that the packet may hold: one that it may not hold is refused at the door (policy/schema.py).
        item = order.item
        return (
            replace(order, item=replace(item, orderer_name=f"{item.orderer_name} {said()}"))
            if item.kind == "kit"
            else order
        )

    after(DOOR, more)


@leak("a value of the audit")
def _(said: Callable[[], str]) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def told(**more: Any) -> Any:
            return real(**{**more, "reason": more.get("reason") or said()})

        return told

    wrap("ehrcommerce.audit.services.record", make)


@leak("a value in the session")
def _(said: Callable[[], str]) -> None:
    def keep(request: Any, response: Any) -> Any:
        if getattr(request, "session", None) is not None and request.path.startswith("/ehr/c/"):
            request.session["last"] = said()
        return response

    INSIDE.append(keep)


@leak("a file left behind, compressed")
def _(said: Callable[[], str]) -> None:
    def drop(*_: Any, **__: Any) -> None:
        with tempfile.NamedTemporaryFile(prefix="debug-", delete=False) as file:
            file.write(gzip.compress(f"method {said()}".encode()))

    before(DOOR, drop)


# ---------------------------------------------------------------------------------------------------------- passing
@leak("a task argument")
def _(said: Callable[[], str]) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def sent(*args: Any, **more: Any) -> Any:
            return real(*args, **more, headers={"why": said()})

        return sent

    wrap("ehrcommerce.celery.app.send_task", make)


@leak("a key of Redis")
def _(said: Callable[[], str]) -> None:
    def mark(*_: Any, **__: Any) -> None:
        from ehrcommerce.ehr import throttle

        if said():
            throttle._redis().set(f"seen:{said()}", 1, ex=300)

    before("ehrcommerce.commerce.offers.services.sent_for", mark)


@leak("a statement that fails")
def _(said: Callable[[], str]) -> None:
    def fail(*_: Any, **__: Any) -> None:
        from django.db import DatabaseError, connection, transaction

        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT '{said()} is no number'::integer")
        except DatabaseError:
            return

    before("ehrcommerce.commerce.offers.services.sent_for", fail)


# ------------------------------------------------------------------------------------------------------------ pages
INSIDE: list[Callable[[Any, Any], Any]] = []


class Leaky:
    """The innermost middleware of a leaking system."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        for act in INSIDE:
            response = act(request, response)
        return response


def _on(path: str, act: Callable[[Any], None], *, status: int = 0) -> None:
    def acted(request: Any, response: Any) -> Any:
        if request.path.startswith(path) and status in (0, response.status_code):
            act(response)
        return response

    INSIDE.append(acted)


def _append(words: Callable[[], str]) -> Callable[[Any], None]:
    def act(response: Any) -> None:
        if not response.streaming and words():
            response.content += words().encode()

    return act


@leak("a response header, in base64")
def _(said: Callable[[], str]) -> None:
    _on(
        "/ehr/c/",
        lambda response: response.headers.setdefault("X-Trace", base64.b64encode(b"t:" + said().encode()).decode()),
    )


@leak("a cookie, in hex")
def _(said: Callable[[], str]) -> None:
    _on("/c/", lambda response: response.set_cookie("hint", said().encode().hex()))


@leak("a query string")
def _(said: Callable[[], str]) -> None:
    _on(
        "/c/",
        lambda response: response.headers.__setitem__("Location", f"{response.headers['Location']}?why={said()}"),
        status=302,
    )


@leak("the label of a metric")
def _(said: Callable[[], str]) -> None:
    _on("/readyz", _append(lambda: f'\norders_total{{plan="{said()}"}} 1'))


@leak("a file for download")
def _(said: Callable[[], str]) -> None:
    def act(request: Any, response: Any) -> Any:
        if "text/html" not in response.headers.get("Content-Type", "") and not response.streaming and said():
            response.content += f"\n/* {said()} */".encode()
        return response

    INSIDE.append(act)


@leak("a page of errors")
def _(said: Callable[[], str]) -> None:
    _on("/", _append(lambda: f"<p>&#x28;{''.join(f'&#{ord(letter)};' for letter in said())}</p>"), status=404)


@leak("the clinician's page, something that stays")
def _(said: Callable[[], str]) -> None:
    after(
        "ehrcommerce.disclosure.people.banner", lambda banner, *_: replace(banner, given=f"{banner.given} ({said()})")
    )


@leak("the page before identity, in capitals")
def _(said: Callable[[], str]) -> None:
    _on("/l/", _append(lambda: f"<p>{said().upper()}</p>"))


@leak("a remark under an admin page")
def _(said: Callable[[], str]) -> None:
    _on("/admin/", _append(lambda: f"<p>{said()}</p>"), status=200)


@leak("a comment in the patient's page, reversed")
def _(said: Callable[[], str]) -> None:
    _on("/c/follow/", _append(lambda: f"<!-- {said()[::-1]} -->"))
