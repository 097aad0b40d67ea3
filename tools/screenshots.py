"""Renew the pictures of ``docs/screenshots``: starts the demo in a folder of its own and looks at it in Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
VIEWS = [(1440, 900, "light"), (1440, 900, "dark"), (820, 1000, "light"), (390, 844, "light")]


def main() -> None:
    """Take every picture anew."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("No Chromium on this machine; install the chromium package.")
    TARGET.mkdir(parents=True, exist_ok=True)
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for width, height, theme in VIEWS:
            page = browser.new_page(
                base_url=address,
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            look(page, f"{width}-{theme}")
            page.close()
        browser.close()


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


def look(page: Page, name: str) -> None:
    """Sign in and take the pictures of one width and theme."""
    page.goto("/login/")
    page.fill("[name=username]", "finance")
    page.fill("[name=password]", "refund-desk")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/**")
    page.screenshot(path=TARGET / f"orders-{name}.png")
    for index in (1, 3, 4, 6):
        page.locator("tbody [name=order]").nth(index).check()
    page.wait_for_selector(".bulkbar")
    page.screenshot(path=TARGET / f"orders-selected-{name}.png")
    page.goto("/orders/")
    page.locator("a[href*='/refunds/new/']:visible").first.click()
    page.wait_for_selector("dialog[open] #preview")
    page.screenshot(path=TARGET / f"refund-{name}.png")
    page.goto("/orders/?status=PARTIALLY_REFUNDED")
    page.locator("a.ref").first.click()
    page.wait_for_selector("h1:has-text('ORD-')")
    page.screenshot(path=TARGET / f"order-{name}.png")
    for shown in ("credits", "overview", "attention", "refunds"):
        page.goto(f"/{shown}/")
        page.screenshot(path=TARGET / f"{shown}-{name}.png")


if __name__ == "__main__":
    main()
