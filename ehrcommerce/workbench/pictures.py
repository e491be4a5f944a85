"""The pictures of the docs: which there are, how one is taken at both sizes, and how small it is kept.

A name tells the size: `patient-who` is a phone, `patient-who-wide` the same page on a desk; `clinician-orders` is the
frame of the EHR, `clinician-orders-narrow` the same on a phone. `-es` is Spanish."""

import base64
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

DESK: ViewportSize = {"width": 1024, "height": 600}
PHONE: ViewportSize = {"width": 390, "height": 844}
SETTLE_MS = 150


@dataclass(frozen=True)
class Picture:
    """`shows` is one sentence; `template` the page of ours that is seen, with its state where it has several."""

    name: str
    shows: str
    template: str = ""
    spanish: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """All files of this picture: both sizes, and both again in Spanish."""
        other = "wide" if self.name.startswith(("patient", "payment", "phone", "error-patient")) else "narrow"
        names = (self.name, f"{self.name}-es") if self.spanish else (self.name,)
        return tuple(f"{name}{end}.png" for name in names for end in ("", f"-{other}"))


def shoot(page: Page, folder: Path, name: str) -> None:
    """At the page's own size and at the other one; the page has its own size again afterwards."""
    own = page.viewport_size or DESK
    on_phone = own["width"] == PHONE["width"]
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size(DESK if on_phone else PHONE)
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=folder / f"{name}-{'wide' if on_phone else 'narrow'}.png")
    page.set_viewport_size(own)


# The page counts the colors: 256 of them show a screen of flat areas and letters as well as 16 million.
COUNT = """async data => {
  const image = await createImageBitmap(await (await fetch('data:image/png;base64,' + data)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height), brush = canvas.getContext('2d');
  brush.drawImage(image, 0, 0);
  const pixels = new Uint32Array(brush.getImageData(0, 0, image.width, image.height).data.buffer);
  const often = new Map();
  for (const color of pixels) often.set(color, (often.get(color) || 0) + 1);
  const kept = [...often].sort((a, b) => b[1] - a[1]).slice(0, 256).map(each => each[0]);
  const parts = color => [color & 255, color >> 8 & 255, color >> 16 & 255];
  const palette = kept.map(parts), number = new Map(kept.map((color, i) => [color, i]));
  for (const color of often.keys()) {
    if (number.has(color)) continue;
    const [r, g, b] = parts(color);
    let best = 0, least = 1e9;
    palette.forEach((each, i) => {
      const far = (each[0] - r) ** 2 + (each[1] - g) ** 2 + (each[2] - b) ** 2;
      if (far < least) { least = far; best = i; }
    });
    number.set(color, best);
  }
  const bytes = new Uint8Array(pixels.length);
  pixels.forEach((color, i) => { bytes[i] = number.get(color); });
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return {width: image.width, height: image.height, palette: palette.flat(), bytes: btoa(text)};
}"""


def shrink(page: Page, path: Path) -> None:
    """Write the picture again with a palette, where that is smaller. `page` is any empty page: it does the counting."""
    before = path.read_bytes()
    told = page.evaluate(COUNT, base64.b64encode(before).decode())
    width, height, dots = told["width"], told["height"], base64.b64decode(told["bytes"])
    lines = b"".join(b"\0" + dots[at : at + width] for at in range(0, len(dots), width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", bytes(told["palette"])), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    after = b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, body) for kind, body in parts)
    if len(after) < len(before):
        path.write_bytes(after)


def _part(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
