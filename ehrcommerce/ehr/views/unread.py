"""What a clinician reads of orders that could not be read: which ones, why, and who can change it. The chart's reader
names resource types and causes; a clinician knows neither."""

KINDS = {
    "MedicationRequest": "prescriptions", "DeviceRequest": "devices", "ServiceRequest": "kits and tests",
}  # fmt: skip
_ADMINISTRATOR = "Your EHR's administrator can allow it."
_AGAIN = "Refresh this page to try again."
_WHY = {
    "not granted": ("{ehr} gave this app no permission to read {kind}.", _ADMINISTRATOR),
    "not permitted": ("{ehr} did not let us read {kind} for you.", _ADMINISTRATOR),
    "not offered by this EHR": (
        "{ehr} does not offer {kind} to apps.", "Your EHR's administrator can tell whether that can change.",
    ),
    "did not answer": ("{ehr} did not answer when we asked for {kind}.", _AGAIN),
    "the list may be incomplete": ("{ehr} listed {kind}, but some may be missing.", _AGAIN),
}  # fmt: skip
BUSY = "busy, try again "


def unread_words(what: str, ehr: str) -> str:
    """`DeviceRequest: not permitted` in words; of details ("3 references: not read") that they are missing."""
    name, _, why = what.partition(": ")
    if name not in KINDS:
        return f"{ehr} did not show all details of the orders. An order without them may find no product. {_AGAIN}"
    if why.startswith(BUSY):
        cause, remedy = "{ehr} is too busy to list {kind}.", f"Try again {why.removeprefix(BUSY)}."
    else:
        cause, remedy = _WHY.get(why, ("{ehr} did not let us read {kind}.", _ADMINISTRATOR))
    return f"{cause.format(ehr=ehr, kind=KINDS[name])} {remedy}"
