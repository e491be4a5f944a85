"""Paper from our own templates. The values travel as data, never as markup, so no name can become a command; nothing is
fetched, and no font of the machine decides how it looks."""

import json
from collections.abc import Mapping
from typing import Any

import typst
from django.conf import settings


def tagged_pdf(template: str, data: Mapping[str, Any]) -> bytes:
    """A PDF/UA-1, so that a screen reader reads it. template: a Typst file below `templates/`, e.g. "audit/accounting.typ",
    which finds `data` (whatever JSON can hold) as the input of that name."""
    root = settings.BASE_DIR / "templates"
    return bytes(
        typst.compile(
            str(root / template), root=str(root), format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)}, pdf_standards=["ua-1"], ignore_system_fonts=True,
        )
    )  # fmt: skip
