"""Looks at a page as everybody does: in every width and theme, enlarged, with forced colours, and while it loads."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

WIDTHS = (1440, 820, 390)
ZOOMED = (720, 640, 320)
"""What a browser lays out on a wide and a usual screen at 200 per cent, and the narrowest there is."""
THEMES: tuple[Any, ...] = ("light", "dark")
LARGE_TEXT = "200%"
"""Only the letters, and what is measured in them: what a browser does for who asks for larger text."""
LARGE_TEXT_WIDTHS = WIDTHS
LAYOUT_SHIFTS = """
() => new Promise(resolve => {
  let sum = 0;
  const found = [];
  const tell = source => (source.node?.outerHTML ?? source.node?.nodeValue ?? "something").slice(0, 90);
  const add = entries => entries.filter(entry => !entry.hadRecentInput).forEach(entry => {
    sum += entry.value;
    found.push(`moves ${entry.value.toFixed(4)} while it loads: ${entry.sources.map(tell).join("; ")}`);
  });
  const observer = new PerformanceObserver(list => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => { add(observer.takeRecords()); resolve(sum < 0.005 ? [] : found); }, 60);
})
"""
"""What moves and how much, unless the sum is 0.00: a slow machine paints a table before all of its rows have come."""
UNSEEN_IN_FORCED_COLOURS = """
() => [...document.querySelectorAll(".btn:not(.btn-ghost), .badge, .chip, .form-control, .form-select, dialog[open]")]
  .filter(each => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter(each => !each.closest(".visually-hidden, .input-group, .search"))
  .filter(each => !parseFloat(getComputedStyle(each).borderTopWidth))
  .map(each => each.outerHTML.slice(0, 120))
"""
MOVING = "() => document.getAnimations().filter(each => each.effect.getComputedTiming().activeDuration > 20).length"


class Judge:
    """Collects what is wrong with pages; ``findings`` is told at the end, all at once."""

    def __init__(self, page: Page, find_breaches: Callable[..., list[str]]) -> None:
        self.page = page
        self.find_breaches = find_breaches
        self.findings: list[str] = []

    def look(self, name: str) -> None:
        """Judge the page as it stands, with whatever is open on it."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self._ask_axe(f"{name}, {width} px")
            self._refuse_sideways(f"{name}, {width} px")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})

    def look_into(self, name: str, menu: Locator) -> None:
        """Open a menu in each width that has it, judge what it holds, and close it by Escape."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            opener = menu.locator("summary").first
            if not opener.is_visible():
                continue
            opener.click()
            expect(menu.locator(".menu-panel").first).to_be_visible()
            # A target half under the menu is no target now, so only the menu is asked about.
            self._ask_axe(f"{name}, {width} px", within="details[open] > .menu-panel")
            self._refuse_sideways(f"{name}, {width} px")
            self.page.keyboard.press("Escape")
            expect(menu.locator(".menu-panel").first).to_be_hidden()
            expect(opener).to_be_focused()
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})

    def _ask_axe(self, name: str, within: str = "") -> None:
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)
            self._note(f"{name}, {theme}", self.find_breaches(self.page, within=within))
        self.page.emulate_media(color_scheme="light")

    def visit(self, name: str, address: str) -> None:
        """Load a page and judge it wholly: how it came, how it stands, and how it bends."""
        self.page.goto(address)
        self._note(name, self.page.evaluate(LAYOUT_SHIFTS))
        self._note(name, ["moves though motion is reduced"] if self.page.evaluate(MOVING) else [])
        self.look(name)
        self._bend(name)

    def _bend(self, name: str) -> None:
        for width in ZOOMED:
            self.page.set_viewport_size({"width": width, "height": 450})
            self._refuse_sideways(f"{name}, {width} px")
        self.page.evaluate(f"document.documentElement.style.fontSize = '{LARGE_TEXT}'")
        for width in LARGE_TEXT_WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self._refuse_sideways(f"{name}, {width} px, text doubled")
        self.page.evaluate("document.documentElement.style.fontSize = ''")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        self.page.emulate_media(forced_colors="active")
        self._note(f"{name}, forced colours, no edge", self.page.evaluate(UNSEEN_IN_FORCED_COLOURS))
        self.page.emulate_media(forced_colors="none")

    def _refuse_sideways(self, name: str) -> None:
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.findings.append(f"{name}: scrolls sideways")

    def _note(self, name: str, findings: list[str]) -> None:
        self.findings.extend(f"{name}: {each}" for each in findings)
