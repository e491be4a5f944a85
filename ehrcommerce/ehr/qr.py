"""The link as a QR code that a page can show without a further request."""

import io

import segno


def data_uri(address: str) -> str:
    """An SVG data URI, error correction M; 30 mm wide on paper at the page's size."""
    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=4, border=2))


def svg(address: str) -> str:
    """The same code as SVG text, for paper."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", scale=4, border=2, xmldecl=False)
    return out.getvalue().decode()
