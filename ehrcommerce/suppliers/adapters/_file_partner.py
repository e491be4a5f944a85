"""A partner without an API: tables of orders go into its folder, tables of answers come out of another one
(docs/file-partner.md). Each file stands under its name whole or not at all, with its SHA-256 beside it.

| their word              | state of ours        |
| received                | dispatched           |
| accepted, packed        | accepted             |
| rejected                | refused, of its line |
| shipped                 | shipped              |
| delivered               | delivered            |
| returned                | returned             |
| cancelled               | cancelled            |
| too_late (to a cancel)  | as before            |
| anything else           | unknown, and named   |

An order is decided once each of its lines is. Of one line the furthest word counts: words of another day may come
later. What was surely placed stands in our row; whether one in doubt was placed is seen in the folder, or from an
answer, or is not known (Unanswered): it is never written twice on a guess."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from ehrcommerce.outbox.handlers import LOOKUP, NONE
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy.packets import DispatchFacts, OrderedItem, ShipTo
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters import _csv
from ehrcommerce.suppliers.models import FileAck, FileOut, Port, Supplier
from ehrcommerce.suppliers.ports import SupplyRequest, SupplyStatus
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.errors import NotSent, Unanswered
from ehrcommerce.wire.files import TEMPORARY, FilePartner, Folder, opened

ORDER, CANCEL = "order", "cancel"
PERSON = ("name", "birth_date")
SHIP_TO = ("name", "line", "city", "state", "postal_code", "country")
# What a pharmacy's row holds beside: the prescription as it was written.
FACTS = ("name", "form", "directions", "route", "dose", "timing", "quantity", "quantity_unit", "repeats", "days_supply",
         "valid_until", "substitution", "ordered_on", "orderer_name", "orderer_npi", "routing_proof")  # fmt: skip
RANK = {"received": 0, "accepted": 1, "packed": 1, "shipped": 2, "delivered": 3, "returned": 4}
STATE = {0: "dispatched", 1: "accepted", 2: "shipped", 3: "delivered", 4: "returned"}
NOT_TAKEN = {"rejected": "refused", "cancelled": "cancelled"}
WORDS = frozenset({*RANK, *NOT_TAKEN, "too_late"})
UNKNOWN = "unknown"
ASKED_AGAIN_S = 600.0


class FileSupplier:
    """The Fulfiller port over files."""

    sends: ClassVar[Mapping[str, str]] = {
        "rows.reference": "SupplyRequest.reference", "rows.sku": "SupplyLine.sku", "rows.quantity": "SupplyLine.quantity",
        **last_line.of(ShipTo, below="rows.ship_"), "rows.description": "OrderedItem.parameters",
        **last_line.of(OrderedItem, below="rows.rx_"), "rows.rx_routing_proof": "OfferLine.routing_proof",
        **last_line.of(DispatchFacts, below="rows.patient_"),
    }  # fmt: skip

    default_out: ClassVar[str] = "to_partner"
    default_in: ClassVar[str] = "from_partner"

    def __init__(self, supplier: Supplier, partner: Partner) -> None:
        self.supplier, self.partner = supplier, partner
        self.at = FilePartner(
            name=partner.name, base_url=supplier.base_url, account=supplier.account, key_pem=supplier.api_key,
            host_key=supplier.host_key, hosts=tuple(settings.PARTNER_HOSTS),
        )  # fmt: skip

    @property
    def capability(self) -> str:
        """A partner that answers each order can be waited for. One that does not is never sent a second file on doubt."""
        return LOOKUP if self.supplier.options.get("acknowledges", True) else NONE

    @contextmanager
    def folder(self, which: str) -> Iterator[Folder]:
        below = self.supplier.options.get(which, self.default_out if which == "out" else self.default_in)
        with opened(self.at, str(below)) as folder:
            yield folder

    # -- out ----------------------------------------------------------------------------------------------------------
    def render(self, request: SupplyRequest) -> bytes:
        header = ["reference", "sku", "quantity", *(f"ship_{name}" for name in SHIP_TO)]
        pharmacy, device = self.supplier.port == Port.PHARMACY, self.supplier.port == Port.DEVICE
        person = request.person if pharmacy else None
        header += ["description"] if device else [f"rx_{name}" for name in FACTS] if pharmacy else []
        header += [f"patient_{name}" for name in PERSON] if person else []
        rows = [
            [request.reference, line.sku, str(line.quantity), *(getattr(request.ship_to, name) for name in SHIP_TO),
             *([line.description] if device else []),
             *([str(line.facts.get(name, "")) for name in FACTS] if pharmacy else []),
             *([person.name, person.birth_date] if person else [])]
            for line in request.lines
        ]  # fmt: skip
        return _csv.written(header, rows)

    def place(self, body: bytes, *, idempotency_key: str) -> Outcome:
        rows = _rows(body)
        last_line.require(self.supplier, self.sends, {"rows": rows})
        reference, skus = str(UUID(rows[0]["reference"])), [row["sku"].removeprefix("'") for row in rows]
        if not self._put(ORDER, reference, body, skus):
            return NeedsHuman("conflict")
        return Done(reference, {"status": self._status(reference, skus)})

    def _put(self, kind: str, reference: str, body: bytes, skus: list[str]) -> bool:
        """The file and, before it, its checksum. False where another one of this name is there."""
        digest = sha256(body).digest()
        row = self._row(kind, reference)
        if row is not None and row.placed_at is not None:
            return bytes(row.file_digest) == digest
        FileOut.objects.update_or_create(
            supplier=self.supplier, reference=reference, kind=kind,
            defaults={"organization_id": self.supplier.organization_id, "file_digest": digest, "skus": skus},
        )  # fmt: skip
        name = f"{kind}-{reference}.csv"
        with self.folder("out") as folder:
            if (there := folder.read(name)) is not None:
                if there != body:
                    return False
            else:
                self._write(folder, name, body)
        self._placed(kind, reference)
        return True

    def _write(self, folder: Folder, name: str, body: bytes) -> None:
        sums = f"{name}.sha256"
        line = f"{sha256(body).hexdigest()}  {name}\n".encode()
        if folder.holds(sums) and folder.read(sums) != line:
            raise NotSent(self.partner.name, "a checksum of another file is in the folder")
        try:
            if not folder.holds(sums):
                folder.write(sums, line)
        except Unanswered:
            raise NotSent(self.partner.name) from None  # a checksum alone is no order
        folder.write(name, body)

    def _placed(self, kind: str, reference: str) -> None:
        FileOut.objects.filter(supplier=self.supplier, reference=reference, kind=kind).update(placed_at=timezone.now())

    def _row(self, kind: str, reference: str) -> FileOut | None:
        return FileOut.objects.filter(supplier=self.supplier, reference=reference, kind=kind).first()

    def find(self, reference: str) -> SupplyStatus | None:
        row = self._row(ORDER, reference)
        if row is None:
            return None
        if row.placed_at is None and not self._was_placed(row):
            return None
        return self._status(reference, row.skus)

    def _was_placed(self, row: FileOut) -> bool:
        """Of a file in doubt. Unanswered where it can be neither seen nor told from an answer."""
        reference, name = str(row.reference), f"{row.kind}-{row.reference}.csv"
        answered = FileAck.objects.filter(supplier=self.supplier, reference=reference).exists()
        if not answered:
            with self.folder("out") as folder:
                there, half = folder.read(name), folder.holds(name + TEMPORARY)
            if there is None and half:
                return False  # it was never renamed
            if there is None or sha256(there).digest() != bytes(row.file_digest):
                raise Unanswered(self.partner.name, "nobody can say yet whether the file was there")
        self._placed(row.kind, reference)
        return True

    def cancel(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        """Asked by a file, answered by a line: until then it is asked for again, without a second file."""
        row = self._row(ORDER, supplier_reference)
        if row is None:
            return Refused("not_found")
        said = self._said(supplier_reference)
        state = self._status(supplier_reference, row.skus).state
        if state in ("cancelled", "refused"):
            return Done(supplier_reference)
        if state in ("shipped", "delivered", "returned") or "too_late" in said.values():
            return Refused("too_late")
        body = _csv.written(["reference"], [[supplier_reference]])
        if not self._put(CANCEL, supplier_reference, body, row.skus):
            return NeedsHuman("conflict")
        return TryAgain("asked_by_file", after_s=ASKED_AGAIN_S)

    def answer(self, supplier_reference: str, answer: str, text: str, *, idempotency_key: str) -> Outcome:
        """Nobody asks questions by file."""
        return Refused("no_question")

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return ""

    # -- what they answered -------------------------------------------------------------------------------------------
    def _said(self, reference: str) -> dict[str, str]:
        """SKU -> their furthest word for it."""
        found: dict[str, str] = {}
        for sku, status in FileAck.objects.filter(supplier=self.supplier, reference=reference).order_by(
            "pk").values_list("sku", "status"):  # fmt: skip
            if RANK.get(status, 5) >= RANK.get(found.get(sku, ""), -1):
                found[sku] = status
        return found

    def _status(self, reference: str, skus: list[str]) -> SupplyStatus:
        said = self._said(reference)
        words = [said.get(sku, "") for sku in skus]
        last = FileAck.objects.filter(supplier=self.supplier, reference=reference).exclude(carrier="").last()
        decided = all(RANK.get(word, 0) > 0 or word in NOT_TAKEN for word in words)
        reason = FileAck.objects.filter(supplier=self.supplier, reference=reference).exclude(reason="").last()
        return SupplyStatus(
            reference=reference, supplier_reference=reference, state=_state(words) if decided else _undecided(words),
            carrier=last.carrier if last else "", tracking_number=last.tracking_number if last else "",
            reason=reason.reason if reason else "",
            accepted={sku: word not in NOT_TAKEN for sku, word in zip(skus, words, strict=True)} if decided else {},
        )  # fmt: skip

    # -- in -----------------------------------------------------------------------------------------------------------
    def read_files(self) -> int:
        """Take what they left for us, each file once. Called by an effect, outside any transaction."""
        from ehrcommerce.suppliers.adapters import _file_answers

        return _file_answers.take(self)


def _state(words: list[str]) -> str:
    """Of an order whose lines are all decided: as far as the slowest of those that were taken."""
    taken = [RANK[word] for word in words if word in RANK]
    if taken:
        return STATE[min(taken)]
    return "cancelled" if "cancelled" in words else "refused"


def _undecided(words: list[str]) -> str:
    return UNKNOWN if UNKNOWN in words else "dispatched"


def _rows(body: bytes) -> list[dict[str, str]]:
    """A table of ours, as names and cells."""
    header = body.decode().partition("\r\n")[0].replace('"', "").split(",")
    return [dict(zip(header, cells, strict=True)) for _, cells in _csv.read(body, header)]
