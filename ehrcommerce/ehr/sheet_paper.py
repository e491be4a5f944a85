"""The sheet with the QR code as a PDF, for a printer that the browser's own print does not reach from inside an EHR's frame."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ehrcommerce.accounts.models import Organization
from ehrcommerce.accounts.typesetting import tagged_pdf
from ehrcommerce.ehr.qr import svg

TEMPLATE = "ehr/sheet.typ"


def pdf(*, address: str, clinic: Organization, expires_at: datetime, is_printed: bool) -> bytes:
    """US Letter, tagged (PDF/UA-1): English on the left, Spanish on the right, the code and the address below."""
    data = {
        "title": "Sheet to print", "address": address, "qr": svg(address), "alt": "QR code of the link",
        "sides": [_side(language, clinic, expires_at, is_printed) for language, _name in settings.LANGUAGES],
    }  # fmt: skip
    return tagged_pdf(TEMPLATE, data)


def _side(language: str, clinic: Organization, expires_at: datetime, is_printed: bool) -> dict[str, Any]:
    """The sentences of ehr/_sheet_side.html."""
    with translation.override(language), timezone.override(ZoneInfo(clinic.time_zone)):
        asked = (
            _("We ask for your birth date, last name and ZIP code.") if is_printed else _("We ask for your birth date.")
        )
        day = date_format(timezone.localtime(expires_at), _("F j, Y"))
        return {
            "language": language,
            "title": _("%(clinic)s has something for you to look at") % {"clinic": clinic.alias},
            "lines": [
                _("Scan this code with your phone, or type the address below it."), asked,
                _("It works until %(day)s.") % {"day": day}, _("Help: %(phone)s") % {"phone": clinic.phone},
            ],
        }  # fmt: skip
