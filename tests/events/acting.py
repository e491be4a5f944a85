"""Rules of the ward's clinic, and a patient whom they may act for."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog.models import Product, ProductCode
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.ehr import references
from ehrcommerce.ehr.models import AutomaticAct, AutomationRule
from ehrcommerce.policy.packets import KIT
from tests.disclosure.charts import kit, patient
from tests.events.conftest import Ward, at_version, id_only

LOINC, A1C = "http://loinc.org", "4548-4"
HOME = {"use": "home", "line": ["12 Alder St"], "city": "Olympia", "state": "WA", "postalCode": "98501"}
CY = Actor("patient", "a-link")


def rule(ward: Ward, action: str = "link", **changes: Any) -> AutomationRule:
    """On since yesterday, about kits, in Ada's name."""
    now = timezone.now()
    fields = {
        "name": "Kits", "enabled": True, "since": now - timedelta(days=1), "kind": KIT, "hold_minutes": 15,
        "clinician": ward.shop.ada, "created_at": now, **changes,
    }  # fmt: skip
    return AutomationRule.objects.create(organization=ward.shop.clinic, action=action, **fields)


def sells(ward: Ward, *, cents: int = 4900, **changes: Any) -> Product:
    """The catalog's answer to the kit of Cy's chart."""
    product = ward.shop.product(KIT, price_cents=cents, **changes)
    ProductCode.objects.create(
        organization=ward.shop.clinic, product=product, system=LOINC, code=A1C, approved_by="user:1"
    )
    return product


def opened(ward: Ward, **changes: Any) -> None:
    """A clinician has opened Cy's chart: the patient is known here."""
    ward.ehr.put(patient(**{"address": [HOME], **changes}))
    references.remember(
        organization_id=ward.shop.clinic.pk,
        connection=ward.connection,
        access=ward.access(),
        keys=[],
        at=timezone.now(),
    )


def signed(ward: Ward, version: int = 1, *, name: str = "kit-1", number: int = 1, **changes: Any) -> None:
    """The order is signed, or changed, in the chart, and the EHR says so."""
    ward.ehr.put(at_version(kit(id=name, authoredOn=timezone.now().date().isoformat()), version, **changes))
    assert ward.post(id_only(f"ServiceRequest/{name}", number=number)) == 200


def agreed(ward: Ward, **changes: Any) -> Consent:
    """Cy's standing yes to kits of the clinic's laboratory."""
    supplier = ward.shop.supplier("kit")
    key = ward.access().customer_key
    wanted = [Wanted(KIT, changes.pop("recipient", supplier.party), supplier.name)]
    return consent.give(
        organization_id=ward.shop.clinic.pk, customer_key=key, subject=consent.standing_subject(key), wanted=wanted,
        language="en", text="words", identity_level=2, by=CY, at=timezone.now(), **changes,
    )[0]  # fmt: skip


def acts(ward: Ward) -> list[tuple[str, str, str]]:
    rows = AutomaticAct.objects.filter(organization=ward.shop.clinic).order_by("pk")
    return list(rows.values_list("state", "did", "code"))


def act(ward: Ward) -> AutomaticAct:
    return AutomaticAct.objects.filter(organization=ward.shop.clinic).latest("pk")


def offers(ward: Ward) -> int:
    return Offer.objects.filter(organization=ward.shop.clinic).count()


def texts(ward: Ward) -> int:
    """How many messages really went out."""
    return len(ward.shop.messenger.sent)


def after_the_hold(ward: Ward) -> None:
    ward.settle(passing_s=16 * 60)
