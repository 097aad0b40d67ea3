"""The promise against random staff, a random Stripe and random crashes; a failure shrinks to a short story."""

from contextlib import nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from registration import stripe_gateway
from registration.models import Credit, Order, Refund, RefundPart
from registration.models.refund import ACCEPTED, State
from registration.services import sending
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from registration.services.resolve import refresh_part, resolve_open
from registration.services.verify import Ledger
from tests.registration.books import control, make_conference, make_order, make_user
from tests.registration.desk import add_card_payment, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

FAULTS = ["", "", "", "reset", "reset_after_commit", "server_error_saved", "garbage_after_commit", "rate_limit"]
CRASHES = ["", "", "", "before the call", "after the call"]
PAID = [Decimal("70.00"), Decimal("30.00")]


class Desk(RuleBasedStateMachine):
    """One order paid by two cards, and whatever may happen to it."""

    sandbox: "SandboxServer"

    def __init__(self) -> None:
        super().__init__()
        conference = make_conference(f"season-{Order.objects.count()}")
        self.order = make_order(conference, str(sum(PAID)), Order.Status.PAID)
        for amount in PAID:
            add_card_payment(self.sandbox, self.order, str(amount))
        self.forms = 0

    @rule(
        cents=st.integers(1, 12_000),
        destination=st.sampled_from([Refund.Destination.CARD, Refund.Destination.CREDIT, "", "SPLIT"]),
        bad_day=st.sampled_from(FAULTS),
        crash=st.sampled_from(CRASHES),
        twice=st.booleans(),
    )
    def refund(self, cents: int, destination: str, bad_day: str, crash: str, twice: bool) -> None:
        """Staff send a form, perhaps twice, on a day on which much goes wrong."""
        self.forms += 1
        amount = Decimal(cents) / 100
        options: dict[str, Any] = {"nonce": f"{self.order.pk}-{self.forms}"}
        if destination:
            options["destination"] = destination
        if destination == "SPLIT":
            options["credit_amount"] = Decimal("0.50")
        for _submit in range(1 + twice):
            with fault(self.sandbox, bad_day, method="POST") if bad_day else nullcontext():
                self.submit(amount, crash, options)

    def submit(self, amount: Decimal, crash: str, options: dict[str, Any]) -> None:
        def die(*args: Any, **more: Any) -> Any:
            raise SystemExit

        target = {"before the call": (sending, "_patiently"), "after the call": (sending, "apply_snapshot")}.get(crash)
        try:
            if target is None:
                RefundService.create_refund(self.order, amount=amount, **options)
            else:
                with patch.object(*target, die):
                    RefundService.create_refund(self.order, amount=amount, **options)
        except (RefundError, SystemExit):
            pass

    @rule()
    def resolve(self) -> None:
        """The worker comes by."""
        resolve_open(at_once=True)

    @rule(which=st.integers(0, 5))
    def fail_late(self, which: int) -> None:
        """A bank sends a refund back."""
        parts = list(self.order_parts().filter(state=State.SUCCEEDED, stripe_refund_id__isnull=False))
        if parts:
            part = parts[which % len(parts)]
            control(self.sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
            refresh_part(part)

    @rule(cents=st.integers(1, 9_000))
    def spend_credit(self, cents: int) -> None:
        """The attendee pays another order with what was given."""
        credit = Credit.objects.spendable().filter(source_order=self.order).first()
        if credit is not None:
            target = make_order(self.order.conference, str(Decimal(cents) / 100))
            RefundService.apply_credit_as_refund(credit, target, staff_user=make_user("grace"))

    @invariant()
    def books_add_up(self) -> None:
        """Every kept balance follows from its rows, whatever just happened."""
        assert [str(finding) for finding in Ledger().findings()] == []

    @invariant()
    def nothing_moved_twice_or_too_far(self) -> None:
        """Stripe never has two refunds of one part, nor more than was paid."""
        theirs = [r for r in refunds_at_stripe(self.sandbox, self.order) if r["status"] != "failed"]
        parts = [r["metadata"]["part"] for r in theirs]
        assert len(parts) == len(set(parts))
        assert sum(r["amount"] for r in theirs) <= sum(PAID) * 100

    def teardown(self) -> None:
        """Let things settle: then our books and Stripe's are one."""
        resolve_open(at_once=True)
        theirs = {r["id"]: r["amount"] for r in refunds_at_stripe(self.sandbox, self.order) if r["status"] != "failed"}
        ours = {
            part.stripe_refund_id: int(part.amount * 100)
            for part in self.order_parts().filter(state__in=ACCEPTED, channel=RefundPart.Channel.STRIPE)
        }
        assert ours == theirs
        assert not self.order_parts().filter(state__in=[State.REQUESTED, State.UNCONFIRMED]).exists()

    def order_parts(self) -> Any:
        return RefundPart.objects.filter(refund__order=self.order)


@pytest.mark.django_db
def test_the_promise_holds(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(sending, "BUSY_PAUSES", ())
    stripe_gateway._client.cache_clear()
    Desk.sandbox = sandbox

    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=10, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
