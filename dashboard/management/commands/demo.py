"""Starts the desk with a season of orders: the Stripe sandbox, the worker and the web server as one."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.demo.catalog import PASSWORD, ROLES
from dashboard.processes import ProcessDied, Stopped, Supervisor

READY_WITHIN_SECONDS = 60.0
WEB_THREADS = 8


class Command(BaseCommand):
    help = "Start everything with a season of orders; Ctrl-C stops it. What was done is kept."
    requires_system_checks = []
    """The children check themselves, with the settings of the demo."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument("--folder", type=Path, default=settings.VAR_DIR, help="where the demo keeps its state")
        parser.add_argument("--scale", type=float, default=1.0, help="size of the season")

    def handle(self, *args: Any, port: int, folder: Path, scale: float, **options: Any) -> None:
        if not is_free(port):
            raise CommandError(f"Port {port} is in use. Choose another: make demo PORT={port + 1}")
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sandbox_port = keep_port(folder / "sandbox-port", besides=port)
        desk, sandbox = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}"
        try:
            with Supervisor(folder / "logs", environment(folder, sandbox, port), settings.BASE_DIR) as supervisor:
                start(supervisor, folder, desk, sandbox, scale)
                self._greet(desk)
                supervisor.watch()
        except Stopped:
            self.stdout.write("\nStopped. What was done is kept; start again with make demo.")
        except ProcessDied as error:
            raise CommandError(str(error)) from error

    def _greet(self, desk: str) -> None:
        lines = [
            "",
            f"Refund Desk is ready at {desk}/",
            "",
            *(f"  {username:<8}  {PASSWORD}  {role}" for username, role in ROLES.items()),
            "",
            "No real money moves: Stripe is simulated. Ctrl-C stops everything.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def environment(folder: Path, sandbox: str, port: int) -> dict[str, str]:
    """The children's environment: demo mode, and the sandbox in Stripe's place."""
    ours = {
        "DEMO_MODE": "1",
        "STRIPE_API_BASE": sandbox,
        "DATABASE_URL": settings.DATABASE_URL or f"sqlite:///{folder / 'refund-desk.sqlite3'}",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **ours}


def start(supervisor: Supervisor, folder: Path, desk: str, sandbox: str, scale: float) -> None:
    """Start one after the other, each when the one it needs is there.

    Args:
        supervisor: Keeps them together.
        folder: Where the sandbox keeps its state.
        desk: Base address of the desk.
        sandbox: Base address of the sandbox.
        scale: Size of the season.
    """
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    state = str(folder / "stripe-sandbox.sqlite3")
    supervisor.start(
        "Stripe sandbox", [sys.executable, "-m", "stripe_sandbox", "--port", port_of(sandbox), "--state", state]
    )
    supervisor.wait_until(lambda: answers(f"{sandbox}/_sandbox/health"), READY_WITHIN_SECONDS, "The Stripe sandbox")
    supervisor.run([*manage, "load_season", "--migrate", "--webhooks", desk, "--scale", str(scale)])
    supervisor.start("web server", web_server(port_of(desk)))
    supervisor.start("worker", [*manage, "run_worker", "--interval=2"])
    supervisor.wait_until(lambda: answers(f"{desk}/healthz"), READY_WITHIN_SECONDS, "The web server")


def port_of(address: str) -> str:
    """The port of a base address."""
    return address.rpartition(":")[2]


def web_server(port: str) -> list[str]:
    """One process with threads: quick to start, and enough for a demo."""
    options = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", str(WEB_THREADS)]
    return [sys.executable, "-m", "gunicorn", "dashboard.wsgi", *options, "--graceful-timeout", "5"]


def answers(address: str) -> bool:
    """Whether an address of this machine answers 200."""
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def keep_port(path: Path, *, besides: int) -> int:
    """The port that the sandbox had before, or a free one when it is taken; kept in a file."""
    kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
    port = int(kept) if kept.isdecimal() and int(kept) != besides and is_free(int(kept)) else free_port()
    path.write_text(f"{port}\n", encoding="ascii")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
