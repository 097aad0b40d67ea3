"""What each movement posts, that every account balances, and that a period closes on what it opened with and moved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from registration.books import Account, Kind, balances, gone_from, movements_of, paid_in
from registration.models import Conference, Credit, Order, Payment, RefundPart
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.settle import move_part
from registration.services.verification.run import Ledger
from registration.stripe_gateway import gateway_for
from registration.trial_balance import trial_balance
from tests.cast import make_credit, make_order, pay
from tests.registration.books import assert_books_agree, stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
A = Account
Posted = dict[str, str]


def held(order: Order) -> Posted:
    """What the account of an order holds, without the empty ones."""
    movements = movements_of(order)
    found = balances(movements)
    assert sum(found.values()) == 0
    assert all(movement.amount > 0 for movement in movements)
    return {account: str(amount) for account, amount in found.items() if amount}


def refund(order: Order, amount: str, destination: str = "CARD", **more: Any) -> Credit:
    return RefundService.create_refund(order, amount=Decimal(amount), destination=destination, **more)


def test_a_card_payment_is_a_sale(card_order: Order) -> None:
    assert held(card_order) == {A.CARD: "80.00", A.SALES: "-80.00"}


@pytest.mark.parametrize(
    ("method", "account"),
    [
        (Payment.Method.TERMINAL, A.TERMINAL),
        (Payment.Method.MANUAL, A.MANUAL),
        (Payment.Method.COMP, A.COMPLIMENTARY),
        (Payment.Method.CREDIT, A.BEFORE),
    ],
)
def test_other_tenders_have_accounts_of_their_own(pending_order: Order, method: str, account: str) -> None:
    pay(pending_order, "50.00", method=method)

    assert held(pending_order) == {account: "50.00", A.SALES: "-50.00"}


@pytest.mark.trap(45)
def test_the_net_of_a_fully_refunded_order_is_zero(card_order: Order) -> None:
    refund(card_order, "30.00")
    refund(card_order, "50.00")

    found = balances(movements_of(card_order))
    assert (paid_in(found), gone_from(found)) == (Decimal("80.00"), Decimal("80.00"))
    assert found[A.SALES] + found[A.REFUNDS] == 0
    assert found[A.CARD] == 0
    # The credit notes that record the two card refunds are not counted beside them.
    assert [movement.kind for movement in movements_of(card_order)] == [Kind.PAYMENT, Kind.REFUND, Kind.REFUND]
    assert_books_agree()


def test_a_refund_that_comes_back_is_posted_back_on_its_own_day(card_order: Order) -> None:
    refund(card_order, "30.00")
    move_part(RefundPart.objects.get(), "failed")

    first, left, back = movements_of(card_order)
    assert (left.debit, left.credit, back.debit, back.credit) == (A.REFUNDS, A.CARD, A.CARD, A.REFUNDS)
    assert first.at < left.at < back.at
    assert held(card_order) == {A.CARD: "80.00", A.SALES: "-80.00"}
    assert_books_agree()


def test_a_refund_that_never_left_posts_nothing(card_order: Order, sandbox: "SandboxServer") -> None:
    sandbox.faults.add({"fault": "rate_limit", "count": 50, "path": "/v1/refunds"})
    with pytest.raises(RefundError):
        refund(card_order, "30.00")
    move_part(RefundPart.objects.get(), "failed")

    assert held(card_order) == {A.CARD: "80.00", A.SALES: "-80.00"}


def test_a_refund_to_credit_is_owed(card_order: Order) -> None:
    refund(card_order, "30.00", "CREDIT")

    assert held(card_order) == {A.CARD: "80.00", A.SALES: "-80.00", A.REFUNDS: "30.00", A.CREDITS: "-30.00"}


def test_the_same_again_as_credit_is_goodwill_and_no_second_refund(card_order: Order) -> None:
    refund(card_order, "30.00", "CARD_AND_CREDIT")

    posted = {A.CARD: "50.00", A.SALES: "-80.00", A.REFUNDS: "30.00", A.GOODWILL: "30.00", A.CREDITS: "-30.00"}
    assert held(card_order) == posted
    assert gone_from(balances(movements_of(card_order))) == Decimal("30.00")
    assert_books_agree()


def test_credit_that_pays_is_a_sale_and_goes_back_to_itself(
    conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "70.00")
    RefundService.apply_credit_as_refund(credit, pending_order)
    assert held(pending_order) == {A.CREDITS: "50.00", A.SALES: "-50.00"}

    refund(pending_order, "20.00", "CREDIT")

    assert held(pending_order) == {A.CREDITS: "30.00", A.SALES: "-50.00", A.REFUNDS: "20.00"}
    whole = trial_balance(conference, None)
    assert (whole.held(A.GOODWILL), whole.held(A.CREDITS)) == (Decimal("70.00"), Decimal("-40.00"))
    assert_books_agree()


def test_credit_of_a_hold_that_ran_out_was_no_sale(conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, total="90.00")
    RefundService.apply_credit_as_refund(make_credit(conference, ada, "70.00"), order)
    release_order(order)

    assert held(order) == {}
    assert [movement.kind for movement in movements_of(order)] == [Kind.APPLIED, Kind.RESTORED]
    assert_books_agree()


def test_credit_ends_in_an_account_that_says_how(conference: Conference, ada: Any, grace: Any) -> None:
    past = timezone.now() - timedelta(days=1)
    make_credit(conference, ada, "10.00", kind=Credit.Kind.REFUND, expires_at=past)
    CreditService.expire_due()
    CreditService.void(make_credit(conference, ada, "20.00"), reason="Typed twice", staff_user=grace)
    raised = make_credit(conference, ada, "30.00")
    CreditService.adjust(raised, amount=Decimal("5.00"), reason="Promised more", staff_user=grace)

    found = {line.account: line.closing for line in trial_balance(conference, None).lines}

    assert found[A.EXPIRED] == Decimal("-10.00")
    assert found[A.BEFORE] == Decimal("10.00")
    assert found[A.GOODWILL] == Decimal("30.00")
    assert found[A.ADJUSTED] == Decimal("5.00")
    assert found[A.CREDITS] == Decimal("-35.00")
    assert_books_agree()


def test_a_note_without_a_refund_counts_as_refunded_and_voided_only_as_far_as_used(
    conference: Conference, ada: Any, order: Order, grace: Any
) -> None:
    note = make_credit(conference, ada, "30.00", kind=Credit.Kind.REFUND, source_order=order)
    assert gone_from(balances(movements_of(order))) == Decimal("30.00")
    RefundService.apply_credit_as_refund(note, make_order(conference, ada, total="12.00"))

    CreditService.void(note, reason="By mistake", staff_user=grace)

    order.refresh_from_db()
    assert order.refunded_amount == gone_from(balances(movements_of(order))) == Decimal("12.00")


def test_a_refund_made_at_stripe_has_an_account_of_its_own(card_order: Order, sandbox: "SandboxServer") -> None:
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=3000")
    apply_refund(card_order.conference, gateway_for(card_order.conference).fetch_refund(made["id"]))

    assert held(card_order) == {A.CARD: "50.00", A.SALES: "-80.00", A.EXTERNAL: "30.00"}
    assert_books_agree()


def test_an_import_that_was_refunded_before_nets_to_zero(order: Order) -> None:
    order.payments.update(status=Payment.Status.REFUNDED)

    assert held(order) == {A.SALES: "-80.00", A.REFUNDS: "80.00"}


def test_a_period_opens_with_what_the_one_before_closed_with(
    conference: Conference, new_order: Callable[..., Order], sandbox: "SandboxServer"
) -> None:
    first, second = new_order(paid="80.00", sandbox=sandbox), new_order(paid="50.00", sandbox=sandbox)
    march, april = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 4, 10, tzinfo=UTC)
    Payment.objects.filter(order=first).update(created_at=march)
    Payment.objects.filter(order=second).update(created_at=march, received_at=april)
    refund(first, "30.00")
    RefundPart.objects.update(accepted_at=april + timedelta(days=1))
    starts = [datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5)]

    in_march = trial_balance(conference, starts[0], starts[1])
    in_april = trial_balance(conference, starts[1], starts[2])

    card = {line.account: line for line in in_april.lines}[A.CARD]
    assert (card.opening, card.debits, card.credits, card.closing) == (80, 50, 30, 100)
    assert {line.account: line.closing for line in in_march.lines} == {A.CARD: 80, A.SALES: -80}
    assert in_april.opening == in_april.closing == in_march.closing == 0
    assert in_april.debits == in_april.credits == Decimal("80.00")


def test_movements_the_other_way_are_debits_and_credits_too(conference: Conference, ada: Any, grace: Any) -> None:
    credit = make_credit(conference, ada, "30.00")
    CreditService.void(credit, reason="By mistake", staff_user=grace)

    lines = {line.account: line for line in trial_balance(conference, None).lines}

    assert (lines[A.CREDITS].debits, lines[A.CREDITS].credits) == (30, 30)
    assert (lines[A.GOODWILL].debits, lines[A.GOODWILL].credits) == (30, 30)


def test_all_accounts_are_of_one_moment_because_they_are_one_question(
    card_order: Order, django_assert_num_queries: Any
) -> None:
    refund(card_order, "30.00", "CREDIT")
    conference = card_order.conference

    for since in (None, timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)):
        with django_assert_num_queries(1):
            found = trial_balance(conference, since)
        assert {line.account: str(line.closing) for line in found.lines if line.closing} == held(card_order)


def test_another_conference_has_books_of_its_own(order: Order, other_conference: Conference) -> None:
    assert trial_balance(other_conference, None).lines == ()


def test_verify_names_an_order_whose_account_disagrees_and_the_trial_balance(
    conference: Conference, ada: Any, pending_order: Order
) -> None:
    RefundService.apply_credit_as_refund(make_credit(conference, ada, "70.00"), pending_order)
    payment = pending_order.payments.get()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_payment SET amount = 49 WHERE id = %s", [payment.pk])

    found = [str(finding) for finding in Ledger().findings()]

    assert f"order {pending_order.reference}: paid is 49.00 by its payments, 50.00 by its account" in found
    assert f"trial balance of {conference.slug}: paid is 49.00 by the rows, 50.00 by the accounts" in found


def test_the_account_of_an_order_is_one_question(card_order: Order, django_assert_num_queries: Any) -> None:
    refund(card_order, "30.00")

    with django_assert_num_queries(1):
        movements_of(card_order)
