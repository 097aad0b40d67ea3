"""The command that compares the books with Stripe: what it says, how it ends, and that it can be taken up again."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from registration.models import ComparisonRun, Conference, Difference, OpenItem, Order, RefundPart
from registration.services.comparison import asking as compare_asking
from registration.services.comparison import nightly as compare_nightly
from registration.services.comparison import run as compare
from registration.services.comparison.asking import Asker
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.stripe_gateway import StripeGateway, StripeProblem, gateway_for
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
    refund_at_stripe,
    seed,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
State = ComparisonRun.State


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made a moment ago is compared too, and nothing rests or is paced."""
    monkeypatch.setattr(compare, "UNDER_WAY", -timedelta(seconds=2))
    monkeypatch.setattr(compare, "SECOND_LOOK_AFTER", timedelta(0))
    monkeypatch.setattr(compare_asking, "PER_SECOND", 10_000)
    monkeypatch.setattr(compare_asking, "PATIENT", ())


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 by card, known at Stripe."""
    seed(sandbox)
    return make_card_order(make_conference())


def compared(**options: Any) -> int:
    """Run the command; its exit status."""
    try:
        call_command("compare_stripe", **options)
    except CommandError as error:
        return error.returncode
    return 0


def test_equal_books_are_said_to_agree(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared() == 0

    out = capsys.readouterr().out
    assert out.startswith("pycon: agrees with Stripe to the cent: 0 refunds, 1 payments and 0 disputes")
    assert ComparisonRun.objects.get().state == State.FINISHED


@pytest.mark.trap(14)
def test_a_refund_that_no_event_told_of_is_found_and_repaired(
    sandbox: "SandboxServer", order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    made = refund_at_stripe(sandbox, 4000)

    assert compared() == 1
    item = OpenItem.objects.get()
    assert (item.kind, item.subject, item.order) == (OpenItem.Kind.DRIFT, f"refund:{made['id']}", order)
    assert compared(repair=True) == 0
    assert compared() == 0

    lines = capsys.readouterr().out.splitlines()
    told = f"REFUND_MISSING_HERE refund:{made['id']} ({order.reference}): $40.00 was refunded at Stripe"
    assert lines[0] == f"pycon: {told} and is not in our books."
    assert lines[1].endswith("is not in our books. Repaired.")
    order.refresh_from_db()
    item.refresh_from_db()
    assert order.refunded_amount == Decimal("40.00")
    assert str(item.resolution) == "Stripe and the books agree again."
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.EXTERNAL
    assert_books_agree()


@pytest.mark.trap(11)
def test_a_failure_that_no_event_told_of_is_repaired(sandbox: "SandboxServer", order: Order) -> None:
    made = refund_at_stripe(sandbox, 10_000)
    compared(conference="pycon", repair=True)
    control(sandbox, f"refunds/{made['id']}/fail")

    assert compared(conference="pycon", repair=True) == 0

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.PAID, Decimal("100.00"))


def test_an_old_pending_refund_is_looked_at_again(sandbox: "SandboxServer", order: Order) -> None:
    part = make_refund(order, "40.00", "pending")
    made = refund_at_stripe(sandbox, 4000, part=part.uuid)
    RefundPart.objects.update(stripe_refund_id=made["id"], created_at=timezone.now() - timedelta(days=60))

    assert compared(since=timezone.now() + timedelta(seconds=1), repair=True) == 0

    part.refresh_from_db()
    assert part.state == "succeeded"


def test_json_gives_both_sides_and_the_sums(
    sandbox: "SandboxServer", order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    made = refund_at_stripe(sandbox, 4000)

    assert compared(json=True) == 1

    found, sums = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (found["kind"], found["order"], found["ours"]) == ("REFUND_MISSING_HERE", order.reference, {})
    assert found["theirs"]["id"] == made["id"]
    assert found["theirs"]["amount"] == "40.00"
    assert (sums["refunds"], sums["payments"], sums["differences"]) == (1, 1, 1)


def test_a_period_leaves_out_what_is_older(sandbox: "SandboxServer", order: Order) -> None:
    refund_at_stripe(sandbox, 4000)

    assert compared(until=timezone.now() - timedelta(days=1)) == 0


def test_a_refund_made_while_the_comparison_runs_is_no_difference(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    step, suspected = compare._confirm, list[str]()

    def the_event_arrives_first(run: ComparisonRun, asker: Asker) -> str:
        suspected.extend(run.differences.values_list("subject", flat=True))
        apply_refund(order.conference, asker.gateway.fetch_refund(made["id"]))
        return step(run, asker)

    monkeypatch.setitem(compare.BITES, ComparisonRun.Step.CONFIRM, the_event_arrives_first)

    assert compared() == 0
    assert suspected == [f"refund:{made['id']}"]
    assert not Difference.objects.exists()


def test_a_suspicion_that_is_gone_does_not_end_the_second_look(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = refund_at_stripe(sandbox, 4000)["id"], refund_at_stripe(sandbox, 2000)["id"]
    step, came = compare._confirm, list[str]()

    def the_first_ones_event_arrives(run: ComparisonRun, asker: Asker) -> str:
        subject = run.differences.filter(state=Difference.State.SUSPECTED).order_by("pk")[:1]
        if not came:
            came.extend(each.subject.partition(":")[2] for each in subject)
            apply_refund(order.conference, asker.gateway.fetch_refund(came[0]))
        return step(run, asker)

    monkeypatch.setitem(compare.BITES, ComparisonRun.Step.CONFIRM, the_first_ones_event_arrives)

    assert compared() == 1
    (left,) = {first, second} - set(came)
    assert {d.subject: d.state for d in Difference.objects.all()} == {f"refund:{left}": Difference.State.OPEN}


def test_a_suspicion_rests_before_the_second_look(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund_at_stripe(sandbox, 4000)
    monkeypatch.setattr(compare, "SECOND_LOOK_AFTER", timedelta(hours=1))
    run = compare.begin(order.conference)
    assert compare.claim(run)

    assert not compare.carry_on(run, Asker(order.conference), seconds=20)

    run.refresh_from_db()
    assert (run.state, run.step) == (State.RUNNING, ComparisonRun.Step.CONFIRM)
    assert run.next_attempt_at > timezone.now() + timedelta(minutes=50)
    assert Difference.objects.get().state == Difference.State.SUSPECTED
    assert not compare.claim(run)


def test_a_stripe_that_falls_silent_in_the_middle_is_taken_up_where_it_was(
    sandbox: "SandboxServer", order: Order, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    sandbox.faults.add({"fault": "rate_limit", "count": 9, "path": "/v1/charges"})

    assert compared() == 2

    run = ComparisonRun.objects.get()
    assert (run.state, run.step, run.refunds) == (State.RUNNING, ComparisonRun.Step.CHARGES, 1)
    assert str(run.problem) == "Stripe is busy."
    assert "Stripe is busy." in capsys.readouterr().err
    sandbox.faults.clear()
    monkeypatch.setattr(StripeGateway, "refunds_page", None)  # What was read is not read again.

    assert compared() == 1

    said = capsys.readouterr()
    assert "going on with what was begun" in said.err
    assert f"refund:{made['id']}" in said.out
    assert ComparisonRun.objects.get().state == State.FINISHED


def test_every_page_is_kept_when_the_process_dies(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registration.stripe_gateway.PAGE", 2)
    for number in range(2, 8):
        seed(sandbox, f"pi_sim_{number}", 1000, created=1_790_000_000 + number)
    asked: list[str] = []
    real = StripeGateway.charges_page

    def dies_at_the_third_page(gateway: StripeGateway, period: Any, after: str = "") -> Any:
        asked.append(after)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(gateway, period, after)

    bite = compare._theirs("payments", "payment", dies_at_the_third_page, compare.compare_charges)
    monkeypatch.setitem(compare.BITES, ComparisonRun.Step.CHARGES, bite)
    with pytest.raises(KeyboardInterrupt):
        compared()
    assert ComparisonRun.objects.get().payments == 4

    assert compared() == 1

    assert ComparisonRun.objects.get().payments == 7
    assert len(asked) == len(set(asked)) + 1
    assert Difference.objects.filter(kind=Difference.Kind.PAYMENT_MISSING_HERE).count() == 6


def test_one_comparison_at_a_time(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    run = compare.begin(order.conference)
    assert compare.claim(run)

    assert compared() == 2
    assert compared(since=timezone.now()) == 2
    assert capsys.readouterr().err.count("pycon:") == 2
    assert compare.begin(order.conference) == run
    with pytest.raises(RefundError, match="being made right now"):
        compare.begin(order.conference, afresh=True)

    ComparisonRun.objects.update(next_attempt_at=timezone.now())
    assert compared(since=timezone.now()) == 0
    run.refresh_from_db()
    assert run.state == State.GIVEN_UP


def test_a_busy_stripe_is_given_time(sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(compare_asking.time, "sleep", slept.append)
    sandbox.faults.add({"fault": "rate_limit", "count": 2, "path": "/v1/refunds"})
    run = compare.begin(order.conference)
    assert compare.claim(run)

    assert compare.carry_on(run, Asker(order.conference, pauses=(0.5, 1.0, 2.0)))

    long = [pause for pause in slept if pause > 0.2]
    assert len(long) == 2
    assert 0.4 <= long[0] <= 0.6
    assert 0.8 <= long[1] <= 1.2


def test_questions_keep_their_distance(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_asking, "PER_SECOND", 20)
    now, asked = [100.0], []
    monkeypatch.setattr(compare_asking.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(compare_asking.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    asker = Asker(order.conference)

    for _number in range(41):
        asker.ask(lambda _gateway: asked.append(now[0]))

    assert asked[-1] - asked[0] == pytest.approx(2.0)


def test_a_stripe_that_does_not_know_the_key_is_said(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    Conference.objects.update(stripe_secret_key="sk_wrong")

    assert compared() == 2
    assert compared(conference="nowhere") == 2

    assert "did not accept the conference's key" in capsys.readouterr().err


def test_the_worker_compares_every_night_and_once(sandbox: "SandboxServer", order: Order, settings: Any) -> None:
    made = refund_at_stripe(sandbox, 4000)

    assert compare_nightly.begin_nightly() == 1
    assert compare_nightly.begin_nightly() == 0
    assert compare_nightly.continue_due() == 1
    assert compare_nightly.begin_nightly() == 0

    run = ComparisonRun.objects.get()
    assert (run.state, run.requested_by) == (State.FINISHED, None)
    assert run.since == pytest.approx(run.started_at - timedelta(days=35), abs=timedelta(seconds=5))
    assert OpenItem.objects.unresolved().get().subject == f"refund:{made['id']}"
    ComparisonRun.objects.update(started_at=timezone.now() - timedelta(days=1, hours=1))
    assert compare_nightly.begin_nightly() == 1


def test_a_worker_leaves_a_silent_stripe_alone_for_a_while(sandbox: "SandboxServer", order: Order) -> None:
    sandbox.faults.add({"fault": "rate_limit", "count": 9, "path": "/v1/"})
    run = compare.begin(order.conference)

    assert compare_nightly.continue_due() == 0
    assert compare_nightly.continue_due() == 0

    run.refresh_from_db()
    assert (str(run.problem), run.attempts) == ("Stripe is busy.", 1)
    assert run.next_attempt_at > timezone.now() + timedelta(seconds=20)
    sandbox.faults.clear()
    ComparisonRun.objects.update(next_attempt_at=timezone.now())
    assert compare_nightly.continue_due() == 1
    run.refresh_from_db()
    assert (run.state, str(run.problem), run.attempts) == (State.FINISHED, "", 0)
    assert not run.marks.exists(), "what was met is remembered for the run alone"


def test_an_item_is_closed_by_the_next_run_when_both_agree_again(sandbox: "SandboxServer", order: Order) -> None:
    refund_at_stripe(sandbox, 4000)
    compared()
    compared(repair=True, until=timezone.now() - timedelta(days=1))
    item = OpenItem.objects.get()
    assert item.resolved_at is None

    apply_refund(order.conference, gateway_for(order.conference).fetch_refund(item.facts["refund_id"]))
    assert compared(until=timezone.now() - timedelta(days=1)) == 0

    item.refresh_from_db()
    assert item.resolved_at is not None


def test_old_results_are_forgotten_but_never_the_newest(sandbox: "SandboxServer", order: Order) -> None:
    compared()
    compared()
    ComparisonRun.objects.update(started_at=timezone.now() - timedelta(days=100))
    newest = ComparisonRun.objects.first()

    compare_nightly.begin_nightly()

    assert list(ComparisonRun.objects.filter(state=State.FINISHED)) == [newest]


@pytest.mark.parametrize(
    ("now", "night"),
    [
        ("2026-05-04T01:59:59+02:00", "2026-05-03T02:00:00+02:00"),
        ("2026-05-04T02:00:00+02:00", "2026-05-04T02:00:00+02:00"),
        ("2026-05-04T23:00:00+02:00", "2026-05-04T02:00:00+02:00"),
    ],
)
def test_the_night_is_that_of_the_conferences_place(monkeypatch: pytest.MonkeyPatch, now: str, night: str) -> None:
    monkeypatch.setattr(compare_nightly.timezone, "now", lambda: datetime.fromisoformat(now))

    assert compare_nightly.last_night(Conference(timezone="Europe/Berlin")) == datetime.fromisoformat(night)


def test_results_of_this_season_stay(sandbox: "SandboxServer", order: Order) -> None:
    compared()
    compared()
    ComparisonRun.objects.update(started_at=timezone.now() - timedelta(days=89))

    compare_nightly.begin_nightly()

    assert ComparisonRun.objects.filter(state=State.FINISHED).count() == 2


def test_a_problem_is_not_taken_for_a_missing_refund(sandbox: "SandboxServer", order: Order) -> None:
    sandbox.faults.add({"fault": "server_error", "count": 9, "path": "/v1/refunds"})
    with pytest.raises(StripeProblem):
        Asker(order.conference).ask_if_known(lambda gateway: gateway.fetch_refund("re_x"))


def test_workers_that_begin_at_the_same_instant_share_one(order: Order) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = set(pool.map(lambda _number: _begun(order.conference), range(4)))

    assert runs == {ComparisonRun.objects.get().pk}


def _begun(conference: Conference) -> int:
    try:
        return compare.begin(conference).pk
    finally:
        connection.close()
