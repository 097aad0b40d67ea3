"""What Stripe has and no order knows is matched to its order by hand, and taken into the books."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.books import Account
from registration.models import ComparisonRun, Conference, Difference, HistoryEntry, OpenItem, Order, Payment, Refund
from registration.sentences import sentence
from registration.services.errors import RefundError
from registration.services.events import charge_changed, dispute_changed, intent_changed, refund_changed
from registration.services.unmatched import match_to_order
from registration.stripe_gateway import StripeGateway, gateway_for
from registration.trial_balance import trial_balance
from stripe_sandbox.ids import account_id
from tests.registration.books import (
    KEY,
    assert_books_agree,
    control,
    make_conference,
    make_order,
    make_refund,
    make_user,
    refund_at_stripe,
    seed,
)
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
ONE_SECOND = timedelta(seconds=1)


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def grace() -> Any:
    return make_user("grace")


@pytest.fixture
def unpaid(conference: Conference, sandbox: "SandboxServer") -> Order:
    """100.00 due; somebody paid them at Stripe, but nothing there says for which order."""
    seed(sandbox)
    return make_order(conference)


@pytest.fixture
def paid_without_ids(conference: Conference, sandbox: "SandboxServer") -> Order:
    """100.00 paid by card, as an import leaves it: without Stripe's ids."""
    seed(sandbox)
    order = make_order(conference, status=Order.Status.PAID)
    Payment.objects.create(order=order, status=Payment.Status.SUCCEEDED, amount=order.total)
    order.refresh_from_db()
    return order


def unmatched() -> OpenItem:
    return OpenItem.objects.unresolved().get(kind=OpenItem.Kind.UNMATCHED)


def test_a_payment_is_matched_and_pays_its_order(conference: Conference, unpaid: Order, grace: Any) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    item = unmatched()

    order = match_to_order(item, reference=f" {unpaid.reference.lower()} ", staff_user=grace)

    assert (order, order.status, order.paid_amount) == (unpaid, Order.Status.PAID, Decimal("100.00"))
    assert order.payments.get().stripe_payment_intent_id == "pi_sim_1"
    item.refresh_from_db()
    assert (item.resolved_by, str(item.resolution)) == (grace, f"Matched to {order.reference}.")
    words = [sentence(entry) for entry in HistoryEntry.objects.filter(order=order).order_by("position")]
    assert words[0] == "grace matched pi_sim_1 at Stripe to this order"
    assert "received" in words[1]
    assert_books_agree()


@pytest.mark.trap(30)
def test_a_payment_matched_to_a_cancelled_order_is_a_late_one(
    conference: Conference, sandbox: "SandboxServer", grace: Any
) -> None:
    seed(sandbox)
    cancelled = make_order(conference, status=Order.Status.CANCELLED)
    intent_changed(conference, {"id": "pi_sim_1"})

    order = match_to_order(unmatched(), reference=cancelled.reference, staff_user=grace)

    assert order.status == Order.Status.CANCELLED
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.PAID_LATE


@pytest.mark.trap(14)
def test_a_refund_is_matched_to_the_payment_whose_ids_were_never_kept(
    conference: Conference, sandbox: "SandboxServer", paid_without_ids: Order, grace: Any
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    refund_changed(conference, made)

    order = match_to_order(unmatched(), reference=paid_without_ids.reference, staff_user=grace)

    assert order.payments.get().stripe_payment_intent_id == "pi_sim_1"
    refund = Refund.objects.get()
    assert (refund.source, refund.amount, refund.state) == (Refund.Source.EXTERNAL, Decimal("40.00"), "succeeded")
    assert (order.status, order.refundable_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("60.00"))
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.EXTERNAL
    assert_books_agree()


@pytest.mark.trap(14)
def test_a_refund_of_an_unknown_payment_brings_its_payment_along(
    conference: Conference, sandbox: "SandboxServer", unpaid: Order, grace: Any
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    refund_changed(conference, made)

    order = match_to_order(unmatched(), reference=unpaid.reference, staff_user=grace)

    assert (order.paid_amount, order.refunded_amount) == (Decimal("100.00"), Decimal("40.00"))
    charge_changed(conference, {"id": made["charge"], "amount_refunded": 4000})
    assert Refund.objects.count() == 1
    assert_books_agree()


@pytest.mark.trap(31)
def test_a_dispute_is_matched_and_then_blocks_refunds(
    conference: Conference, sandbox: "SandboxServer", paid_without_ids: Order, grace: Any
) -> None:
    dispute_changed(conference, control(sandbox, "charges/ch_sim_1/dispute"))

    order = match_to_order(unmatched(), reference=paid_without_ids.reference, staff_user=grace)

    assert order.payments.get().is_disputed
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.DISPUTED


def test_matching_twice_imports_once(conference: Conference, unpaid: Order, grace: Any) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    item = unmatched()
    match_to_order(item, reference=unpaid.reference, staff_user=grace)

    with pytest.raises(RefundError, match="settled already"):
        match_to_order(item, reference=unpaid.reference, staff_user=make_user("sam"))

    assert unpaid.payments.count() == 1


@pytest.mark.parametrize(
    ("reference", "says"), [("", "Enter the reference"), ("ORD-NOPE", "has no order ORD-NOPE"), ("theirs", "no order")]
)
def test_only_an_order_of_the_same_conference_is_taken(
    conference: Conference, unpaid: Order, grace: Any, reference: str, says: str
) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    theirs = make_order(make_conference("elsewhere"))

    with pytest.raises(RefundError, match=says):
        match_to_order(
            unmatched(), reference=theirs.reference if reference == "theirs" else reference, staff_user=grace
        )

    assert not Payment.objects.exists()
    assert unmatched().resolved_at is None


@pytest.mark.trap(42)
def test_another_currency_is_refused(sandbox: "SandboxServer", grace: Any) -> None:
    seed(sandbox)
    conference = make_conference(currency="EUR")
    order = make_order(conference)
    intent_changed(conference, {"id": "pi_sim_1"})

    with pytest.raises(RefundError, match="in USD and the order in EUR"):
        match_to_order(unmatched(), reference=order.reference, staff_user=grace)

    assert not HistoryEntry.objects.exists()


@pytest.mark.trap(42)
def test_a_payment_of_the_other_mode_is_refused(
    sandbox: "SandboxServer", conference: Conference, grace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(sandbox)
    live = replace(gateway_for(conference).fetch_payment_intent("pi_sim_1"), livemode=True)
    monkeypatch.setattr(StripeGateway, "fetch_payment_intent", lambda _gateway, _intent: live)
    order = make_order(conference)
    item = OpenItem.objects.create(
        conference=conference, kind=OpenItem.Kind.UNMATCHED, subject="pi_sim_1", facts={"amount": "100.00"}
    )

    with pytest.raises(RefundError, match="another Stripe mode"):
        match_to_order(item, reference=order.reference, staff_user=grace)

    item.refresh_from_db()
    assert (item.resolved_at, order.payments.exists(), order.history.exists()) == (None, False, False)


def test_a_payment_that_did_not_succeed_is_not_matched(
    sandbox: "SandboxServer", conference: Conference, unpaid: Order, grace: Any
) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    item = OpenItem.objects.unresolved().get()
    store, account = sandbox.store, account_id(KEY)
    store.put(
        account, "payment_intent", (store.get(account, "payment_intent", "pi_sim_1") or {}) | {"status": "canceled"}
    )

    with pytest.raises(RefundError, match="has not succeeded"):
        match_to_order(item, reference=unpaid.reference, staff_user=grace)

    item.refresh_from_db()
    assert (item.resolved_at, unpaid.payments.exists(), unpaid.history.exists()) == (None, False, False)


def test_a_payment_that_an_order_has_got_meanwhile_is_matched_there_only(
    conference: Conference, unpaid: Order, grace: Any
) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    owner = make_order(conference)
    Payment.objects.create(order=owner, amount=Decimal("100.00"), stripe_payment_intent_id="pi_sim_1")

    with pytest.raises(RefundError, match=f"belongs to {owner.reference}"):
        match_to_order(unmatched(), reference=unpaid.reference, staff_user=grace)

    assert not unpaid.payments.exists()


def test_a_refund_without_room_changes_nothing(
    conference: Conference, sandbox: "SandboxServer", paid_without_ids: Order, grace: Any
) -> None:
    refund_changed(conference, refund_at_stripe(sandbox, 4000))
    make_refund(paid_without_ids, "80.00", "requested")

    with pytest.raises(RefundError, match="has no room for it"):
        match_to_order(unmatched(), reference=paid_without_ids.reference, staff_user=grace)

    assert unmatched().resolved_at is None
    assert not HistoryEntry.objects.exists()
    assert paid_without_ids.payments.get().stripe_payment_intent_id == ""


def test_a_silent_stripe_changes_nothing(
    conference: Conference, sandbox: "SandboxServer", unpaid: Order, grace: Any
) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})

    with (
        fault(sandbox, "server_error", count=10, path="/v1/payment_intents"),
        pytest.raises(RefundError, match="Nothing was changed"),
    ):
        match_to_order(unmatched(), reference=unpaid.reference, staff_user=grace)

    assert unmatched().resolved_at is None


def test_what_is_known_is_not_matched(conference: Conference, unpaid: Order, grace: Any) -> None:
    item = OpenItem.objects.create(conference=conference, kind=OpenItem.Kind.DISPUTED, subject="dp_1")

    with pytest.raises(RefundError, match="Only what matches no order"):
        match_to_order(item, reference=unpaid.reference, staff_user=grace)


def compared(conference: Conference, subject: str, **facts: Any) -> Difference:
    """A difference that the newest comparison left open, with the item that it waits under."""
    run, _made = ComparisonRun.objects.get_or_create(
        conference=conference, state=ComparisonRun.State.FINISHED, defaults={"until": timezone.now()}
    )
    OpenItem.objects.create(conference=conference, kind=OpenItem.Kind.DRIFT, subject=subject)
    return Difference.objects.create(
        run=run, subject=subject, kind="PAYMENT_MISSING_HERE", state=Difference.State.NAMED, **facts
    )


def test_a_match_settles_what_the_comparison_said_of_it(
    conference: Conference, sandbox: "SandboxServer", unpaid: Order, grace: Any
) -> None:
    other = make_conference("elsewhere")
    refund = refund_at_stripe(sandbox, 4000)
    intent_changed(conference, {"id": "pi_sim_1"})
    charge = compared(conference, "charge:ch_sim_1", theirs={"id": "ch_sim_1", "payment": "pi_sim_1"})
    still = compared(
        conference, f"refund:{refund['id']}", theirs={"id": refund["id"], "payment": "pi_sim_1", "state": "succeeded"}
    )
    theirs = compared(other, "charge:ch_sim_1", theirs={"id": "ch_sim_1"})

    match_to_order(unmatched(), reference=unpaid.reference, staff_user=grace)

    for difference in (charge, still, theirs):
        difference.refresh_from_db()
    assert [charge.state, still.state, theirs.state] == ["REPAIRED", "NAMED", "NAMED"]
    assert charge.settled_by == grace
    drift = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.DRIFT, conference=conference)
    assert [item.subject for item in drift] == [still.subject]


def test_a_match_stands_though_stripe_falls_silent_right_after(
    conference: Conference, sandbox: "SandboxServer", unpaid: Order, grace: Any
) -> None:
    intent_changed(conference, {"id": "pi_sim_1"})
    charge = compared(conference, "charge:ch_sim_1", theirs={"id": "ch_sim_1", "payment": "pi_sim_1"})

    with fault(sandbox, "server_error", count=99, path="/v1/charges"):
        order = match_to_order(unmatched(), reference=unpaid.reference, staff_user=grace)

    charge.refresh_from_db()
    assert (order.paid_amount, charge.state) == (Decimal("100.00"), "NAMED")


def test_a_payment_is_dated_when_the_card_was_charged(
    conference: Conference, sandbox: "SandboxServer", grace: Any
) -> None:
    charged = timezone.now().replace(microsecond=0) - timedelta(days=40)
    seed(sandbox, created=int(charged.timestamp()))
    order = make_order(conference)
    intent_changed(conference, {"id": "pi_sim_1"})

    match_to_order(unmatched(), reference=order.reference, staff_user=grace)

    assert order.payments.get().received_at == charged
    by_then = {line.account: line.closing for line in trial_balance(conference, None, charged + ONE_SECOND).lines}
    assert by_then == {Account.CARD: Decimal("100.00"), Account.SALES: Decimal("-100.00")}


def test_no_payment_is_dated_in_the_future(sandbox: "SandboxServer", conference: Conference) -> None:
    order = make_order(conference)
    ahead = timezone.now() + timedelta(days=2)
    seed(sandbox, created=int(ahead.timestamp()), metadata={"order": order.reference})

    intent_changed(conference, {"id": "pi_sim_1"})

    received = order.payments.get().received_at
    assert received is not None
    assert received <= timezone.now()
