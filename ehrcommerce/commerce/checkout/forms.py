"""What a patient types, and the sentences that say how to put it right. Entries are kept, nothing is asked twice."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ehrcommerce.commerce.checkout import acting
from ehrcommerce.commerce.checkout.consents import Recipient
from ehrcommerce.policy.packets import ContactPoint, ShipTo

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


NAME_MISSING = _("Type first and last name.")
RELATION_MISSING = _("Choose what you are to the patient.")


def relation_field(choices: list[Any], **more: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=choices, widget=forms.Select(attrs={"class": "ec-select"}),
        error_messages={"required": RELATION_MISSING, "invalid_choice": RELATION_MISSING}, **more,
    )  # fmt: skip


class WhoForm(PageForm):
    """Birth date, and what else the organization wants to match. Where helpers may act: who is here, and in what relation."""

    acts = forms.ChoiceField(choices=[("patient", ""), ("helper", "")], required=False)
    helper_name = forms.CharField(
        label=_("Your own first and last name"), max_length=80, required=False, widget=text_input(autocomplete="name")
    )
    relation = relation_field(acting.CHOICES, label=_("What are you to the patient?"), required=False)

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

    def __init__(
        self, data: Mapping[str, Any] | None, *, postal: bool = False, family: bool = False, helpers: bool = False
    ) -> None:
        super().__init__(data)
        if not helpers:
            for name in ("acts", "helper_name", "relation"):
                del self.fields[name]
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
            words = _("Type the patient's birth date in numbers, like 4 28 1986.")
            self.add_error("month", words if self.is_helper else _("Type your birth date in numbers, like 4 28 1986."))
        else:
            cleaned["birth_date"] = born.isoformat()
        if self.is_helper:
            if not str(cleaned.get("helper_name", "")).strip():
                self.add_error("helper_name", NAME_MISSING)
            if not cleaned.get("relation") and "relation" not in self.errors:
                self.add_error("relation", RELATION_MISSING)
        elif "acts" in self.fields and not cleaned.get("acts"):
            self.add_error("acts", _("Choose who you are."))
        return cleaned

    @property
    def is_helper(self) -> bool:
        """Whether somebody says to act for the patient."""
        return "acts" in self.fields and self.data.get("acts") == "helper"


_MAIL = re.compile(r"[^@\s<>\"(),;:\\\\]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z]{2,24}")


class HelperForm(PageForm):
    """Whom a patient lets help them, and where a code for that person goes."""

    name = forms.CharField(
        label=_("Their first and last name"), max_length=80, error_messages={"required": NAME_MISSING},
        widget=text_input(autocomplete="off"),
    )  # fmt: skip
    relation = relation_field(acting.CHOICES_OF_ADULT, label=_("What are they to you?"))
    reach = forms.CharField(
        label=_("Their mobile phone or e-mail"), max_length=254, widget=text_input(autocomplete="off"),
        error_messages={"required": _("Type their mobile phone or e-mail. We send a code there.")},
    )  # fmt: skip

    def clean_reach(self) -> ContactPoint:
        said = str(self.cleaned_data["reach"]).strip()
        if _MAIL.fullmatch(said):
            return ContactPoint("email", said)
        digits = "".join(c for c in said if c.isascii() and c.isdigit())
        local = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
        if "@" not in said and re.fullmatch(r"[2-9]\d{9}", local):
            return ContactPoint("phone", f"+1{local}", "mobile")
        raise forms.ValidationError(_("Type a phone number with area code, or an e-mail."))


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


WORDS_CHANGED = _("These words changed. Read them, and tick this box again if you agree.")


class ChoiceForm(PageForm):
    """Plan or full price; with the plan, the yes to asking it. `mark`: what that box sends when it is ticked."""

    pay_with = forms.ChoiceField(
        choices=[("plan", ""), ("full", "")], error_messages={"required": _("Choose how you want to pay.")}
    )
    plan_ok = forms.CharField(required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, mark: str) -> None:
        super().__init__(data)
        self.mark = mark

    @property
    def full_chosen(self) -> bool:
        return bool(self["pay_with"].value() == "full")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("pay_with") != "plan":
            return cleaned
        if not cleaned.get("plan_ok"):
            self.add_error(
                "plan_ok", _("To use your plan, tick the box so that we may ask it. Or choose the full price.")
            )
        elif cleaned["plan_ok"] != self.mark:
            self.add_error("plan_ok", WORDS_CHANGED)
        return cleaned


class ConsentForm(PageForm):
    """A box for each recipient, none ticked before the patient does."""

    def __init__(
        self, data: Mapping[str, Any] | None, *, recipients: Sequence[Recipient], standing: Recipient | None = None
    ) -> None:
        super().__init__(data)
        self.recipients, self.standing = recipients, standing
        for one in [*recipients, *([standing] if standing else [])]:
            self.fields[one.box] = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        """A tick that was made beside other words (another language, another supplier) is asked for anew."""
        cleaned = super().clean() or {}
        for one in self.recipients:
            if not cleaned.get(one.box):
                left_out = _("Tick the box for %(name)s if you agree. To leave it out, ask your clinic.")
                self.add_error(one.box, left_out % {"name": one.supplier.name})
            elif cleaned[one.box] != one.mark:
                self.add_error(one.box, WORDS_CHANGED)
        if self.standing and cleaned.get(self.standing.box) not in ("", None, self.standing.mark):
            self.add_error(self.standing.box, WORDS_CHANGED)
        return cleaned

    @property
    def also(self) -> tuple[Recipient, forms.BoundField, bool] | None:
        """The box that may stay empty."""
        one = self.standing
        return (one, self[one.box], self.is_bound and self.data.get(one.box) == one.mark) if one else None

    @property
    def says_also(self) -> bool:
        """Whether a valid form has that box ticked."""
        return self.standing is not None and bool(self.cleaned_data.get(self.standing.box))

    @property
    def asks(self) -> list[tuple[Recipient, forms.BoundField, bool]]:
        """Each recipient with its field, and whether its box is shown ticked: only where the patient ticked it beside
        these very words."""
        return [(one, self[one.box], self.is_bound and self.data.get(one.box) == one.mark) for one in self.recipients]


class AddressForm(PageForm):
    """Where a parcel goes: the address on file, or one that is typed. `file_only`: whoever opened the order by a printed
    sheet knows only what the clinic's staff know too, and may not lead a parcel elsewhere."""

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
        self, data: Mapping[str, Any] | None, *, on_file: ShipTo | None, initial: Mapping[str, Any] | None = None,
        file_only: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(data, initial=initial)
        self.on_file = on_file
        if file_only:
            self.fields = {"place": self.fields["place"]}
            self.fields["place"].choices = [("file", "")]  # type: ignore[attr-defined]
        self.file_only = file_only

    @property
    def typed(self) -> bool:
        """Is the address typed rather than the one on file?"""
        return not self.file_only and (self.on_file is None or self.data.get("place") == "other")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (self.on_file is not None or self.file_only) and cleaned.get("place") not in ("file", "other"):
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
