"""A sandbox for each test, the official client on it, and a receiver for webhooks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from stripe_sandbox.server import SandboxServer

from .tools import KEY, Control, Receiver, make_client


@pytest.fixture
def server(background: ThreadPoolExecutor) -> Iterator[SandboxServer]:
    """A sandbox without a past."""
    running = SandboxServer().start()
    yield running
    background.submit(running.stop)


@pytest.fixture
def client(server: SandboxServer) -> stripe.StripeClient:
    """The official client, without retries of its own."""
    return make_client(server.url, KEY)


@pytest.fixture
def control(server: SandboxServer) -> Control:
    """The control API."""
    return Control(server.url)


@pytest.fixture
def pay(client: stripe.StripeClient) -> Callable[..., stripe.PaymentIntent]:
    """Makes a confirmed payment."""

    def make(amount: int = 4000, card: str = "pm_card_visa", currency: str = "eur") -> stripe.PaymentIntent:
        return client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": currency,
                "payment_method": card,
                "confirm": True,
                "expand": ["latest_charge"],
            }
        )

    return make


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that keeps what it is sent."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.take(body, self.headers["Stripe-Signature"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{listening.server_address[1]}/hook"
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    yield kept
    listening.shutdown()
    listening.server_close()
