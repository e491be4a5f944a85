"""What the clinician's Send button posts."""

from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict

ROUTING = [("e_prescription", "E-prescription already sent"), ("transfer", "Pharmacy asks for a transfer")]


class SendForm(forms.Form):
    """`order`, `release` and `confirm` repeat; `digest_<key>` is the digest of the packet that the clinician saw; `patient`
    marks the page; `send_to` is the digest of the contact that was shown, "" to print only."""

    patient = forms.CharField(max_length=64)
    send_to = forms.CharField(max_length=64, required=False)
    language = forms.ChoiceField(choices=[("en", "English"), ("es", "Spanish")])
    routing_proof = forms.ChoiceField(choices=[("", ""), *ROUTING], required=False)

    def __init__(self, data: "MultiValueDict[str, Any]") -> None:
        super().__init__(data)
        self.posted = data

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = list(dict.fromkeys(self.posted.getlist("order")))
        if not 1 <= len(chosen) <= 20:
            raise forms.ValidationError(
                "Choose at least one order, at most 20. Nothing was sent.", code="nothing_chosen"
            )
        cleaned["order"] = [str(key) for key in chosen]
        cleaned["release"] = frozenset(map(str, self.posted.getlist("release")))
        cleaned["confirm"] = frozenset(map(str, self.posted.getlist("confirm")))
        return cleaned

    def digest_of(self, key: str) -> str:
        return str(self.posted.get(f"digest_{key}", ""))
