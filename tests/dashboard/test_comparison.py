"""The comparison with Stripe as Finance sees it: empty, running, standing still, agreeing, differing, repaired."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import ComparisonRun, Conference, Difference, OpenItem, Order
from registration.services.comparison import asking as compare_asking
from registration.services.comparison import run as compare
from registration.services.comparison.asking import Asker
from tests.cast import HTMX, client_of, control, make_staff
from tests.dashboard.reading import text_of
from tests.registration.books import stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/stripe/comparison/"
State = Difference.State


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_asking, "PER_SECOND", 10_000)


def refund_elsewhere(sandbox: "SandboxServer", order: Order, amount: int = 3000) -> str:
    intent = order.payments.get().stripe_payment_intent_id
    return str(stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={amount}")["id"])


def compared(conference: Conference) -> ComparisonRun:
    run = compare.begin(conference, until=timezone.now() + timedelta(seconds=2))
    assert compare.claim(run)
    assert compare.carry_on(run, Asker(conference, pauses=()), second_look=timedelta(0))
    return run


def test_nothing_was_compared_yet(grace_client: Client, conference: Conference) -> None:
    page = text_of(grace_client.get(PAGE))

    assert "Not compared yet" in page
    assert "Compare now" in page
    assert (timezone.localdate() - timedelta(days=35)).isoformat() in page


def test_a_conference_without_a_key_has_nothing_to_compare_with(grace_client: Client, conference: Conference) -> None:
    Conference.objects.update(stripe_secret_key="")

    page = text_of(grace_client.get(PAGE))

    assert "There is nothing to compare with" in page
    assert "Compare now" not in page


def test_equal_books_agree_to_the_cent(grace_client: Client, card_order: Order) -> None:
    compared(card_order.conference)

    page = text_of(grace_client.get(PAGE))

    assert "Ledger and Stripe agree to the cent." in page
    assert "Refunds: 0, payments: 1, disputes: 0." in page
    assert "Last checked today" in page


def test_a_period_is_begun_and_watched(grace_client: Client, grace: Any, card_order: Order) -> None:
    answer = grace_client.post(reverse("comparison_start"), {"since": "2026-03-01", "until": "2026-03-31"}, follow=True)

    run = ComparisonRun.objects.get()
    assert (run.requested_by, str(run.since), str(run.until)) == (
        grace,
        "2026-03-01 00:00:00+00:00",
        "2026-04-01 00:00:00+00:00",
    )
    assert "Refunds at Stripe" in text_of(answer)
    watched = grace_client.get(reverse("comparison_progress"), headers=HTMX)
    assert watched.status_code == 200
    assert 'hx-trigger="every 2s"' in text_of(watched)
    assert "It waits for a worker" not in text_of(watched)

    ComparisonRun.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=1))
    assert "It waits for a worker" in text_of(grace_client.get(reverse("comparison_progress"), headers=HTMX))
    ComparisonRun.objects.update(state=ComparisonRun.State.FINISHED, finished_at=timezone.now())
    over = grace_client.get(reverse("comparison_progress"), headers=HTMX)
    assert over.status_code == 286
    assert "HX-Refresh" not in over  # Whoever fills in the form meanwhile keeps what they typed.
    assert '<div id="comparison" hx-swap-oob="true">' in text_of(over)
    assert "Ledger and Stripe agree to the cent, last checked today" in text_of(over)
    assert 'id="comparison-progress"' not in text_of(over)


def test_a_period_that_ends_before_it_begins_is_refused(grace_client: Client, conference: Conference) -> None:
    answer = grace_client.post(reverse("comparison_start"), {"since": "2026-03-02", "until": "2026-03-01"})

    assert answer.status_code == 422
    assert "Choose a day that is not before the first one." in text_of(answer)
    assert not ComparisonRun.objects.exists()


def test_a_period_without_measure_is_compared_as_well(grace_client: Client, card_order: Order) -> None:
    answer = grace_client.post(reverse("comparison_start"), {"since": "0001-01-01", "until": "9999-12-31"}, follow=True)
    assert answer.status_code == 200
    assert ComparisonRun.objects.exists()


def test_one_that_is_being_made_is_not_given_up(grace_client: Client, conference: Conference) -> None:
    assert compare.claim(compare.begin(conference))

    answer = grace_client.post(reverse("comparison_start"), follow=True)

    assert "A comparison is being made right now." in text_of(answer)
    assert ComparisonRun.objects.count() == 1


def test_a_silent_stripe_is_said_with_how_far_it_got(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    sandbox.faults.add({"fault": "rate_limit", "count": 9, "path": "/v1/disputes"})
    run = compare.begin(card_order.conference, until=timezone.now() + timedelta(seconds=2))
    assert compare.claim(run)
    with pytest.raises(compare.StripeProblem):
        compare.carry_on(run, Asker(card_order.conference, pauses=()))

    page = text_of(grace_client.get(PAGE))

    assert "The comparison stands still" in page
    assert "Disputes at Stripe. Refunds: 0, payments: 1, disputes: 0." in page
    assert "Stripe is busy. It goes on from here today" in page


def test_a_difference_shows_both_sides_and_is_repaired_in_place(
    grace_client: Client, grace: Any, card_order: Order, sandbox: "SandboxServer"
) -> None:
    refund_id = refund_elsewhere(sandbox, card_order)
    difference = compared(card_order.conference).differences.get()

    page = text_of(grace_client.get(PAGE))
    assert "€30.00 was refunded at Stripe and is not in our books." in page
    assert refund_id in page
    assert "Nothing" in page
    assert 'Comparison</span><span class="count">1' in page

    answer = text_of(grace_client.post(reverse("difference_repair", args=[difference.pk]), headers=HTMX))

    assert f'id="difference-{difference.pk}"' in answer
    assert "Our books now say what Stripe says." in answer
    assert "Ledger and Stripe agree to the cent." in answer
    assert "Repaired: our books say the same as Stripe now. Below is what was found." in answer
    assert "<h3>Our books then</h3>" in answer
    assert "<h3>Our books</h3>" not in answer
    assert "<html" not in answer
    difference.refresh_from_db()
    assert (difference.state, difference.settled_by) == (State.REPAIRED, grace)
    card_order.refresh_from_db()
    assert str(card_order.refunded_amount) == "30.00"


def test_after_a_repair_times_are_still_those_of_the_conference(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    Conference.objects.update(timezone="Pacific/Auckland")
    refund_elsewhere(sandbox, card_order)
    card_order.conference.refresh_from_db()
    difference = compared(card_order.conference).differences.get()
    covered = re.compile(r"up to (today [0-9:]+)")
    page = text_of(grace_client.get(PAGE))

    answer = text_of(grace_client.post(reverse("difference_repair", args=[difference.pk]), headers=HTMX))

    assert covered.findall(page)
    assert covered.findall(answer) == covered.findall(page)


def test_what_no_code_can_mend_waits_under_a_name(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    sandbox.store.execute("DELETE FROM records WHERE kind IN ('charge', 'payment_intent')")
    difference = compared(card_order.conference).differences.get()

    answer = grace_client.post(reverse("difference_repair", args=[difference.pk]), follow=True)

    page = text_of(answer)
    assert "Our books say that €80.00 was paid by card. Stripe has no such payment." in page
    assert "Look whether the conference uses the right Stripe account." in page
    item = OpenItem.objects.unresolved().get()
    assert reverse("attention_item", args=[item.pk]) in page
    assert "Stripe has no such payment." in text_of(grace_client.get(reverse("attention_item", args=[item.pk])))
    again = grace_client.post(reverse("difference_repair", args=[difference.pk]), follow=True)
    assert "No code can mend this." in text_of(again)


def test_a_stripe_that_does_not_answer_changes_nothing(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    refund_elsewhere(sandbox, card_order)
    difference = compared(card_order.conference).differences.get()
    sandbox.faults.add({"fault": "rate_limit", "count": 9, "path": "/v1/refunds"})

    one = grace_client.post(reverse("difference_repair", args=[difference.pk]), headers=HTMX)
    every = grace_client.post(reverse("comparison_repair"), follow=True)

    assert "Nothing was changed. Try again." in text_of(one)
    assert "What was repaired before is done." in text_of(every)
    difference.refresh_from_db()
    assert difference.state == State.OPEN


def test_all_are_repaired_as_long_as_a_person_likes_to_wait(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    for _number in range(3):
        refund_elsewhere(sandbox, card_order, 1000)
    control(sandbox, f"charges/{card_order.payments.get().stripe_charge_id}/dispute", status="warning_needs_response")
    assert compared(card_order.conference).differences.count() == 4
    assert "Repair all 4" in text_of(grace_client.get(PAGE))

    monkeypatch.setattr("dashboard.views.comparisons.SECONDS_AT_ONCE", -1.0)
    assert "4 are left. Press again to go on." in text_of(grace_client.post(reverse("comparison_repair"), follow=True))
    monkeypatch.undo()
    page = text_of(grace_client.post(reverse("comparison_repair"), follow=True))

    assert "4 differences repaired" in page
    assert "Ledger and Stripe agree to the cent." in page
    repaired = text_of(grace_client.get(PAGE, {"state": "REPAIRED"}, headers=HTMX))
    assert repaired.count("data-row") == 4
    assert "<html" not in repaired


def test_many_differences_take_pages_and_few_queries(
    grace_client: Client, conference: Conference, django_assert_max_num_queries: Any
) -> None:
    run = ComparisonRun.objects.create(
        conference=conference, until=timezone.now(), finished_at=timezone.now(), state=ComparisonRun.State.FINISHED
    )
    facts = {"amount": "5.00", "currency": "EUR", "id": "re_1", "state": "succeeded"}
    for number in range(30):
        Difference.objects.create(
            run=run,
            subject=f"refund:re_{number}",
            kind=Difference.Kind.REFUND_MISSING_HERE,
            state=State.OPEN,
            theirs=facts,
        )

    with django_assert_max_num_queries(20):
        page = text_of(grace_client.get(PAGE))

    assert page.count("data-row ") + page.count("data-row>") == 25
    assert "30 differences" in page


def test_nobody_repairs_at_a_conference_of_others(other_conference: Conference, conference: Conference) -> None:
    run = ComparisonRun.objects.create(conference=other_conference, until=timezone.now())
    difference = Difference.objects.create(run=run, subject="refund:re_1", state=State.OPEN)
    client = client_of(make_staff("vera", "Finance", conference))

    assert client.post(reverse("difference_repair", args=[difference.pk])).status_code == 404


def test_looking_alone_offers_no_repair(card_order: Order, sandbox: "SandboxServer") -> None:
    from django.contrib.auth.models import Permission

    refund_elsewhere(sandbox, card_order)
    compared(card_order.conference)
    user = make_staff("otto", "Viewer", card_order.conference)
    user.user_permissions.add(Permission.objects.get(codename="view_comparisonrun"))

    page = text_of(client_of(user).get(PAGE))

    assert "is not in our books" in page
    assert "Repair<" not in page
    assert "Compare now" not in page


def test_books_and_overview_say_whether_both_agree(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    pages = [reverse("books"), reverse("overview")]
    for page in pages:
        assert "Ledger and Stripe have not been compared yet." in text_of(grace_client.get(page))
    compared(card_order.conference)
    for page in pages:
        assert "Ledger and Stripe agree to the cent, last checked today" in text_of(grace_client.get(page))
    refund_elsewhere(sandbox, card_order)
    compared(card_order.conference)
    for page in pages:
        assert "1 difference between ledger and Stripe, last checked today" in text_of(grace_client.get(page))


def test_what_differs_has_one_count_on_every_page(grace_client: Client, conference: Conference) -> None:
    finished = ComparisonRun.State.FINISHED
    now = timezone.now()
    old, run = (
        ComparisonRun.objects.create(conference=conference, state=finished, until=now, finished_at=now)
        for _each in range(2)
    )
    for number, state in enumerate((State.OPEN, State.NAMED, State.REPAIRED)):
        for each in (old, run):
            each.differences.create(
                subject=f"refund:re_{number}", state=state, kind=Difference.Kind.REFUND_MISSING_HERE
            )
    OpenItem.objects.create(conference=conference, kind=OpenItem.Kind.DRIFT, subject="refund:re_0")

    page = text_of(grace_client.get(PAGE))

    assert 'Comparison</span><span class="count">2' in page
    assert "<b>2 differences</b>" in page
    assert "2 differences between ledger and Stripe" in text_of(grace_client.get(reverse("books")))


@pytest.mark.parametrize("every", [True, False])
def test_a_repair_says_what_waits_because_of_it_and_leads_there(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", every: bool
) -> None:
    refund_elsewhere(sandbox, card_order)
    difference = compared(card_order.conference).differences.get()
    url = reverse("comparison_repair") if every else reverse("difference_repair", args=[difference.pk])

    answer = text_of(grace_client.post(url, follow=True))

    item = OpenItem.objects.unresolved().get()
    assert item.kind == OpenItem.Kind.EXTERNAL
    told = "It waits in needs attention now, as “Refunded at Stripe”."
    way = f'<a href="{reverse("attention_item", args=[item.pk])}">{told}'
    assert way in answer
    row = text_of(grace_client.get(PAGE, {"state": "REPAIRED"}))
    assert "It waits in needs attention now, as “Refunded at Stripe”." in row
    assert reverse("attention_item", args=[item.pk]) in row
    item.delete()
    assert "It waits" not in text_of(grace_client.get(PAGE, {"state": "REPAIRED"}))
