"""The demo: a season that adds up here and at the sandbox, and programs that live and die together."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from dashboard.demo.catalog import PASSWORD, PLANS, ROLES, secret_key
from dashboard.demo.people import people
from dashboard.demo.sandbox_seed import Sandbox
from dashboard.demo.season import load_season
from dashboard.management.commands.demo import answers, free_port, is_free, keep_port
from dashboard.processes import ProcessDied, Supervisor
from registration.models import (
    Conference,
    Credit,
    Difference,
    HistoryEntry,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundPart,
)
from registration.models.refund import ACCEPTED
from registration.sentences import PATTERNS
from registration.services.approval import approve_refund
from registration.services.comparison import asking as compare_asking
from registration.services.comparison import run as compare
from registration.services.comparison.asking import Asker
from registration.services.comparison.repair import repair
from registration.services.errors import RefundError
from registration.services.limits import refunded_today
from registration.services.verification.run import Ledger

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

SMALL = 0.1
STAY = "import time; time.sleep(60)"


@pytest.fixture
def demo_settings(settings: Settings, sandbox: "SandboxServer") -> Iterator["SandboxServer"]:
    settings.DEMO_MODE = True
    yield sandbox
    sandbox.faults.clear()


@pytest.fixture
def season(db: None, demo_settings: "SandboxServer") -> Sandbox:
    sandbox = Sandbox(demo_settings.url)
    load_season(sandbox, scale=SMALL)
    return sandbox


def books_of(sandbox: Sandbox, slug: str) -> Any:
    with build_opener(ProxyHandler({})).open(
        f"{sandbox.base}/_sandbox/state?account_key={secret_key(slug)}", timeout=20
    ) as answer:
        return json.load(answer)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid: int, seconds: int = 5) -> bool:
    """Whether an orphan is gone soon: the system reaps it, a moment after it was ended."""
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def test_attendees_are_the_same_every_time_and_share_no_address() -> None:
    first, second = people(random.Random(7)), people(random.Random(7))
    crowd = [next(first) for _index in range(3_000)]
    again = [next(second) for _index in range(3_000)]

    assert crowd == again
    assert len({person.email for person in crowd}) == 3_000
    assert all(person.email.endswith(".example") and person.email.isascii() for person in crowd)


def test_names_abroad_are_in_letters_that_machines_there_can_show() -> None:
    abroad, home = people(random.Random(7), "EUR"), people(random.Random(7), "JPY")

    assert not any(
        "\u0900" <= letter <= "\u0d7f" or letter > "\u3000" for _n in range(2_000) for letter in next(abroad).name
    )
    assert any(letter > "\u3000" for _n in range(100) for letter in next(home).name)


def test_whole_season_has_five_thousand_orders() -> None:
    assert sum(plan.orders for plan in PLANS) == 5_000


def test_season_has_one_of_everything(season: Sandbox) -> None:
    for plan in PLANS:
        of_conference = {"order__conference__slug": plan.slug}
        assert set(Refund.objects.filter(**of_conference).values_list("state", flat=True)) == set(Refund.State.values)
        kinds = OpenItem.objects.unresolved().filter(conference__slug=plan.slug).values_list("kind", flat=True)
        # The sandbox pays what waits for a balance as soon as there is enough, and the season's accounts are well off.
        assert set(kinds) == set(OpenItem.Kind.values) - {OpenItem.Kind.BALANCE_LOW}
        statuses = Credit.objects.filter(conference__slug=plan.slug).values_list("status", flat=True)
        assert set(statuses) == set(Credit.Status.values)
    assert set(Payment.objects.values_list("method", flat=True)) == set(Payment.Method.values)
    assert set(Order.objects.values_list("status", flat=True)) == set(Order.Status.values)
    assert set(RefundPart.objects.values_list("channel", flat=True)) == set(RefundPart.Channel.values)
    partly_used = Credit.objects.filter(remaining_amount__gt=0, remaining_amount__lt=F("amount"))
    assert partly_used.exists()


def test_what_support_proposed_finance_can_decide(season: Sandbox) -> None:
    support, finance = User.objects.get(username="support"), User.objects.get(username="finance")
    for plan in PLANS:
        proposal = Refund.objects.get(order__conference__slug=plan.slug, state=Refund.State.AWAITING_APPROVAL)
        rejected = Refund.objects.get(order__conference__slug=plan.slug, state=Refund.State.REJECTED)
        with pytest.raises(RefundError):
            approve_refund(proposal, staff_user=support)

        assert approve_refund(proposal, staff_user=finance).state in ACCEPTED
        assert (rejected.requested_by, rejected.decided_by) == (support, finance)
        assert not OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.APPROVAL, refund=proposal).exists()
    assert [str(finding) for finding in Ledger().findings()] == []


def test_support_kept_its_limit_and_has_the_whole_day_to_try(season: Sandbox) -> None:
    support = User.objects.get(username="support")
    alone = Refund.objects.filter(requested_by=support, decided_by=None).exclude(state=Refund.State.AWAITING_APPROVAL)
    assert alone.exists()
    for conference in Conference.objects.exclude(support_refund_limit=None):
        assert not alone.filter(order__conference=conference, amount__gt=conference.support_refund_limit).exists()
        assert refunded_today(conference, support) == 0


def test_season_adds_up(season: Sandbox) -> None:
    assert [str(finding) for finding in Ledger().findings()] == []


def test_season_agrees_with_the_sandbox(season: Sandbox) -> None:
    for plan in PLANS:
        books = books_of(season, plan.slug)
        theirs = {refund["id"]: refund["status"] for refund in books["refunds"]}
        ours = RefundPart.objects.filter(payment__order__conference__slug=plan.slug).exclude(stripe_refund_id=None)
        unheard = OpenItem.objects.get(kind=OpenItem.Kind.DRIFT, conference__slug=plan.slug).facts["refund_id"]
        assert dict(ours.values_list("stripe_refund_id", "state")) | {unheard: "succeeded"} == theirs
        mine = Payment.objects.filter(order__conference__slug=plan.slug).exclude(stripe_charge_id="")
        unmatched = OpenItem.objects.filter(kind=OpenItem.Kind.UNMATCHED, conference__slug=plan.slug)
        assert len(books["charges"]) == mine.count() + unmatched.count()


def test_every_order_has_a_history_in_words_and_nothing_lies_in_the_future(season: Sandbox) -> None:
    assert set(HistoryEntry.objects.values_list("kind", flat=True)) <= set(PATTERNS)
    assert not Order.objects.filter(history=None).exists()
    assert not HistoryEntry.objects.filter(created_at__gt=timezone.now()).exists()
    assert not Order.objects.filter(created_at__gt=timezone.now()).exists()


def test_one_login_per_role_sees_every_conference(season: Sandbox) -> None:
    for username, role in ROLES.items():
        user = User.objects.get(username=username)
        assert user.check_password(PASSWORD)
        assert [group.name for group in user.groups.all()] == [role]
        assert user.memberships.count() == len(PLANS)  # type: ignore[attr-defined]
    assert User.objects.get(username="finance").has_perm("registration.refund_without_limit")
    assert not User.objects.get(username="support").has_perm("registration.refund_without_limit")
    assert not User.objects.get(username="admin").has_perm("registration.refund_order")
    attendee = User.objects.filter(groups=None).first()
    assert attendee is not None
    assert not attendee.has_usable_password()


def test_season_is_loaded_once(season: Sandbox) -> None:
    before, output = Order.objects.count(), StringIO()

    call_command("load_season", webhooks="http://127.0.0.1:8000", stdout=output)

    assert Order.objects.count() == before
    assert output.getvalue() == ""


def test_season_is_for_the_demo_only(db: None, settings: Settings) -> None:
    settings.DEMO_MODE = False

    with pytest.raises(CommandError, match="only|demo"):
        call_command("load_season")

    assert not Order.objects.exists()


def test_worker_leaves_the_season_as_it_is(season: Sandbox) -> None:
    before = dict(Refund.objects.values_list("pk", "state"))

    call_command("run_worker", once=True)

    assert dict(Refund.objects.values_list("pk", "state")) == before
    assert [str(finding) for finding in Ledger().findings()] == []


def test_leaving_ends_every_program_and_its_children(tmp_path: Path) -> None:
    child = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {STAY!r}]).pid, flush=True); {STAY}"
    with Supervisor(tmp_path, os.environ) as supervisor:
        program = supervisor.start("parent", [sys.executable, "-c", child])
        supervisor.wait_until(lambda: program.log.read_text().endswith("\n"), 20, "The parent")
        grandchild = int(program.log.read_text())
        assert is_running(program.process.pid)
        assert is_running(grandchild)

    assert not is_running(program.process.pid)
    assert ends(grandchild)


def test_all_end_when_one_dies_and_its_last_words_are_told(tmp_path: Path) -> None:
    def live_together() -> None:
        with Supervisor(tmp_path, os.environ) as supervisor:
            pids.append(supervisor.start("steady one", [sys.executable, "-c", STAY]).process.pid)
            supervisor.start("odd one", [sys.executable, "-c", "print('no luck', flush=True); raise SystemExit(3)"])
            supervisor.watch()

    pids: list[int] = []
    with pytest.raises(ProcessDied, match="The odd one ended with status 3:\nno luck"):
        live_together()

    assert not is_running(pids[0])


def test_what_never_answers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(ProcessDied, match="did not answer"), Supervisor(tmp_path, os.environ) as supervisor:
        supervisor.wait_until(lambda: False, 0.1, "The silent one")


def test_sandbox_keeps_its_port(tmp_path: Path) -> None:
    path = tmp_path / "port"
    port = keep_port(path, besides=1)

    assert keep_port(path, besides=1) == port
    assert keep_port(path, besides=port) != port
    assert is_free(port)


def run_demo(folder: Path, port: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port), "--folder", str(folder), "--scale", str(SMALL)],
        cwd=django_settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until_ready(process: "subprocess.Popen[str]") -> str:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            return said
    raise AssertionError(f"The demo ended early: {said}")


def test_demo_starts_keeps_and_leaves_nothing_running(tmp_path: Path) -> None:
    port = free_port()
    for number, loads in ((signal.SIGTERM, True), (signal.SIGINT, False)):
        process = run_demo(tmp_path, port)
        try:
            said = read_until_ready(process)
            sandbox_port = int((tmp_path / "sandbox-port").read_text())
            assert ("orders in" in said) is loads
            assert f"http://127.0.0.1:{port}/" in said
            assert all(username in said for username in ROLES)
            assert answers(f"http://127.0.0.1:{port}/healthz")
            assert answers(f"http://127.0.0.1:{port}/login/")
        finally:
            process.send_signal(number)
            process.communicate(timeout=40)
        assert process.returncode == 0
        assert is_free(port)
        assert is_free(sandbox_port)


def test_season_differs_from_the_sandbox_by_what_finance_can_repair_with_one_click(
    season: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_asking, "PER_SECOND", 10_000)
    settings.STRIPE_API_BASE = season.base
    for conference in Conference.objects.all():
        asker = Asker(conference, pauses=())
        with transaction.atomic():
            run = compare.begin(conference)
            assert compare.claim(run)
            assert compare.carry_on(run, asker, second_look=timedelta(0))
            found = run.differences.filter(state=Difference.State.OPEN)
            assert [each.kind for each in found] == [Difference.Kind.REFUND_MISSING_HERE]
            assert [repair(each, asker=asker).state for each in found] == [Difference.State.REPAIRED]
            unmatched = run.differences.filter(state=Difference.State.NAMED)
            assert set(unmatched.values_list("kind", flat=True)) <= {Difference.Kind.PAYMENT_MISSING_HERE}
            transaction.set_rollback(True)
