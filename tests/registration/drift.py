"""A season that Stripe and the books agree about, and the hands that break it in more than twenty ways.

Where the money's truth cannot be mended by code (an amount that was written down, money that is in our books alone),
the repair is an open item with a name, and the table at the end says so.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from registration.models import ComparisonRun, Difference, Order, Payment, RefundPart
from registration.services.comparison import run as compare
from registration.services.comparison.asking import Asker
from registration.services.refund import RefundService
from stripe_sandbox.ids import account_id
from tests.registration.books import KEY, control, make_card_order, make_conference, make_order, seed, stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

Kind, State = Difference.Kind, Difference.State
LONG_AGO = timedelta(days=60)


class Season:
    """Orders that Stripe and the books agree about, and the hands that break them."""

    def __init__(self, sandbox: "SandboxServer") -> None:
        self.sandbox, self.conference = sandbox, make_conference()
        self.numbers = iter(range(1, 1000))
        self.since = timezone.now() - timedelta(days=30)

    def intent(self, **fields: Any) -> str:
        """A payment of 100.00 at Stripe."""
        name = f"pi_sim_{next(self.numbers)}"
        seed(self.sandbox, name, **fields)
        return name

    def paid(self, **fields: Any) -> Order:
        """An order of 100.00, paid by card."""
        return make_card_order(self.conference, intent=self.intent(**fields))

    def refunded(self, amount: str = "40.00") -> RefundPart:
        """A part refunded from the desk."""
        order = self.paid()
        RefundService.create_refund(order, amount=Decimal(amount), destination="CARD")
        return RefundPart.objects.get(refund__order=order)

    def at_stripe(self, order: Order, **form: Any) -> str:
        """Refund past the desk."""
        fields = {"payment_intent": order.payments.first().stripe_payment_intent_id, "amount": 4000} | form
        made = stripe_post(self.sandbox, "refunds", "&".join(f"{name}={value}" for name, value in fields.items()))
        return str(made["id"])

    def edit(self, kind: str, key: str, **changes: Any) -> None:
        """Change a record at Stripe by hand."""
        store, account = self.sandbox.store, account_id(KEY)
        store.put(account, kind, (store.get(account, kind, key) or {}) | changes)

    def delete(self, kind: str, key: str) -> None:
        self.sandbox.store.delete(account_id(KEY), kind, key)

    def run(self) -> ComparisonRun:
        """Compare the last month."""
        run = compare.begin(self.conference, since=self.since, until=timezone.now() + timedelta(seconds=2), afresh=True)
        assert compare.claim(run)
        assert compare.carry_on(run, Asker(self.conference), second_look=timedelta(0))
        return run


def sql(statement: str, *values: Any) -> None:
    """Change our tables by hand, past every service."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def refund_made_in_stripes_dashboard(season: Season) -> str:
    return f"refund:{season.at_stripe(season.paid())}"


def second_refund_that_borrows_our_metadata(season: Season) -> str:
    part = season.refunded()
    return f"refund:{season.at_stripe(part.refund.order, amount=1000, **{'metadata[part]': part.uuid})}"


def refund_that_failed_later(season: Season) -> str:
    part = season.refunded()
    control(season.sandbox, f"refunds/{part.stripe_refund_id}/fail")
    return f"refund:{part.stripe_refund_id}"


def refund_cancelled_there(season: Season) -> str:
    part = season.refunded()
    season.edit("refund", part.stripe_refund_id or "", status="canceled")
    return f"refund:{part.stripe_refund_id}"


def refund_over_another_amount_there(season: Season) -> str:
    part = season.refunded()
    season.edit("refund", part.stripe_refund_id or "", amount=4100)
    return f"refund:{part.stripe_refund_id}"


def refund_in_another_currency_there(season: Season) -> str:
    part = season.refunded()
    season.edit("refund", part.stripe_refund_id or "", currency="eur")
    return f"refund:{part.stripe_refund_id}"


def refund_deleted_there(season: Season) -> str:
    part = season.refunded()
    season.delete("refund", part.stripe_refund_id or "")
    return f"part:{part.pk}"


def refund_of_a_payment_nobody_knows(season: Season) -> str:
    intent = season.intent(created=int((timezone.now() - LONG_AGO).timestamp()))
    return f"refund:{stripe_post(season.sandbox, 'refunds', f'payment_intent={intent}')['id']}"


def payment_that_names_its_order(season: Season) -> str:
    order = make_order(season.conference)
    return f"charge:{season.intent(metadata={'order': order.reference}).replace('pi_', 'ch_')}"


def payment_that_names_no_order(season: Season) -> str:
    return f"charge:{season.intent().replace('pi_', 'ch_')}"


def payment_whose_success_nobody_told(season: Season) -> str:
    intent, order = season.intent(), make_order(season.conference)
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id=intent)
    return f"charge:{intent.replace('pi_', 'ch_')}"


def payment_over_another_amount_there(season: Season) -> str:
    charge = season.paid().payments.get().stripe_charge_id
    season.edit("charge", charge, amount=9000, amount_captured=9000)
    return f"charge:{charge}"


def payment_in_another_currency_there(season: Season) -> str:
    charge = season.paid().payments.get().stripe_charge_id
    season.edit("charge", charge, currency="eur")
    return f"charge:{charge}"


def payment_deleted_there(season: Season) -> str:
    payment = season.paid().payments.get()
    season.delete("charge", payment.stripe_charge_id)
    season.delete("payment_intent", payment.stripe_payment_intent_id)
    return f"payment:{payment.pk}"


def dispute_nobody_told_of(season: Season) -> str:
    charge = season.paid().payments.get().stripe_charge_id
    return f"dispute:{control(season.sandbox, f'charges/{charge}/dispute')['id']}"


def dispute_of_a_payment_nobody_knows(season: Season) -> str:
    charge = season.intent(created=int((timezone.now() - LONG_AGO).timestamp())).replace("pi_", "ch_")
    return f"dispute:{control(season.sandbox, f'charges/{charge}/dispute')['id']}"


def dispute_that_was_decided(season: Season) -> str:
    subject = dispute_nobody_told_of(season)
    control(season.sandbox, f"disputes/{subject.removeprefix('dispute:')}/close", status="won")
    payment = Payment.objects.order_by("-pk").first()
    sql(
        "UPDATE registration_payment SET dispute = %s WHERE id = %s",
        f'{{"id": "{subject.removeprefix("dispute:")}", "status": "needs_response"}}',
        payment.pk if payment else 0,
    )
    return subject


def our_refund_marked_failed(season: Season) -> str:
    part = season.refunded()
    sql("UPDATE registration_refundpart SET state = 'failed' WHERE id = %s", part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_refund_marked_pending(season: Season) -> str:
    part = season.refunded()
    sql("UPDATE registration_refundpart SET state = 'pending' WHERE id = %s", part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_refund_over_another_amount(season: Season) -> str:
    part = season.refunded()
    sql("UPDATE registration_refundpart SET amount = 39 WHERE id = %s", part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_refund_without_its_id(season: Season) -> str:
    part = season.refunded()
    sql("UPDATE registration_refundpart SET stripe_refund_id = NULL WHERE id = %s", part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_refund_deleted(season: Season) -> str:
    part = season.refunded()
    sql("DELETE FROM registration_refundpart WHERE id = %s", part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_refund_made_up(season: Season) -> str:
    part = season.refunded()
    RefundPart.objects.create(
        refund=part.refund,
        payment=part.payment,
        channel="STRIPE",
        amount=5,
        state="succeeded",
        stripe_refund_id="re_no",
    )
    return f"part:{part.pk + 1}"


def our_refund_moved_to_another_payment(season: Season) -> str:
    part, other = season.refunded(), season.paid().payments.get()
    sql("UPDATE registration_refundpart SET payment_id = %s WHERE id = %s", other.pk, part.pk)
    return f"refund:{part.stripe_refund_id}"


def our_payment_marked_failed(season: Season) -> str:
    payment = season.paid().payments.get()
    sql("UPDATE registration_payment SET status = 'FAILED' WHERE id = %s", payment.pk)
    return f"charge:{payment.stripe_charge_id}"


def our_payment_recorded_twice(season: Season) -> str:
    payment = season.paid().payments.get()
    payment.pk, payment._state.adding = None, True
    payment.save()
    return f"payment:{payment.pk}"


def our_payment_made_up(season: Season) -> str:
    order = make_order(season.conference, status=Order.Status.PAID)
    return f"payment:{Payment.objects.create(order=order, amount=order.total, status='SUCCEEDED').pk}"


BREAKS: dict[Callable[[Season], str], tuple[str, str]] = {
    refund_made_in_stripes_dashboard: (Kind.REFUND_MISSING_HERE, State.REPAIRED),
    second_refund_that_borrows_our_metadata: (Kind.REFUND_MISSING_HERE, State.REPAIRED),
    refund_that_failed_later: (Kind.REFUND_STATE, State.REPAIRED),
    refund_cancelled_there: (Kind.REFUND_STATE, State.NAMED),
    refund_over_another_amount_there: (Kind.REFUND_AMOUNT, State.NAMED),
    refund_in_another_currency_there: (Kind.REFUND_CURRENCY, State.NAMED),
    refund_deleted_there: (Kind.REFUND_MISSING_THERE, State.NAMED),
    refund_of_a_payment_nobody_knows: (Kind.UNKNOWN_PAYMENT, State.NAMED),
    payment_that_names_its_order: (Kind.PAYMENT_MISSING_HERE, State.REPAIRED),
    payment_that_names_no_order: (Kind.PAYMENT_MISSING_HERE, State.NAMED),
    payment_whose_success_nobody_told: (Kind.PAYMENT_STATE, State.REPAIRED),
    payment_over_another_amount_there: (Kind.PAYMENT_AMOUNT, State.NAMED),
    payment_in_another_currency_there: (Kind.PAYMENT_CURRENCY, State.NAMED),
    payment_deleted_there: (Kind.PAYMENT_MISSING_THERE, State.NAMED),
    dispute_nobody_told_of: (Kind.DISPUTE_MISSING_HERE, State.REPAIRED),
    dispute_of_a_payment_nobody_knows: (Kind.UNKNOWN_PAYMENT, State.NAMED),
    dispute_that_was_decided: (Kind.DISPUTE_STATE, State.REPAIRED),
    our_refund_marked_failed: (Kind.REFUND_STATE, State.NAMED),
    our_refund_marked_pending: (Kind.REFUND_STATE, State.REPAIRED),
    our_refund_over_another_amount: (Kind.REFUND_AMOUNT, State.NAMED),
    our_refund_without_its_id: (Kind.REFUND_STATE, State.REPAIRED),
    our_refund_deleted: (Kind.REFUND_MISSING_HERE, State.REPAIRED),
    our_refund_made_up: (Kind.REFUND_MISSING_THERE, State.NAMED),
    our_refund_moved_to_another_payment: (Kind.REFUND_PAYMENT, State.NAMED),
    our_payment_marked_failed: (Kind.PAYMENT_STATE, State.REPAIRED),
    our_payment_recorded_twice: (Kind.PAYMENT_TWICE, State.NAMED),
    our_payment_made_up: (Kind.PAYMENT_WITHOUT_ID, State.NAMED),
}
"""What is broken: how it must be named, and what repair makes of it."""
