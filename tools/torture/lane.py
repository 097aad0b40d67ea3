"""One database with its sandbox, web server and worker, and one run after the other on them."""

import argparse
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import django

BASE = Path(__file__).resolve().parent.parent.parent
LONGEST_SECONDS = 12.0


class Lane:
    """Keeps the processes alive between runs and counts what happened."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Migrate, and start everything."""
        from dashboard.processes import Supervisor
        from tools.torture.sandbox import Sandbox

        self.seed, self.folder = seed, folder
        self.ports = [free_port(), free_port()]
        self.desk, stripe = (f"http://127.0.0.1:{port}" for port in self.ports)
        os.environ["STRIPE_API_BASE"] = stripe
        django.setup()
        self.sandbox = Sandbox(stripe)
        self.supervisor = Supervisor(folder / "logs", os.environ, BASE)
        self.counts = dict.fromkeys(("runs", "kills", "refunds", "credits", "doubled", "lost", "differences"), 0)
        self.worker: Any = None

    def __enter__(self) -> "Lane":
        from django.core.management import call_command

        from tools.torture.haste import hurry

        self.supervisor.__enter__()
        for number in (signal.SIGINT, signal.SIGTERM):  # Unlike the demo, end at once; the supervisor tidies up.
            signal.signal(number, lambda _number, _frame: sys.exit(1))
        sandbox = [sys.executable, "-m", "stripe_sandbox", "--port", str(self.ports[1])]
        self.supervisor.start("sandbox", sandbox)
        call_command("migrate", verbosity=0)
        options = f"--preload --bind 127.0.0.1:{self.ports[0]} --workers 2 --threads 4 --graceful-timeout 1".split()
        self.web = self.supervisor.start(
            "web", [sys.executable, "-m", "gunicorn", "tools.torture.web:application", *options]
        )
        hurry()
        self._sign_in()
        for address in (f"{self.sandbox.base}/_sandbox/health", f"{self.desk}/healthz"):
            self.supervisor.wait_until(partial(answers, address), 60, address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.worker is not None:
            self.worker.kill()
        self.supervisor.__exit__(kind, error, trace)

    def _sign_in(self) -> None:
        """A colleague of the Finance role, with a session of the kind that the login makes."""
        from django.contrib import auth
        from django.contrib.auth.models import User
        from django.contrib.sessions.backends.db import SessionStore

        from registration.roles import ensure_roles

        self.staff = User.objects.create_user("grace", "grace@example.com")
        self.staff.groups.add(ensure_roles()["Finance"])
        session = SessionStore()
        session[auth.SESSION_KEY] = str(self.staff.pk)
        session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[auth.HASH_SESSION_KEY] = self.staff.get_session_auth_hash()
        session.save()
        self.session = str(session.session_key)

    def run(self, number: int) -> list[str]:
        """One run: build, storm, calm, judgement; returns what was found."""
        from tools.torture import calm, scene, storm
        from tools.torture.actor import perform
        from tools.torture.forks import Fork
        from tools.torture.judge import judge

        rng = Random(f"{self.seed}/{number}")  # noqa: S311
        play = scene.build(number, rng, self.staff, self.sandbox, self.desk)
        storm.prepare(play, rng)
        planned = storm.moments(play, rng, partial(self._kill_web, rng), self._kill_worker)
        self._keep_worker()
        actors = [
            Fork(partial(perform, part.jobs, self.desk, self.session, self.staff.pk), part.kill_at)
            for part in play.cast
        ]
        for now in storm.play(planned, lambda: not all(map(Fork.ended, actors)), LONGEST_SECONDS):
            for actor, part in zip(actors, play.cast, strict=True):
                if part.kill_after is not None and now >= part.kill_after:
                    actor.kill()
        for actor in actors:
            actor.kill()
            self.counts["kills"] += actor.was_killed
        self._keep_worker()
        quiet = calm.settle(play.conference, play.sandbox, rng)
        verdict = judge(play.conference, play.sandbox.state())
        if not quiet:
            verdict.differences.append("it did not become quiet")
        self._count(play.conference, verdict)
        return verdict.lines()

    def _count(self, conference: Any, verdict: Any) -> None:
        from registration.models import CreditEntry, Refund

        self.counts["runs"] += 1
        self.counts["refunds"] += Refund.objects.filter(order__conference=conference).count()
        used = CreditEntry.objects.filter(credit__conference=conference, kind=CreditEntry.Kind.APPLIED)
        self.counts["credits"] += used.count()
        for name in ("doubled", "lost", "differences"):
            self.counts[name] += len(getattr(verdict, name))

    def _kill_web(self, rng: Random) -> None:
        from tools.torture.forks import kill_a_child

        self.counts["kills"] += kill_a_child(self.web.process.pid, rng)

    def _kill_worker(self) -> None:
        self.worker.kill()
        self.counts["kills"] += self.worker.was_killed
        self._keep_worker()

    def _keep_worker(self) -> None:
        from django.core.management import call_command

        from tools.torture.forks import Fork

        if self.worker is None or self.worker.ended():
            self.worker = Fork(partial(call_command, "run_worker", interval=0.1, sweep=0.3))

    def audit(self) -> list[str]:
        """The whole ledger at the end."""
        from registration.services.verify import Ledger

        found = [str(finding) for finding in Ledger().findings()]
        self.counts["differences"] += len(found)
        return found


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Whether an address of this machine answers."""
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def main() -> None:
    """Do the runs named on the command line; the last line written is the counts as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--runs", type=int, nargs="+", required=True)
    options = parser.parse_args()
    with Lane(options.folder, options.seed) as lane:
        for number in options.runs:
            for line in lane.run(number):
                print(f"SEED={options.seed} RUN={number} {line}", flush=True)
        for line in lane.audit():
            print(f"SEED={options.seed} ledger: {line}", flush=True)
    print(json.dumps(lane.counts), flush=True)


if __name__ == "__main__":
    main()
