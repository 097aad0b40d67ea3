"""A small desk with its web server, worker and sandbox, and what staff do there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import django
import requests

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk_test_sandbox_stall"
STAFF_WHO_WAIT, ORDERS = 6, 40
TOKEN = "t" * 32  # The form's token is compared with the cookie's, and both are ours.


def prepare(folder: Path, kind: str) -> None:
    """Choose the database and make Django ready; nothing is imported from it before."""
    if kind == "postgresql":
        from tests.postgres import server_url

        os.environ["DATABASE_URL"] = server_url(folder)
    else:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'stall.sqlite3'}"
    from tools.torture.lane import free_ports

    os.environ.update(
        SECRET_KEY="only-for-this-measurement-" + "x" * 30,
        DEMO_MODE="1",
        STRIPE_API_BASE=f"http://127.0.0.1:{free_ports(1)[0]}",
        DJANGO_SETTINGS_MODULE="dashboard.settings",
    )
    django.setup()


class Desk:
    """Keeps the programs alive; leaving the ``with`` block ends them."""

    def __init__(self, folder: Path) -> None:
        """Choose where things listen."""
        from dashboard.processes import Supervisor
        from tools.torture.lane import free_ports
        from tools.torture.sandbox import Sandbox

        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.sandbox = Sandbox(os.environ["STRIPE_API_BASE"], KEY)
        self.supervisor = Supervisor(folder / "logs", os.environ, ROOT)
        self.references: list[str] = []

    def __enter__(self) -> Desk:
        from django.core.management import call_command

        from tools.torture.lane import answers

        self.supervisor.__enter__()
        port = self.sandbox.base.rpartition(":")[2]
        self.supervisor.start("sandbox", [sys.executable, "-m", "stripe_sandbox", "--port", port])
        call_command("migrate", verbosity=0)
        health = f"{self.sandbox.base}/_sandbox/health"
        self.supervisor.wait_until(partial(answers, health), 60, "the sandbox")
        self.session = self._fill()
        self._start(
            "web", "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}", "dashboard.wsgi"
        )
        self._start("worker", "manage.py", "run_worker", "--no-nightly", "--interval", "0.5", "--sweep", "2")
        self.supervisor.wait_until(partial(answers, f"{self.url}/healthz"), 60, "the web server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.__exit__(kind, error, trace)

    def _start(self, name: str, *command: str) -> None:
        self.supervisor.start(name, [sys.executable, *command])

    def _fill(self) -> str:
        """A conference with paid orders that the sandbox knows, and a colleague's session."""
        from django.contrib.auth.models import User

        from registration.models import Conference, Membership, Order, Payment
        from registration.roles import ensure_roles

        conference = Conference.objects.create(
            name="Stall", slug="stall", currency="EUR", stripe_secret_key=KEY, undo_seconds=0
        )
        grace = User.objects.create_user("grace", "grace@example.com")
        grace.groups.add(ensure_roles()["Finance"])
        Membership.objects.create(user=grace, conference=conference)
        payments = []
        for number in range(ORDERS):
            order = Order.objects.create(
                conference=conference, user=grace, total=Decimal(100), status="PAID", reference=f"ORD-STALL{number:02d}"
            )
            names = {"id": f"pi_stall_{number}", "charge": f"ch_stall_{number}"}
            Payment.objects.create(
                order=order,
                amount=Decimal(100),
                status="SUCCEEDED",
                stripe_payment_intent_id=names["id"],
                stripe_charge_id=names["charge"],
            )
            payments.append(names | {"amount": 10_000, "currency": "eur"})
            self.references.append(order.reference)
        self.sandbox.control("seed", payments=payments)
        return _session_of(grace)

    def browser(self) -> requests.Session:
        """Somebody who is signed in."""
        browser = requests.Session()
        browser.trust_env = False
        browser.cookies.update({"sessionid": self.session, "csrftoken": TOKEN})
        return browser

    def turn_pages(self, seconds: float, waiting: Sequence[Thread] = ()) -> list[float]:
        """Open one page after the other, while every one of ``waiting`` waits; returns how long each took, in ms."""
        pages = ["/orders/", f"/orders/{self.references[-1]}/", "/refunds/", "/credits/", "/attention/"]
        times: list[float] = []
        until = time.monotonic() + seconds
        with self.browser() as browser:
            while time.monotonic() < until and all(thread.is_alive() for thread in waiting):
                start = time.perf_counter()
                answer = browser.get(self.url + pages[len(times) % len(pages)], timeout=60)
                times.append((time.perf_counter() - start) * 1000)
                answer.raise_for_status()
        return times

    def silence_stripe(self, seconds: int) -> None:
        """From now on, Stripe says nothing for so long about every refund that is sent, and then hangs up."""
        self.sandbox.control(
            "faults", fault="timeout", count=1_000_000, method="POST", path="/v1/refunds", seconds=seconds
        )

    def send_refunds(self) -> list[Thread]:
        """Colleagues who each press Refund; returns those who wait for the answer."""
        threads = [Thread(target=self._send, args=(reference,)) for reference in self.references[:STAFF_WHO_WAIT]]
        for thread in threads:
            thread.start()
        time.sleep(1)
        return threads

    def _send(self, reference: str) -> None:
        form = {"mode": "custom", "amount": "10.00", "destination": "CARD", "reason": "requested_by_customer"}
        form |= {"nonce": _nonce(), "balance_seen": "100.00", "full_amount": "100.00", "note": ""}
        with self.browser() as browser:
            url = f"{self.url}/orders/{reference}/refunds/new/"
            answer = browser.post(url, form | {"csrfmiddlewaretoken": TOKEN}, timeout=90, allow_redirects=False)
        if answer.status_code != 302:
            print(f"The refund of {reference} answered {answer.status_code}.", file=sys.stderr)

    def settle(self, waiting: list[Thread]) -> int:
        """Let Stripe speak again; returns how many refunds were not made exactly once a minute later."""
        from registration.models import RefundPart

        self.sandbox.control("faults", "DELETE")
        for thread in waiting:
            thread.join(90)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            states = list(RefundPart.objects.values_list("state", flat=True))
            if len(states) == len(waiting) and set(states) == {"succeeded"}:
                break
            time.sleep(0.5)
        made = [refund["metadata"].get("part") for refund in self.sandbox.state()["refunds"]]
        parts: Any = RefundPart.objects.filter(state="succeeded").values_list("uuid", flat=True)
        return len(waiting) - sum(made.count(str(part)) == 1 for part in parts)


def _session_of(user: Any) -> str:
    from django.contrib import auth
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "dashboard.permissions.OneQuestionBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def _nonce() -> str:
    import uuid

    return str(uuid.uuid4())
