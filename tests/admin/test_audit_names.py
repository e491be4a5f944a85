"""The audit names people as others know them: a clinician from the EHR by the name that the EHR told."""

from django.utils import timezone

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit import services as audit
from tests.admin.conftest import SignedIn
from tests.commerce.shop import Shop


def test_a_clinician_is_named_and_not_numbered(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.PRIVACY)
    shop.ada.display_name = "Dr. Ada Okafor"
    shop.ada.save(update_fields=["display_name"])
    audit.record(
        organization_id=shop.clinic.pk, by=shop.ada.actor, action="chart.read", entity="launch:1", at=timezone.now(),
        customer_key="key",
    )  # fmt: skip
    page = client.get("/admin/audit/auditevent/?q=chart.read").content.decode()
    assert "Dr. Ada Okafor" in page
    assert shop.ada.username not in page
