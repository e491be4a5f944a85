"""A journey of its own: values that no usual range holds, and the prescriber who lets them go."""

from tests.journeys.cast import at, rows_of
from tests.minimization.charts import RANGED, RXNORM, Plan
from tests.minimization.driving import Drive


def values_that_are_likely_a_slip(drive: Drive) -> None:
    """Numbers far from what is usual are held, told to the prescriber alone, and leave as they stand once Ada, who signed
    the order, says that they are right."""
    ada = drive.ada()
    chart = drive.chart(Plan("S", ("prescription",), rules={"MedicationRequest": {
        "medicationCodeableConcept.coding": [{"system": RXNORM, "code": RANGED}, {}], "dispenseRequest.quantity.value": 180,
        "requester.reference": "Practitioner/ada",
    }}))  # fmt: skip
    page = drive.launch(ada, chart)
    (key,) = rows_of(page)
    with drive.branch("a value that is likely a slip is held"):
        refused = ada.visitor.submit(page, "/send/", values={"order": [key]})
        assert (refused.status, "likely a slip" in refused.text) == (422, True), refused.text[:400]
    with drive.branch("its prescriber lets it go"):
        _, offer = drive.send(ada, refused, confirm=key)
        cy = drive.cy(chart)
        cy.pay(cy.to_payment(at(cy.prove(), "/c/check/"), plan=False))
        drive.move(offer, "accepted")
        drive.until(offer, "captured", money="captured")
