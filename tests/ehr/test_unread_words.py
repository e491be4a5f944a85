"""What could not be read is said in a clinician's words, with who can change it."""

import pytest

from ehrcommerce.ehr.views.unread import unread_words

WHYS = (
    "not granted",
    "not permitted",
    "not offered by this EHR",
    "did not answer",
    "the list may be incomplete",
    "odd",
)


@pytest.mark.parametrize("why", [*WHYS, "busy, try again in a moment"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("MedicationRequest", "prescriptions"), ("DeviceRequest", "devices"), ("ServiceRequest", "kits and tests")],
)
def test_a_kind_of_order_is_named_as_a_clinician_names_it(name: str, kind: str, why: str) -> None:
    said = unread_words(f"{name}: {why}", "Lakeside EHR")
    assert kind in said
    assert said.startswith("Lakeside EHR")
    assert "Request" not in said
    assert "ry again" in said or "administrator can" in said


def test_permission_is_the_administrators_to_give() -> None:
    for why in ("not granted", "not permitted"):
        assert "Your EHR's administrator can allow it." in unread_words(f"ServiceRequest: {why}", "Lakeside EHR")


def test_details_that_are_missing_are_said_without_a_count_of_references() -> None:
    said = unread_words("3 references: not read", "Lakeside EHR")
    assert "reference" not in said
    assert "may find no product" in said
