"""The same product twice: two open orders of one chart that lead to it, or one that the patient is getting already by another
order. Either may be right, so nothing is refused; but nothing of it is ticked for the clinician, and the row says why."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ehrcommerce.commerce.offers.models import LIVE_LINK
from ehrcommerce.commerce.offers.services import Sent
from ehrcommerce.ehr.days import day_words
from ehrcommerce.ehr.order_rows import Row, progress_of

HERE = "May be ordered twice: {name} leads to the same product."
GONE = "May be ordered twice: the same product went out on {day} for another order ({words})."


def marked(rows: Sequence[Row], sent: Iterable[Sent]) -> list[Row]:
    """Rows in the order of the page: the first of two twins in one chart stays as it is."""
    out = _under_way(sent)
    first: dict[int, Row] = {}
    found = []
    for row in rows:
        words = ""
        if row.selectable and row.product is not None:
            other = next((each for each in out.get(row.product.pk, ()) if row.key not in each[1]), None)
            before = first.setdefault(row.product.pk, row)
            if other is not None:
                words = other[0]
            elif before is not row:
                words = HERE.format(name=before.order.item.name or "another order")
        found.append(replace(row, twin=words, ticked=row.ticked and not words))
    return found


def _under_way(sent: Iterable[Sent]) -> dict[int, list[tuple[str, frozenset[str]]]]:
    """Product -> what went out of it and is not over: the words, and the orders of the chart that it was for."""
    found: dict[int, list[tuple[str, frozenset[str]]]] = {}
    for each in sent:
        progress = progress_of(each.offer, each.link)
        if not (each.link.state in LIVE_LINK or (progress.stands and not progress.arrived)):
            continue
        words = GONE.format(day=day_words(each.link.sent_at), words=progress.words[:1].lower() + progress.words[1:])
        for line in each.offer.lines.all():
            found.setdefault(line.product_id, []).append((words, frozenset({line.order_key})))
    return found
