"""The link as a QR code that a page can show without a further request."""

import segno


def data_uri(address: str) -> str:
    """An SVG data URI, error correction M; 30 mm wide on paper at the page's size."""
    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=4, border=2))
