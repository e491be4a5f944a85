"""Looks at a page as a machine can: axe-core, and what axe does not see (checks.js: borders, reflow, targets, focus, forced
colors, title and language, third parties), at the size it is shown at and at those of a small phone and of a zoom of 200 %.

axe finds about half of what can be found by machine, so it is the floor; the sheet of docs/ux-score.md is the verdict."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Frame, Page, ViewportSize

HERE = Path(__file__).parent
AXE = HERE / "vendor" / "axe.min.js"
CHECKS = (HERE / "checks.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async ({tags, off}) => {
  const rules = Object.fromEntries(off.map(name => [name, {enabled: false}]));
  const asked = {runOnly: {type: 'tag', values: tags}, rules, resultTypes: ['violations'], iframes: false};
  const told = await axe.run(document, asked);
  const said = (each, node) => `axe ${each.id}: ${each.help}: ${node.html.slice(0, 160)}`;
  return told.violations.flatMap(each => each.nodes.slice(0, 4).map(node => said(each, node)));
}"""
# At 1024x600 a zoom of 200 % leaves half of each; 320 px is what WCAG 1.4.10 asks for.
SMALL: ViewportSize = {"width": 320, "height": 640}
ZOOMED: ViewportSize = {"width": 512, "height": 300}
BETWEEN: ViewportSize = {"width": 760, "height": 600}
OWN_SIZE = ("targets", "borders", "sideways", "focus", "order", "elsewhere")
PATIENT_PX, STAFF_PX = 44, 24


@dataclass
class Inspector:
    """`look` keeps what is wrong with a page, so that one run names all of it; `verdict` raises."""

    wrong: list[str] = field(default_factory=list)
    looked_at: int = 0

    def look(
        self, name: str, page: Page, *, speech: str = "", least: int = PATIENT_PX, off: tuple[str, ...] = ()
    ) -> None:
        """Everything, at every size. `off`: rules of axe that do not hold here, for a reason that the caller says."""
        self.looked_at += 1
        frame = ours(page)
        own = page.viewport_size
        found = self._ask(frame, ("words",), speech, least)  # first: it asks where the focus is
        # At a height at which no bar that sticks covers a part of the page.
        with resized(page, frame, {"width": int(frame.evaluate("innerWidth")), "height": 2400}):
            found += axe(frame, off)
        if own:
            page.set_viewport_size(own)
        with_keyboard(page, frame)
        found += self._ask(frame, OWN_SIZE, speech, least)
        page.emulate_media(forced_colors="active")
        found += self._ask(frame, ("forced",), speech, least)
        page.emulate_media(forced_colors="none")
        for size in (SMALL, ZOOMED, BETWEEN):
            with resized(page, frame, size):
                found += self._ask(frame, ("sideways", "focus"), speech, least)
        if own:
            page.set_viewport_size(own)
        self.wrong += [f"{name}: {each}" for each in dict.fromkeys(found)]

    @staticmethod
    def _ask(frame: Frame, what: tuple[str, ...], speech: str, least: int) -> list[str]:
        return list(frame.evaluate(CHECKS, {"what": list(what), "speech": speech, "least": least}))

    def verdict(self) -> None:
        assert self.looked_at, "nothing was looked at"
        assert self.wrong == [], "\n".join(self.wrong)


def ours(page: Page) -> Frame:
    """The app's own document: the page, or what the EHR shows in its frame."""
    return page.frames[-1] if len(page.frames) > 1 else page.main_frame


def axe(frame: Frame, off: tuple[str, ...] = ()) -> list[str]:
    """What axe-core finds wrong."""
    if not frame.evaluate("typeof axe === 'object'"):
        frame.evaluate(AXE.read_text())
    return list(frame.evaluate(RUN, {"tags": RULES, "off": list(off)}))


def with_keyboard(page: Page, frame: Frame) -> None:
    """A key was pressed: from now on the browser draws the focus, as for somebody without a mouse."""
    frame.evaluate("window.focus()")
    page.keyboard.press("Tab")


@contextmanager
def resized(page: Page, frame: Frame, size: ViewportSize) -> Iterator[None]:
    """The document at another size: the window's, or the frame's within a window that stays."""
    if frame is page.main_frame:
        page.set_viewport_size(size)
        yield
        return
    holder = frame.frame_element()
    before = holder.get_attribute("style") or ""
    style = f"position:fixed;left:0;top:0;width:{size['width']}px;min-width:0;height:{size['height']}px"
    holder.evaluate("(one, style) => { one.style.cssText = style }", style)
    settle(page, lambda: frame.evaluate("innerWidth") == size["width"])
    yield
    holder.evaluate("(one, style) => { one.style.cssText = style }", before)


def settle(page: Page, ready: Callable[[], bool]) -> None:
    """The pages' policy forbids the eval() with which Playwright would wait."""
    for _ in range(60):
        if ready():
            return
        page.wait_for_timeout(50)
    raise AssertionError("the frame never took its size")
