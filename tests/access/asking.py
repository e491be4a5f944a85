"""A cell, asked; and what is the same in two answers but for names and lots drawn anew."""

import re
from typing import Any

from django.db import transaction

from tests.access.cast import World, ask, path_of
from tests.access.matrix import Cell

VERDICT = {401: "unsigned", 403: "refused", 404: "hidden", 405: "method"}
_DRAWN = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]*"|name="guard" value="[^"]*"|L-?[A-Z]*-?[0-9A-F]{6}\b|\b[A-Z]+-[0-9A-F]{6}\b'
)


def answer(world: World, cell: Cell) -> Any:
    """The answer to a cell; what it wrote is rolled back."""
    owner = "own" if cell.owner == "-" else cell.owner
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]  # as Django's own TestCase: what must be outermost may lie in it
    with around:
        try:
            return ask(world, cell.principal, cell.method, path_of(world, cell.address, cell.principal, owner))
        finally:
            transaction.set_rollback(True)


def verdict_of(response: Any) -> str:
    if response.status_code in VERDICT:
        return VERDICT[response.status_code]
    if response.status_code == 302 and "/admin/login/" in response.get("Location", ""):
        return "login"
    return f"broken ({response.status_code})" if response.status_code == 500 else "open"


def masked(response: Any, path: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Status, body and headers without what is drawn anew and without what was asked for. Who may frame the page of a
    launch that is over is left out: the EHR's own frame must be able to show it (urls/headers.py)."""
    body: bytes = _DRAWN.sub(b"*", response.content)
    location = response.get("Location", "")
    for part in [path, *sorted((piece for piece in path.split("/") if piece), key=len, reverse=True)]:
        if part == path or part.isdigit() or len(part) > 6:
            whole = rf"(?<![\w-]){re.escape(part)}(?![\w-])"
            body, location = re.sub(whole.encode(), b"*", body), re.sub(whole, "*", location)
    left_out = ["Location", "Content-Length", "Expires"]  # which is the second of the answer
    if path.startswith("/ehr/c/"):
        left_out += ["Content-Security-Policy", "X-Frame-Options"]
    kept = sorted((name, value) for name, value in response.items() if name not in left_out)
    return response.status_code, body, [*kept, ("Location", location)]


def wrong(world: World, cells: list[Cell]) -> list[str]:
    """The cells whose answer is not what the matrix says."""
    found = []
    for cell in cells:
        got = verdict_of(answer(world, cell))
        if got != cell.verdict:
            found.append(f"{cell}, but {got}")
    return found
