"""One database with its sandbox, web server and worker, and one run after the other on them."""

import argparse
import json
import os
import signal
import socket
import sys
import traceback
from collections import Counter
from contextlib import ExitStack
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
        self.ports = free_ports(2)
        self.desk, stripe = (f"http://127.0.0.1:{port}" for port in self.ports)
        os.environ["STRIPE_API_BASE"] = stripe
        django.setup()
        self.sandbox = Sandbox(stripe)
        self.supervisor = Supervisor(folder / "logs", os.environ, BASE)
        self.counts: Counter[str] = Counter()
        self.struck: set[str] = set()
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
        """Two colleagues, and a session of Finance's of the kind that the login makes."""
        from django.contrib import auth
        from django.contrib.auth.models import User
        from django.contrib.sessions.backends.db import SessionStore

        from registration.roles import ensure_roles
        from tools.torture.scene import Staff

        grace, sam = (User.objects.create_user(name, f"{name}@example.com") for name in ("grace", "sam"))
        roles = ensure_roles()
        grace.groups.add(roles["Finance"])
        sam.groups.add(roles["Support"])
        self.staff = Staff(grace, sam)
        session = SessionStore()
        session[auth.SESSION_KEY] = str(grace.pk)
        session[auth.BACKEND_SESSION_KEY] = "dashboard.permissions.OneQuestionBackend"
        session[auth.HASH_SESSION_KEY] = grace.get_session_auth_hash()
        session.save()
        self.session = str(session.session_key)

    def run(self, number: int) -> list[Any]:
        """One run: build, storm, calm, judgement; returns what was found."""
        from tools.torture import scene, storm

        rng = Random(f"{self.seed}/{number}")  # noqa: S311
        ends = scene.ends_of_run(self.seed, number)
        play = scene.build(number, rng, self.staff, self.sandbox, self.desk, ends)
        storm.prepare(play, rng)
        planned = storm.moments(play, rng, partial(self._kill_web, rng), partial(self._kill_worker, rng))
        self._act(play, planned)
        try:
            found = self._judge(play, rng)
        finally:
            self.sandbox.control("clock", "DELETE")
        self._count(play, found)
        return found

    def _act(self, play: Any, planned: list[Any]) -> None:
        """Let everybody act until they have ended, one way or another."""
        from tools.torture import storm
        from tools.torture.actor import perform
        from tools.torture.forks import Fork

        self._keep_worker()
        actors: list[Fork] = []
        try:
            for part in play.cast:
                work = partial(perform, part.jobs, self.desk, self.session, self.staff)
                actors.append(Fork(work, part.kill_at))
            for now in storm.play(planned, lambda: not all(map(Fork.ended, actors)), LONGEST_SECONDS):
                self._keep_worker()
                for actor, part in zip(actors, play.cast, strict=True):
                    if part.kill_after is not None and now >= part.kill_after:
                        actor.kill()
        finally:
            for actor in actors:
                actor.kill()
                self._note_end(actor)

    def _judge(self, play: Any, rng: Random) -> list[Any]:
        """Judge twice: what the events and the resolver must have brought by themselves, and what is left at last."""
        from tools.torture import calm
        from tools.torture.judge import DIFFERENCE, Finding, judge, unheard

        restless = calm.settle(play.conference, play.sandbox, rng, self.staff, self._hush)
        first = judge(play.conference, play.sandbox.state())
        untold = unheard(play.conference, play.sandbox.events())
        early = [finding for finding in first if not finding.about & untold]
        self.counts["repaired"] += len(first) - len(early)
        named = calm.compare(play.conference)
        if not first:
            early += [Finding(DIFFERENCE, f"the comparison names what agrees: {each}") for each in named]
        restless += calm.become_quiet(play.conference, play.sandbox)
        late = [finding for finding in judge(play.conference, play.sandbox.state()) if finding not in early]
        late += [Finding(DIFFERENCE, f"not repaired: {each}") for each in calm.compare(play.conference)]
        late += [Finding(DIFFERENCE, f"it did not become quiet: {each}") for each in restless]
        return early + late

    def _count(self, play: Any, found: list[Any]) -> None:
        from registration.models import CreditEntry, Refund

        refunds = Refund.objects.filter(order__conference=play.conference)
        used = CreditEntry.objects.filter(credit__conference=play.conference, kind=CreditEntry.Kind.APPLIED)
        self.counts["runs"] += 1
        self.counts["refunds"] += refunds.count()
        forms = {job.nonce for part in play.cast for job in part.jobs if job.kind == "web_refund"}
        self.counts["by_form"] += refunds.filter(nonce__in=forms).count()
        self.counts["external"] += refunds.filter(source=Refund.Source.EXTERNAL).count()
        self.counts["failed"] += refunds.filter(state=Refund.State.FAILED).count()
        self.counts["credits"] += used.count()
        self.counts["disputes"] += len(play.sandbox.state()["disputes"])
        for finding in found:
            self.counts[finding.kind] += 1

    def _note_end(self, fork: Any) -> None:
        """Count a SIGKILL, and the boundary where it struck."""
        self.counts["kills"] += fork.was_killed
        if fork.died_at:
            self.struck.add(fork.died_at)

    def _kill_web(self, rng: Random) -> None:
        from tools.torture.forks import kill_a_child

        self.counts["kills"] += kill_a_child(self.web.process.pid, rng)

    def _hush(self) -> None:
        """End whoever could be asking Stripe. The next run has a worker again; the web server sends nothing unasked."""
        from tools.torture.forks import kill_children

        self.counts["kills"] += kill_children(self.web.process.pid)
        self.worker.kill()

    def _kill_worker(self, rng: Random) -> None:
        """End the worker now; the next one ends by itself at some boundary."""
        from tools.torture.killing import boundaries

        self.worker.kill()
        self._keep_worker(rng.choice(boundaries()))

    def _keep_worker(self, kill_at: str = "") -> None:
        from django.core.management import call_command

        from tools.torture.forks import Fork

        if self.worker is not None and self.worker.ended():
            self._note_end(self.worker)
            self.worker = None
        if self.worker is None:
            work = partial(call_command, "run_worker", interval=0.2, sweep=0.5, nightly=False)
            self.worker = Fork(work, kill_at)

    def audit(self) -> list[str]:
        """The whole ledger at the end."""
        from registration.services.verification.run import Ledger

        found = [str(finding) for finding in Ledger().findings()]
        self.counts["differences"] += len(found)
        return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


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
            for line in attempt(lane, number):
                print(f"SEED={options.seed} RUN={number} {line}", flush=True)
        for line in lane.audit():
            print(f"SEED={options.seed} ledger: {line}", flush=True)
    print(json.dumps({"counts": lane.counts, "struck": sorted(lane.struck)}), flush=True)


def attempt(lane: Lane, number: int) -> list[str]:
    """One run; one that breaks down proves nothing, so it counts as a difference and the others go on."""
    try:
        return [str(finding) for finding in lane.run(number)]
    except Exception as error:
        traceback.print_exc()
        lane.counts["differences"] += 1
        return [f"broke down: {type(error).__name__}: {error}"]


if __name__ == "__main__":
    main()
