"""The way back to the client: the redirect with `iss` (RFC 9207), and every way in which it can be wrong."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.strangers import stranger_origin

Pairs = list[tuple[str, str]]
LONG = 10_000


def back(url: str) -> str:
    """The redirect address as the knobs of the launch have it; the client's own query stays."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    changed = _with_issuer(_with_state(_with_code(pairs)))
    changed += [(name, str(value)) for name, value in here().filled(here().knobs["authorize_extra"]).items()]
    return urlunsplit(parts._replace(query=urlencode(changed)))


def _with_code(pairs: Pairs) -> Pairs:
    def each(value: str) -> list[str]:
        forms = {
            "repeat": [value, value],
            "empty": [""],
            "crlf": [f"{value}\r\nX-Injected: 1"],
            "long": [value + "x" * LONG],
            "drop": [],
        }
        return forms.get(wish, [value])

    wish = str(here().knobs["authorize_code"])
    error = [("error", "access_denied")] if wish == "with_error" else []
    return _each(pairs, "code", each) + error


def _with_state(pairs: Pairs) -> Pairs:
    wish = here().knobs["authorize_state"]
    forms: dict[Any, Any] = {
        "alter": lambda value: [value[::-1]],
        "drop": lambda value: [],
        "repeat": lambda value: [value, value],
    }
    return _each(pairs, "state", forms.get(wish, lambda value: [value]))


def _each(pairs: Pairs, name: str, forms: Any) -> Pairs:
    return [(key, item) for key, value in pairs for item in (forms(value) if key == name else [value])]


def _with_issuer(pairs: Pairs) -> Pairs:
    own, foreign = ("iss", here().issuer), ("iss", f"{stranger_origin()}/fhir")
    forms = {"right": [own], "wrong": [foreign], "missing": [], "repeat": [own, foreign]}
    return pairs + forms[str(here().knobs["authorize_iss"])]
