"""The promise of the money rules against random staff, a random Stripe and crashes anywhere.

``Desk`` lets people, Stripe and power cuts do as they like, and compares with the model in ``promise``. A failure
shrinks to a short story that reads from top to bottom; ``PROMISE=long`` looks for rarer ones.
"""

import os
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from registration import stripe_gateway
from registration.models import Credit, HistoryEntry, Order, Refund, RefundPart
from registration.models.refund import ACCEPTED, OVER, State
from registration.services import sending
from registration.services.approval import approve_refund, reject_refund, withdraw_refund
from registration.services.comparison import asking as compare_asking
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.events import process_due
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.services.undo import release_refund, undo_refund
from registration.services.verification.run import Ledger
from tests.registration.books import make_user, store
from tests.registration.promise import Story, bad_days, cents, destinations, major, minor, power_cuts
from tools.torture import calm
from tools.torture.judge import judge

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

IS_LONG = os.environ.get("PROMISE") == "long"
EXAMPLES, STEPS = (400, 40) if IS_LONG else (7, 10)
PATIENCE_SECONDS = 0.2
LIVE = ("pending", "requires_action", "succeeded")


class Desk(Story):
    """Whatever may happen to the order, and what must be true after each step."""

    # What staff decide

    @rule(amount=cents, destination=destinations, bad_day=bad_days, cut=power_cuts, twice=st.booleans())
    def refund(self, amount: int, destination: str, bad_day: str, cut: str, twice: bool) -> None:
        """Grace sends a form, perhaps twice, on a day on which much goes wrong."""
        options: dict[str, Any] = {"destination": destination}
        if destination == "SPLIT":
            options["credit_amount"] = major(max(1, amount // 2))
        self._submit(amount, options, bad_day, cut, times=1 + twice)

    @rule(line=st.sampled_from([0, 1]), amount=st.integers(1, 8_000), cut=power_cuts)
    def refund_a_line(self, line: int, amount: int, cut: str) -> None:
        """Some of one ticket goes back to the card."""
        key = self.order.line_items.order_by("pk")[line].pk
        options = {"destination": "CARD", "line_amounts": {key: major(amount)}}
        self._submit(amount, options, "", cut, certain=False)

    @rule(amount=cents, cut=power_cuts)
    def refund_in_a_moment(self, amount: int, cut: str) -> None:
        """Grace decides, and can undo it for a while."""
        self._submit(amount, {"destination": "CARD", "hold_seconds": 600}, "", cut)

    @rule(
        amount=st.integers(501, 12_500), destination=destinations.filter(lambda each: each != "SPLIT"), cut=power_cuts
    )
    def propose(self, amount: int, destination: str, cut: str) -> None:
        """Sam may send 5.00 alone, so this waits for Grace."""
        options = {"destination": destination, "propose": True, "staff_user": self.sam}
        self._submit(amount, options, "", cut)

    @rule(which=st.integers(0, 4), amount=cents, bad_day=bad_days)
    def try_again(self, which: int, amount: int, bad_day: str) -> None:
        """What failed is tried again, over any sum that is left."""
        failed = self.one_of(self.refunds().filter(parts__state__in=OVER).distinct(), which)
        if failed is not None:
            self._submit(amount, {"destination": "CARD", "retry_of": failed}, bad_day, "", certain=False)

    def _submit(
        self, amount: int, options: dict[str, Any], bad_day: str, cut: str, *, times: int = 1, certain: bool = True
    ) -> None:
        """Send a form ``times`` times; the model accepts it when the sum is there."""
        self.forms += 1
        nonce = f"{self.order.pk}-{self.forms}"
        self.order.refresh_from_db()
        left, status = minor(self.order.refundable_amount), self.order.status
        options = {"staff_user": self.grace, "nonce": nonce} | options
        with self.day(bad_day):
            for _submit in range(times):
                self.live_through(cut, lambda: RefundService.create_refund(self.order, amount=major(amount), **options))
        accepted = self.refunds().filter(nonce=nonce)
        assert accepted.count() <= 1
        if accepted:
            assert amount <= left
            self.promise.decided[nonce] = amount
        elif certain and not cut and not self.disputed:
            assert amount > left or status not in (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED)

    @rule(which=st.integers(0, 4), what=st.sampled_from(["undo", "release"]), bad_day=bad_days, cut=power_cuts)
    def end_the_moment(self, which: int, what: str, bad_day: str, cut: str) -> None:
        """A refund that waits to be sent is taken back, or sent."""
        held = self.one_of(self.refunds().filter(hold_until__isnull=False), which)
        if held is not None:
            act = {"undo": lambda: undo_refund(held, staff_user=self.grace), "release": lambda: release_refund(held)}
            with self.day(bad_day):
                self.live_through(cut, act[what])

    @rule(
        which=st.integers(0, 4),
        what=st.sampled_from(["approve", "reject", "withdraw"]),
        bad_day=bad_days,
        cut=power_cuts,
    )
    def decide(self, which: int, what: str, bad_day: str, cut: str) -> None:
        """Grace says yes or no to a proposal, or Sam takes it back."""
        waiting = self.one_of(self.refunds().filter(state=State.AWAITING_APPROVAL), which)
        if waiting is not None:
            act = {
                "approve": lambda: approve_refund(waiting, staff_user=self.grace),
                "reject": lambda: reject_refund(waiting, staff_user=self.grace, reason="No"),
                "withdraw": lambda: withdraw_refund(waiting, staff_user=self.sam),
            }
            with self.day(bad_day):
                self.live_through(cut, act[what])

    # What the worker and Stripe do

    @rule(bad_day=bad_days, cut=power_cuts)
    def worker(self, bad_day: str, cut: str) -> None:
        """The worker comes by, after earlier leases have run out."""
        RefundPart.objects.update(leased_until=None)
        with self.day(bad_day):
            self.live_through(cut, lambda: resolve_open(at_once=True))

    @rule(count=st.integers(1, 8), backwards=st.booleans(), twice=st.booleans())
    def events_arrive(self, count: int, backwards: bool, twice: bool) -> None:
        """Some of what Stripe has to tell arrives, in any order, perhaps again."""
        told = self.stripe.events()[::-1]
        told = told[self.events_read : self.events_read + count]
        self.events_read += 0 if twice else len(told)
        for event in reversed(told) if backwards else told:
            known = self.conference.stripe_events.filter(event_id=event["id"])
            if not known.exists():
                store(self.conference, event["type"], event["data"]["object"], event["id"])
            else:
                known.update(state="STORED", attempts=0)
        process_due()

    @rule(which=st.integers(0, 4))
    def the_bank_sends_back(self, which: int) -> None:
        """A refund that had succeeded fails after all."""
        refunds = [refund for refund in self.stripe.state()["refunds"] if refund["status"] == "succeeded"]
        if refunds:
            self.stripe.fail(refunds[which % len(refunds)]["id"])

    @rule(card=st.sampled_from([0, 1]), amount=st.integers(1, 4_000))
    def somebody_refunds_at_stripe(self, card: int, amount: int) -> None:
        """In Stripe's own dashboard, past the desk; Stripe refuses what it does not have."""
        intent = self.order.payments.exclude(stripe_charge_id="").order_by("pk")[card].stripe_payment_intent_id
        try:
            self.stripe.refund_elsewhere(intent, amount)
        except OSError:
            note("Stripe refused")
        else:
            self.promise.elsewhere += amount

    @precondition(lambda self: not self.disputed)
    @rule(card=st.sampled_from([0, 1]), status=st.sampled_from(["needs_response", "warning_needs_response"]))
    def ada_disputes(self, card: int, status: str) -> None:
        """The bank asks, or takes the money."""
        self.disputed = True
        charge = self.order.payments.exclude(stripe_charge_id="").order_by("pk")[card].stripe_charge_id
        self.stripe.control(f"charges/{charge}/dispute", status=status)

    @rule()
    def a_day_passes(self) -> None:
        """Stripe forgets the keys of yesterday."""
        calm.a_day_passes(self.conference, self.stripe)

    # What credits do

    @rule(amount=st.integers(1, 5_000))
    def give_credit(self, amount: int) -> None:
        """Ada is given something for her trouble."""
        self.promise.credits[self.gift(amount).pk] = amount

    @precondition(lambda self: self.promise.credits)
    @rule(which=st.integers(0, 3), due=st.integers(1, 6_000), cut=power_cuts)
    def spend_credit(self, which: int, due: int, cut: str) -> None:
        """Another order is paid from it, as far as it goes; a power cut leaves all or nothing."""
        key = self.credit(which)
        has, amount = self.promise.credits[key], major(due)
        target = Order.objects.create(conference=self.conference, user=make_user("ada"), total=amount, subtotal=amount)
        credit = Credit.objects.get(pk=key)
        done = self.live_through(
            cut, lambda: RefundService.apply_credit_as_refund(credit, target, staff_user=self.grace)
        )
        taken = min(has, due) if done else 0
        assert done or cut or has == 0
        self.promise.credits[key] -= taken
        if taken:
            self.pending.append((target, key))

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 3))
    def give_the_order_up(self, which: int) -> None:
        """An order that was not paid in full is released; its credit returns to where it came from."""
        target, key = self.pending[which % len(self.pending)]
        target.refresh_from_db()
        taken = minor(target.paid_amount)
        if target.status == Order.Status.PENDING:
            release_order(target, staff_user=self.grace)
            self.promise.credits[key] += taken

    @precondition(lambda self: self.promise.credits)
    @rule(which=st.integers(0, 3))
    def void_credit(self, which: int) -> None:
        """What is left of a credit is taken away."""
        key = self.credit(which)
        has = self.promise.credits[key]
        done = self.live_through(
            "", lambda: CreditService.void(Credit.objects.get(pk=key), reason="By mistake", staff_user=self.grace)
        )
        assert done == (has > 0)
        self.promise.credits[key] = 0

    # What must be true after every step

    @invariant()
    def books_add_up(self) -> None:
        """Every kept balance follows from its rows, whatever just happened."""
        assert [str(finding) for finding in Ledger().findings()] == []

    @invariant()
    def history_only_grows(self) -> None:
        """No line of it goes away."""
        lines = HistoryEntry.objects.filter(order=self.order).count()
        assert lines >= getattr(self, "lines", 0)
        self.lines = lines

    @invariant()
    def a_decision_moves_at_most_its_sum(self) -> None:
        """Stripe has at most one refund of a part, and of a decision never more than was decided."""
        moved: dict[str, int] = {}
        refunds = self.stripe.state()["refunds"]
        parts = [refund["metadata"]["part"] for refund in refunds if refund["metadata"].get("part")]
        assert len(parts) == len(set(parts))
        for refund in refunds:
            if refund["status"] in LIVE and refund["metadata"].get("refund"):
                moved[refund["metadata"]["refund"]] = moved.get(refund["metadata"]["refund"], 0) + refund["amount"]
        decided = {str(refund.uuid): self.promise.decided[refund.nonce] for refund in self.refunds() if refund.nonce}
        assert all(amount <= decided[name] for name, amount in moved.items())

    @invariant()
    def nothing_is_refundable_twice(self) -> None:
        """What can still go back, and what certainly did, are together never more than was paid."""
        self.order.refresh_from_db()
        ours = self.parts().filter(state__in=ACCEPTED)
        to_credit = sum(minor(part.amount) for part in ours if part.channel != RefundPart.Channel.STRIPE)
        refunds = self.stripe.state()["refunds"]
        by_card = sum(each["amount"] for each in refunds if each["status"] in LIVE and each["metadata"].get("part"))
        left = minor(self.order.refundable_amount)
        assert left + to_credit + by_card <= self.promise.paid
        assert left >= self.promise.paid - self.promise.at_most_back
        assert to_credit + by_card <= self.promise.at_most_back

    @invariant()
    def credits_are_what_the_model_says(self) -> None:
        """To the cent."""
        kept = Credit.objects.filter(pk__in=self.promise.credits).values_list("pk", "remaining_amount")
        assert {key: minor(left) for key, left in kept} == self.promise.credits

    def teardown(self) -> None:
        """Everything settles: then the books and Stripe's are one, and each decision happened once or not at all."""
        if not hasattr(self, "order"):
            return
        self.server.faults.clear()
        for refund in self.refunds().filter(state=State.AWAITING_APPROVAL):
            reject_refund(refund, staff_user=self.grace, reason="The story is over")
        Refund.objects.filter(hold_until__isnull=False).update(hold_until=self.order.created_at)
        RefundPart.objects.update(leased_until=None)
        self.stripe.control("tick", all=True)
        resolve_open(at_once=True)
        calm.compare(self.conference)
        self.stripe.control("clock", "DELETE")

        assert judge(self.conference, self.stripe.state()) == []
        assert not self.parts().filter(state__in=[State.REQUESTED, State.UNCONFIRMED]).exists()


@pytest.fixture
def desk(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> type[Desk]:
    """A desk at which nobody waits long."""
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(stripe_gateway, "READ_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(sending, "BUSY_PAUSES", ())
    monkeypatch.setattr(compare_asking, "PER_SECOND", 1000)
    stripe_gateway._client.cache_clear()
    Desk.server = sandbox
    return Desk


@pytest.mark.django_db
def test_the_promise_holds(desk: type[Desk]) -> None:
    run_state_machine_as_test(
        desk,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not IS_LONG,  # A commit is judged by the same stories every time.
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("safe", [True, False])
def test_a_desk_that_trusts_an_old_key_is_found(desk: type[Desk], monkeypatch: pytest.MonkeyPatch, safe: bool) -> None:
    """The model is no use unless it can fail: a key that is sent again after Stripe forgot it pays twice."""
    monkeypatch.setattr("tests.registration.promise.note", lambda _words: None)
    if not safe:
        monkeypatch.setattr(sending, "KEY_IS_SAFE_FOR", timedelta(days=9))
    story = desk()
    story.open()
    story.refund(amount=500, destination="CARD", bad_day="garbage_after_commit", cut="", twice=False)
    story.a_day_passes()
    story.worker(bad_day="", cut="")

    with nullcontext() if safe else pytest.raises(AssertionError):
        story.a_decision_moves_at_most_its_sum()
