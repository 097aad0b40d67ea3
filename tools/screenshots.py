"""Renew the pictures of ``docs/screenshots``: starts the demo in a folder of its own and looks at it in Chromium."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
UNFINISHED = ROOT / "var" / "screenshots"
"""A run that fails leaves the pictures of the last one as they were."""
VIEWS = {"1440-light": (1440, 900), "390-light": (390, 844)}
MORE_VIEWS = {"1440-dark": (1440, 900), "820-light": (820, 1000)}
PASSWORD = "refund-desk"  # noqa: S105 - printed by the demo; nothing else knows it.
COLOURS = 128
"""Enough for flat surfaces and smooth letters; a picture takes a third of the room."""

Look = Callable[[Page], None]


def goes(address: str) -> Look:
    """A screen that an address alone brings up."""
    return lambda page: void(page.goto(address))


def void(_result: object) -> None:
    """Forget what a step answers."""


def selected(page: Page) -> None:
    """Three orders ticked, with what they come to."""
    page.goto("/orders/?refundable=true")
    for box in page.locator("tbody input[type=checkbox]").all()[:3]:
        box.check()
    page.wait_for_selector(".bulkbar:has-text('3 selected')")


def refund(page: Page, row: int = 0) -> None:
    """The refund panel over the list, of an order paid by card: others have no way back to be chosen."""
    page.goto("/orders/?refundable=true&method=STRIPE")
    page.locator("a[id^=refund-]:visible").nth(row).click()
    page.wait_for_selector("dialog[open] #preview")


def custom(page: Page, amount: str, row: int = 0) -> None:
    """Ask for an amount, and wait until the panel has its answer."""
    refund(page, row)
    page.get_by_text("Custom", exact=True).click()
    page.locator("#id_amount").fill(amount)
    page.wait_for_function("text => document.querySelector('#refund-submit').textContent.includes(text)", arg="Refund")
    page.wait_for_timeout(900)


def goodwill(page: Page) -> None:
    """Paying out twice, said plainly."""
    custom(page, "25")
    page.locator("#id_destination_CARD_AND_CREDIT").check()
    page.wait_for_selector("#id_confirm_total")
    page.locator("#both-warning").scroll_into_view_if_needed()


def too_much(page: Page) -> None:
    """More than is left."""
    custom(page, "99999")
    page.wait_for_selector("#id_amount_error:not(:empty)")


def sent(page: Page) -> None:
    """A refund just sent, which can be undone for a moment."""
    # Another row for each width: a second refund of the same order would be asked about.
    custom(page, "5", row=len(list(UNFINISHED.glob("refund-sent-*"))) + 2)
    page.locator("#id_amount").press("Control+Enter")
    page.wait_for_selector(".toast")


def follows(address: str, link: str) -> Look:
    """The first page that a list leads to."""

    def look(page: Page) -> None:
        page.goto(address)
        page.goto(page.locator(link).first.get_attribute("href") or address)

    return look


def apply_credit(page: Page) -> None:
    """Credit paying an order that waits."""
    page.goto("/orders/?status=PENDING")
    page.locator("a[id^=credit-]:visible").first.click()
    page.wait_for_selector("dialog[open]")


def shortcuts(page: Page) -> None:
    """The list of keys."""
    page.goto("/orders/")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")


def german(page: Page) -> None:
    """The list as a German colleague reads it."""
    page.context.add_cookies([{"name": "django_language", "value": "de", "url": page.url}])
    page.goto("/orders/")
    page.context.clear_cookies(name="django_language")


def wrong_password(page: Page) -> None:
    """Signing in, refused."""
    page.goto("/login/")
    sign_in(page, "finance", "wrong")
    page.wait_for_selector("[role=alert]")


MAIN: dict[str, Look] = {
    "orders": goes("/orders/"),
    "refund": refund,
    "order": follows("/orders/?status=PARTIALLY_REFUNDED", "a.ref"),
    "overview": goes("/overview/"),
}
"""Shown in every width and both themes."""
OTHERS: dict[str, Look] = {
    "orders-selected": selected,
    "orders-german": german,
    "orders-none": goes("/orders/?q=nobody+at+all"),
    "refund-goodwill": goodwill,
    "refund-too-much": too_much,
    "refund-sent": sent,
    "refunds": goes("/refunds/"),
    "refund-page": follows("/refunds/?state=pending", "a.ref"),
    "refund-approval": follows("/refunds/?state=awaiting_approval", "a.ref"),
    "refund-verified": follows("/refunds/?state=unconfirmed", "a.ref"),
    "credits": goes("/credits/"),
    "attendee": follows("/credits/", "tbody a[href^='/attendees/']"),
    "credit-apply": apply_credit,
    "attention": goes("/attention/"),
    "books": goes("/books/"),
    "comparison": goes("/stripe/comparison/"),
    "stripe-events": goes("/stripe/events/"),
    "shortcuts": shortcuts,
    "not-found": goes("/orders/ORD-NONE/"),
}
AS_VIEWER: dict[str, Look] = {"not-allowed": goes("/overview/")}
BEFORE: dict[str, Look] = {"login": goes("/login/"), "login-refused": wrong_password}


def main() -> None:
    """Take every picture anew."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("No Chromium on this machine; install the chromium package.")
    shutil.rmtree(UNFINISHED, ignore_errors=True)
    UNFINISHED.mkdir(parents=True)
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for view, size in (VIEWS | MORE_VIEWS).items():
            for user, screens in ((None, BEFORE), ("viewer", AS_VIEWER), ("finance", MAIN | OTHERS)):
                shown = MAIN if view in MORE_VIEWS else screens
                if shown is screens or user == "finance":
                    take(browser, address, view, size, user, shown)
        browser.close()
    shutil.rmtree(TARGET, ignore_errors=True)
    UNFINISHED.rename(TARGET)


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo on a free port and stop it afterwards; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "manage.py", "demo", "--port", str(port), "--folder", folder]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        try:
            if not any("is ready" in line for line in process.stdout or ()):
                sys.exit("The demo did not start.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def take(
    browser: Browser, address: str, view: str, size: tuple[int, int], user: str | None, screens: dict[str, Look]
) -> None:
    """Take the pictures of one width and theme as one user sees them."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if view.endswith("dark") else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = context.new_page()
    if user:
        page.goto("/login/")
        sign_in(page, user, PASSWORD)
        page.wait_for_url("**/orders/**")
    for name, look in screens.items():
        try:
            look(page)
        except PlaywrightError as error:
            keep(page.screenshot(), UNFINISHED / f"{name}-{view}.failed.png")
            raise SystemExit(f"{name}-{view} did not come up at {page.url}: {error}") from error
        keep(page.screenshot(), UNFINISHED / f"{name}-{view}.png")
    context.close()


def sign_in(page: Page, user: str, password: str) -> None:
    """Fill in the form and send it."""
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")


def keep(picture: bytes, path: Path) -> None:
    """Write a picture with few colours, which for flat pages nobody sees."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
