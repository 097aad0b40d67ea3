"""What the page of one order shows: where its money is, and how it came there."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.names import attendee_email, attendee_name
from dashboard.orders.callouts import Callouts, callouts_of
from dashboard.orders.facts import Action, split_parts, useful_action
from dashboard.orders.lines import LineEntry, beside_the_lines, line_entries, without_lines
from dashboard.orders.payments import PaymentEntry, payment_entries
from dashboard.orders.record import HISTORY_PAGE, history_of, read_whole
from dashboard.orders.refunds import RefundEntry, refund_entries
from dashboard.orders.under_way import settled_amount, stages
from dashboard.templatetags.desk import moment, person
from registration.books import balances, gone_from, movements_of, paid_in
from registration.models import HistoryEntry, Order, Payment
from registration.money import ZERO, format_amount, format_money
from registration.sentences import Facts, sentence
from registration.services.fees import fee_kept
from registration.services.lines import left_on_the_lines
from registration.services.planner import blocked_reason, usable

POSITION_DIGITS = 10
HUES = {
    "succeeded": "green",
    "paid": "green",
    "failed": "red",
    "pending": "blue",
    "unconfirmed": "amber",
    "opened": "amber",
    "proposed": "amber",
    "approved": "green",
    "rejected": "red",
    "issued": "violet",
    "applied": "violet",
}
"""Colour of a timeline entry by the last word of its kind."""


class OrderPage:
    """One order for one member of staff."""

    def __init__(self, order: Order, user: Any, *, before: str = "") -> None:
        """Read the order; ``before`` is the position in its history that the page ends in front of, as typed."""
        self._before = int(before) if before.isascii() and before.isdigit() and len(before) < POSITION_DIGITS else 0
        self.order = order
        self.user = user
        self.conference = order.conference
        self._beside = read_whole(order, user)
        order.has_credit = self.credit_left > 0  # type: ignore[attr-defined]

    @property
    def attendee(self) -> str:
        """The name on the order, or the account's."""
        return attendee_name(self.order)

    @property
    def email(self) -> str:
        """The address on the order, or the account's."""
        return attendee_email(self.order)

    @cached_property
    def reason(self) -> str:
        """Why nothing can be refunded; empty when something can."""
        return blocked_reason(self.order)

    @cached_property
    def action(self) -> Action | None:
        """The page's one ink button."""
        return useful_action(self.order, self.user, self.reason, self.user.has_perm)

    @property
    def may_refund(self) -> bool:
        """Whether the user could refund something now."""
        return not self.reason and bool(self.user.has_perm("registration.refund_order"))

    @property
    def may_apply(self) -> bool:
        """Whether the user could pay the order with credit."""
        pending = self.order.status == Order.Status.PENDING
        return pending and self.credit_left > 0 and bool(self.user.has_perm("registration.apply_credit"))

    @property
    def stripe_url(self) -> str:
        """Where Stripe shows the first of the payments."""
        return next((entry.url for entry in self.payments if entry.url), "")

    @property
    def strip(self) -> list[tuple[str, str]]:
        """The account: what was paid is what went back, waits, is on its way and is left."""
        order = self.order
        return [
            (_("Total"), self._money(order.total)),
            (_("Paid"), self.paid),
            *([(_("Still due"), self._money(order.due_amount))] if order.status == Order.Status.PENDING else []),
            (_("Refunded"), self._money(self.arrived_back)),
            *((stage.label, self._money(stage.amount)) for stage in stages(order)),
        ]

    @property
    def left(self) -> str:
        """What can still go back."""
        return self._money(self.order.refundable_amount)

    @property
    def left_label(self) -> str:
        """What to call that: while something keeps it back, the page says why and nothing calls it refundable."""
        return _("Not refundable now") if self.reason and self.order.refundable_amount else _("Refundable")

    @property
    def credit_only(self) -> str:
        """How much of that can only go back as credit; empty for nothing, and while none of it can."""
        if self.reason:
            return ""
        amounts = (
            p.refundable_amount for p in self.order.payments.all() if p.method == Payment.Method.CREDIT and usable(p)
        )
        amount = min(sum(amounts, ZERO), self.order.refundable_amount)
        return self._money(amount) if amount else ""

    @property
    def fee_kept(self) -> str:
        """How much of that was kept as a fee; empty for nothing, and while none of it can go back."""
        amount = fee_kept(self.order)
        return self._money(amount) if amount and not self.reason else ""

    @property
    def split(self) -> list[dict[str, Any]]:
        """The same account as a bar."""
        order = self.order
        parts = [
            ("refunded", _("Refunded"), self.arrived_back),
            *((stage.tone, stage.label, stage.amount) for stage in stages(order)),
            ("left", self.left_label, order.refundable_amount),
        ]
        with_words = ((tone, label, amount, self._money(amount)) for tone, label, amount in parts)
        return split_parts(with_words, order.paid_amount)

    @property
    def paid(self) -> str:
        """What came in, by the order's account."""
        return self._money(paid_in(self.account))

    @cached_property
    def account(self) -> dict[str, Decimal]:
        """What each account of the books holds of this order."""
        return balances(movements_of(self.order))

    @property
    def arrived_back(self) -> Decimal:
        """What went back, by the order's account, and is not on its way any more."""
        on_its_way: Decimal = self.order.refunded_amount - settled_amount(self.order)
        return gone_from(self.account) - on_its_way

    @property
    def adds_up(self) -> bool:
        """Whether the account says what the order keeps."""
        kept = (self.order.paid_amount, self.order.refunded_amount)
        return (paid_in(self.account), gone_from(self.account)) == kept

    @property
    def account_url(self) -> str:
        """Where the account behind the figures is shown; empty for those who may not see it."""
        may_look = self.user.has_perm("registration.view_books")
        return reverse("order_account", args=[self.order.reference]) if may_look else ""

    @cached_property
    def lines(self) -> list[LineEntry]:
        """The line items."""
        return line_entries(self.order, self._beside.lines)

    @property
    def beside_the_lines(self) -> list[tuple[str, str]]:
        """What went back and is on no line, so that the column comes to what was refunded."""
        return beside_the_lines(self.order, self.arrived_back) if self.lines else []

    @property
    def without_lines(self) -> str:
        """That refunds without lines leave the lines less than each shows; empty when they do not."""
        own = left_on_the_lines(self.order, self._beside.lines)
        return without_lines(self.order, own, self.order.refundable_amount)

    @cached_property
    def payments(self) -> list[PaymentEntry]:
        """The payments, newest first."""
        return payment_entries(self.order)

    @cached_property
    def refunds(self) -> list[RefundEntry]:
        """The refunds, newest first."""
        return refund_entries(self.order)

    @cached_property
    def callouts(self) -> Callouts:
        """What waits for somebody."""
        return callouts_of(self.order)

    @property
    def disputes(self) -> list[str]:
        """The payments that Stripe does not let us refund."""
        return [entry.dispute for entry in self.payments if entry.dispute]

    @property
    def credit_left(self) -> Decimal:
        """What the attendee could spend now."""
        return self._beside.credit_left

    @property
    def credit_available(self) -> str:
        """The same, as an amount."""
        return self._money(self.credit_left)

    @property
    def issued(self) -> list[dict[str, Any]]:
        """Credits that this order was refunded to; those that only record a card refund are not spendable."""
        return [
            {"credit": credit, "amount": self._money(credit.amount), "left": self._money(credit.remaining_amount)}
            for credit in self._beside.issued
        ]

    @property
    def used(self) -> list[dict[str, Any]]:
        """Credits that paid for this order."""
        payments = (entry.payment for entry in self.payments)
        return [{"credit": p.credit, "amount": self._money(p.amount)} for p in payments if p.credit]

    @cached_property
    def history(self) -> list[HistoryEntry]:
        """A page of what happened and one entry more, newest first, about the refunds as they were read."""
        entries, refunds = (
            history_of(self.order, self._before),
            {refund.pk: refund for refund in self.order.refunds.all()},
        )
        for entry in entries:
            if entry.refund_id in refunds:
                entry.refund = refunds[entry.refund_id]
        return entries

    @property
    def timeline(self) -> list[dict[str, str]]:
        """The history in sentences."""
        return [_told(entry) for entry in self.history[:HISTORY_PAGE]]

    @property
    def older_url(self) -> str:
        """What happened before that."""
        if len(self.history) <= HISTORY_PAGE:
            return ""
        return f"{self._url}?before={self.history[HISTORY_PAGE - 1].position}#order-timeline"

    @property
    def newest_url(self) -> str:
        """The beginning of the history, from a page further back."""
        return f"{self._url}#order-timeline" if self._before else ""

    @property
    def _url(self) -> str:
        return reverse("order_detail", args=[self.order.reference])

    @property
    def other_orders(self) -> list[Order]:
        """The attendee's newest other orders, as far as the user may see them."""
        return self._beside.others

    def _money(self, amount: Decimal) -> str:
        return format_money(amount, self.order.currency)

    def _plain(self, amount: Decimal) -> str:
        return format_amount(amount, self.order.currency)


def _told(entry: HistoryEntry) -> dict[str, str]:
    text, who = sentence(entry), person(entry.actor) if entry.actor else ""
    is_named = not who or who in text
    return {
        "id": f"entry-{entry.pk}",
        "hue": HUES.get(entry.kind.rpartition("_")[2], ""),
        "text": text,
        "meta": moment(entry.created_at) if is_named else f"{who}, {moment(entry.created_at)}",
        "quote": Facts(entry)["note"],
    }
