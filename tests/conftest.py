"""What every test stands on: a machine cut off from the network, a sandbox to talk to, a browser to look through."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.utils import translation
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright
from pytest_django import Settings

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from stripe_sandbox.server import SandboxServer

pytest_plugins = ["tests.cast"] if find_spec("tests.cast") else []

IN_CI = os.environ.get("CI", "").lower() == "true"
LOOPBACK = {"127.0.0.1", "::1", "localhost", "", None}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    real_connect, real_getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"A test tried to reach {address[0]}; tests stay on this machine.")
        real_connect(self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in LOOPBACK:
            raise AssertionError(f"A test tried to look up {host}; tests stay on this machine.")
        return real_getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def language_of_its_own() -> Iterator[None]:
    """A request in German leaves its thread speaking German; the next test begins in the project's language."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def background() -> Iterator[ThreadPoolExecutor]:
    """Threads for what a test need not wait for."""
    with ThreadPoolExecutor() as executor:
        yield executor


@pytest.fixture
def sandbox(settings: Settings, background: ThreadPoolExecutor) -> Iterator["SandboxServer"]:
    """A stand-in Stripe of the test's own, on a free port and without a past, with the product pointed at it."""
    from stripe_sandbox.server import SandboxServer

    server = SandboxServer(port=0)
    server.start()
    settings.STRIPE_API_BASE = server.url
    yield server
    background.submit(server.stop)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window. On a developer's machine without one, the tests that need it are skipped."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        reason = "No Chromium on this machine; install the chromium package to run the browser tests."
        (pytest.fail if IN_CI else pytest.skip)(reason)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django would take for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    """What browsers complain about; a test that makes them complain takes out what it expects."""
    return []


@pytest.fixture
def open_page(browser: Browser, live_server: "LiveServer", complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens a window on the running site; keywords are those of a browser context (``java_script_enabled=False``).

    Afterwards, an error in a script, a breach of the content security policy, a request to anywhere else and a file
    that is not there fail the test.
    """
    contexts = []
    home = urlsplit(live_server.url).netloc

    def note(message: ConsoleMessage) -> None:
        # A request that a newer one replaced is cut off on purpose; htmx says so on the console.
        is_cut_off = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        if message.type == "error" and "Failed to load resource" not in message.text and not is_cut_off:
            complaints.append(message.text)

    def note_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != home:
            complaints.append(f"asked elsewhere: {request.url}")

    def note_answer(response: Response) -> None:
        if "/static/" in response.url and response.status >= 400:
            complaints.append(f"{response.status}: {response.url}")

    def open_page(**options: Any) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            **{"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", **options},
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", note_request)
        page.on("response", note_answer)
        return page

    yield open_page
    # Closing cuts off whatever a page was asking just then.
    found = list(complaints)
    for context in contexts:
        context.close()
    assert found == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A window on the running site."""
    return open_page()


@pytest.fixture(scope="session")
def find_breaches() -> Callable[..., list[str]]:
    """What axe-core has against the page, by WCAG 2.2 A and AA and best practice, or by some rules alone."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

    def find(page: Page, *rules: str, within: str = "") -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(axe)
        options = {"runOnly": list(rules) or tags, "resultTypes": ["violations"], "preload": False}
        results = page.evaluate("([place, options]) => axe.run(place || document, options)", [within, options])
        return [f"{v['id']}: {n['html']}" for v in results["violations"] for n in v["nodes"]]

    return find


@pytest.fixture(scope="session")
def assert_accessible(find_breaches: Callable[..., list[str]]) -> Callable[[Page], None]:
    """Fails when axe-core has anything against the page as it stands."""

    def check(page: Page) -> None:
        assert find_breaches(page) == []

    return check
