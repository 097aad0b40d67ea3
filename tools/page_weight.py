"""Weigh the orders list as a browser meets it, and say what following changes costs. ``make weigh`` prints it.

Starts the desk as in production, with a season in a database of its own, and looks at it in Chromium.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.request import ProxyHandler, build_opener

import django
from playwright.sync_api import BrowserContext, CDPSession, Page, Response, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ORDERS = 2000
MOST_FIRST, MOST_REPEAT = 120 * 1000, 15 * 1000
LONGEST_INTERACTION_MS = 100
RUNS = 3
OPEN_PAGES, EVERY_SECONDS, POLLS = 100, 4, 200
WATCH = """
window.shifts = []; window.slowest = 0; window.slowestAt = "";
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shifts.push(entry); }))
  .observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (entry.interactionId && entry.duration > window.slowest) {
    window.slowest = entry.duration;
    const own = Math.round(entry.processingEnd - entry.processingStart);
    window.slowestAt = `${entry.name} on ${entry.target?.id || entry.target?.nodeName}, ${own} ms of it scripts`;
  }
})).observe({ type: "event", durationThreshold: 16, buffered: true });
"""

AFTER_LOAD = """
(() => {
  const [{ loadEventStart }] = performance.getEntriesByType("navigation");
  const late = window.shifts.filter((shift) => shift.startTime > loadEventStart);
  return late.reduce((sum, shift) => sum + shift.value, 0);
})()
"""


def main(folder: Path) -> int:
    """Measure and print; 1 when a bound is broken."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("No Chromium on this machine; install the chromium package.")
    cookies = _season(folder)
    with _server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900})
        context.add_cookies([{**cookie, "url": address} for cookie in cookies])
        context.add_init_script(WATCH)
        first, repeat = _visit(context), _visit(context)
        # Whatever else the machine does only ever adds, so the quietest of a few runs is the desk's own.
        shifted, slowest = _shift(context), min(_interact(context) for _run in range(RUNS))
        browser.close()
    _poll_cost(cookies)
    return _report(first, repeat, shifted, slowest)


def _report(first: dict[str, int], repeat: dict[str, int], shifted: float, slowest: tuple[float, str]) -> int:
    kinds = ", ".join(f"{kind} {size / 1000:.1f}" for kind, size in sorted(first.items()))
    results = [
        (f"First visit, gzip: {sum(first.values()) / 1000:.1f} kB ({kinds})", sum(first.values()) < MOST_FIRST),
        (f"Repeat visit, gzip: {sum(repeat.values()) / 1000:.1f} kB", sum(repeat.values()) < MOST_REPEAT),
        (f"Layout shift after load, two polls included: {shifted:.4f}", shifted == 0),
        (f"Slowest press with 100 rows: {slowest[0]:.0f} ms ({slowest[1]})", slowest[0] < LONGEST_INTERACTION_MS),
    ]
    for words, holds in results:
        print(f"{'ok  ' if holds else 'OVER'}  {words}")
    return 0 if all(holds for _words, holds in results) else 1


def _season(folder: Path) -> list[dict[str, str]]:
    """Build the season; returns the cookies of somebody of Finance who is signed in."""
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{folder / 'weigh.sqlite3'}",
        "SECRET_KEY": "only-for-weighing",
        "HTTPS": "0",
        "DEBUG": "0",
        "DEMO_MODE": "0",
        "STRIPE_API_BASE": "",
        "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    from tools.bench.season import build

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client()
    client.force_login(build(ORDERS, now=timezone.now()).staff, "dashboard.permissions.OneQuestionBackend")
    return [{"name": name, "value": morsel.value} for name, morsel in client.cookies.items()]


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "dashboard.wsgi", "--bind", address, "--threads", "8"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://{address}/healthz")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str) -> None:
    for _attempt in range(100):
        try:
            build_opener(ProxyHandler({})).open(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit("The web server did not start.")


def _visit(context: BrowserContext) -> dict[str, int]:
    """Open the list; returns the gzipped bytes by kind of what did not come out of the browser's cache."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    cached: set[str] = set()
    urls: dict[str, str] = {}
    responses: list[Response] = []
    session.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    session.on("Network.requestServedFromCache", lambda event: cached.add(urls.get(event["requestId"], "")))
    session.on("Network.responseReceived", lambda event: cached.update(_from_disk(event["response"])))
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - Playwright marks what it is given.
    page.goto("/orders/", wait_until="networkidle")
    kinds: dict[str, int] = {}
    for response in responses:
        kind = response.request.resource_type
        if response.url in cached or response.status != 200 or kind not in ("document", "stylesheet", "script"):
            continue
        kinds[kind] = kinds.get(kind, 0) + len(gzip.compress(response.body()))
    page.close()
    return kinds


def _from_disk(response: dict[str, Any]) -> list[str]:
    return [response["url"]] if response.get("fromDiskCache") else []


def _shift(context: BrowserContext) -> float:
    page = context.new_page()
    page.goto("/orders/", wait_until="load")
    page.wait_for_timeout(2500 + EVERY_SECONDS * 2000)
    shifted: float = page.evaluate(AFTER_LOAD)
    page.close()
    return shifted


def _interact(context: BrowserContext) -> tuple[float, str]:
    """Do what staff do all day on a list of a hundred rows; returns the slowest answer to a press.

    Beside the time on the clock, which other programs lengthen, it tells the processor time that scripts, styles and
    layout took after the busiest press, all that followed from it included.
    """
    page = context.new_page()
    page.goto("/orders/?size=100", wait_until="networkidle")
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    busiest, before = (0.0, ""), _busy_ms(session)
    for name, press in PRESSES.items():
        press(page)
        page.wait_for_timeout(700)
        after = _busy_ms(session)
        busiest, before = max(busiest, (after - before, name)), after
    slowest, where = page.evaluate("[window.slowest, window.slowestAt]")
    page.close()
    return slowest, f"{where}; busiest: {busiest[1]}, {busiest[0]:.0f} ms of processor"


def _busy_ms(session: CDPSession) -> float:
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return sum(float(metrics[name]) for name in ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")) * 1000


def _open_panel(page: Page) -> None:
    page.locator("tbody a[href*='/refunds/new/']").nth(2).click()
    page.wait_for_selector("dialog[open] #preview")


PRESSES: dict[str, Callable[[Page], None]] = {
    "J": lambda page: page.keyboard.press("j"),
    "J again": lambda page: page.keyboard.press("j"),
    "X": lambda page: page.keyboard.press("x"),
    "all boxes": lambda page: page.locator("[data-select-all]").check(),
    "clear": lambda page: page.get_by_role("button", name="Clear").click(),
    "a row's menu": lambda page: page.locator("tbody details.menu summary").nth(3).click(),
    "Esc": lambda page: page.keyboard.press("Escape"),
    "the panel": _open_panel,
    "Esc from the panel": lambda page: page.keyboard.press("Escape"),
    "a letter in the search": lambda page: page.locator("#q").press("a"),
}


def _poll_cost(cookies: list[dict[str, str]]) -> None:
    """What a hundred open lists that nothing happens to cost, asked in this process and timed one by one."""
    from django.db import connection
    from django.test import Client

    client = Client()
    for cookie in cookies:
        client.cookies[cookie["name"]] = cookie["value"]
    page = client.get("/orders/").content.decode()
    asked: dict[str, Any] = {name: page.split(f'data-{name}="')[1].split('"')[0] for name in ("at", "page", "mark")}
    spent: list[float] = []

    def clock(execute: Any, *args: Any) -> Any:
        start = perf_counter()
        try:
            return execute(*args)
        finally:
            spent.append((perf_counter() - start) * 1000)

    times = []
    with connection.execute_wrapper(clock):
        for _poll in range(POLLS):
            start = perf_counter()
            answer = client.get("/changes/", asked)
            times.append((perf_counter() - start) * 1000)
            assert answer.status_code == 204, answer.status_code  # noqa: S101
    each, rate, count = median(times), OPEN_PAGES / EVERY_SECONDS, len(spent) // POLLS
    database = median(spent) * count
    print(
        f"{OPEN_PAGES} open lists: {rate:.0f} requests a second, {count} queries each, {each:.1f} ms in all of"
        f" which {database:.1f} ms database; {each * rate / 10:.0f} % of one core"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        sys.exit(main(Path(work)))
