"""What a patient types, and the sentences that say how to put it right. Entries are kept, nothing is asked twice."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ehrcommerce.policy.packets import ShipTo

STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR"
    " PA PR RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP VI"
).split(" ")
ZIP = re.compile(r"\d{5}(-?\d{4})?", re.ASCII)


def text_input(**attributes: str) -> forms.TextInput:
    """The design system's text field; `_` in attribute names stands for `-`."""
    kind = attributes.pop("look", "")
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return forms.TextInput(attrs={"class": f"ec-input {kind}".strip(), **named})


def numbers(length: int, **attributes: str) -> forms.TextInput:
    return text_input(inputmode="numeric", maxlength=str(length), look=f"ec-input--{length}", **attributes)


class PageForm(forms.Form):
    """No colon after labels; `first_id` is where the error summary sends the focus for what belongs to no field."""

    use_required_attribute = False

    def __init__(self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial=dict(initial or {}), label_suffix="")

    @property
    def first_id(self) -> str:
        return next(iter(self)).id_for_label


class WhoForm(PageForm):
    """Birth date, and what else the organization wants to match."""

    month = forms.CharField(
        label=_("Month"), max_length=2, required=False, widget=numbers(2, autocomplete="bday-month")
    )
    day = forms.CharField(label=_("Day"), max_length=2, required=False, widget=numbers(2, autocomplete="bday-day"))
    year = forms.CharField(label=_("Year"), max_length=4, required=False, widget=numbers(4, autocomplete="bday-year"))
    postal_code = forms.CharField(
        label=_("ZIP code"), max_length=10, error_messages={"required": _("Type your ZIP code, like 94103.")},
        widget=text_input(inputmode="numeric", autocomplete="postal-code", look="ec-input--half"),
    )  # fmt: skip
    family_name = forms.CharField(
        label=_("Last name"), max_length=80, error_messages={"required": _("Type your last name.")},
        widget=text_input(autocomplete="family-name"),
    )  # fmt: skip

    def __init__(self, data: Mapping[str, Any] | None, *, postal: bool = False, family: bool = False) -> None:
        super().__init__(data)
        if not postal:
            del self.fields["postal_code"]
        if not family:
            del self.fields["family_name"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            born = date(*(int(cleaned.get(part, "")) for part in ("year", "month", "day")))
        except ValueError:
            born = None
        if born is None or not date(1900, 1, 1) <= born <= timezone.localdate():
            self.add_error("month", _("Type your birth date in numbers, like 4 28 1986."))
        else:
            cleaned["birth_date"] = born.isoformat()
        return cleaned


class CodeForm(PageForm):
    """Six digits; blanks and a dash from a paste do no harm."""

    code = forms.CharField(
        label=_("The 6 numbers we sent you"), max_length=12,
        error_messages={"required": _("Type the 6 numbers that we sent you.")},
        widget=text_input(inputmode="numeric", autocomplete="one-time-code", look="ec-input--code"),
    )  # fmt: skip

    def clean_code(self) -> str:
        digits = "".join(self.cleaned_data["code"].replace("-", "").split())
        if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
            raise forms.ValidationError(_("The code has 6 numbers. Type all of them."))
        return digits


class ChoiceForm(PageForm):
    """Plan or full price; with the plan, the yes to asking it."""

    pay_with = forms.ChoiceField(
        choices=[("plan", ""), ("full", "")], error_messages={"required": _("Choose how you want to pay.")}
    )
    plan_ok = forms.BooleanField(required=False)

    @property
    def full_chosen(self) -> bool:
        return bool(self["pay_with"].value() == "full")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("pay_with") == "plan" and not cleaned.get("plan_ok"):
            self.add_error(
                "plan_ok", _("To use your plan, tick the box so that we may ask it. Or choose the full price.")
            )
        return cleaned


class ConsentForm(PageForm):
    """The one box, never ticked before the patient does."""

    agree = forms.BooleanField(
        error_messages={"required": _("Tick the box if you agree. Or say no: you will not be charged.")}
    )


class AddressForm(PageForm):
    """Where a parcel goes: the address on file, or one that is typed."""

    place = forms.ChoiceField(choices=[("file", ""), ("other", "")], required=False)
    name = forms.CharField(label=_("Full name"), max_length=80, required=False, widget=text_input(autocomplete="name"))
    line = forms.CharField(
        label=_("Street and apartment"),
        max_length=120,
        required=False,
        widget=text_input(autocomplete="street-address"),
    )
    city = forms.CharField(
        label=_("City"), max_length=60, required=False, widget=text_input(autocomplete="address-level2")
    )
    state = forms.ChoiceField(
        label=_("State"), choices=[("", ""), *((code, code) for code in STATES)], required=False,
        error_messages={"invalid_choice": _("Choose a state from the list.")},
        widget=forms.Select(attrs={"class": "ec-select", "autocomplete": "address-level1"}),
    )  # fmt: skip
    postal_code = forms.CharField(
        label=_("ZIP code"),
        max_length=10,
        required=False,
        widget=text_input(inputmode="numeric", autocomplete="postal-code"),
    )

    def __init__(
        self, data: Mapping[str, Any] | None, *, on_file: ShipTo | None, initial: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.on_file = on_file

    @property
    def typed(self) -> bool:
        """Is the address typed rather than the one on file?"""
        return self.on_file is None or self.data.get("place") == "other"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.on_file is not None and cleaned.get("place") not in ("file", "other"):
            self.add_error("place", _("Choose where it should go."))
        elif self.typed:
            self._require_all(cleaned)
        return cleaned

    def _require_all(self, cleaned: dict[str, Any]) -> None:
        missing = {
            "name": _("Type the name for the parcel."), "line": _("Type the street and number."),
            "city": _("Type the city."), "state": _("Choose the state."),
        }  # fmt: skip
        for field, words in missing.items():
            if not cleaned.get(field) and field not in self.errors:
                self.add_error(field, words)
        if not ZIP.fullmatch(cleaned.get("postal_code", "").strip()):
            self.add_error("postal_code", _("Type the ZIP code: 5 numbers, like 94103."))

    @property
    def address(self) -> ShipTo:
        """The chosen or typed address of a valid form."""
        if not self.typed and self.on_file is not None:
            return self.on_file
        values = {
            field: str(self.cleaned_data[field]).strip() for field in ("name", "line", "city", "state", "postal_code")
        }
        return ShipTo(**values)
