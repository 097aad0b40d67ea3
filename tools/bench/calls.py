"""Refunding and spending credit, beside the same rows written by nothing but the ORM."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from time import perf_counter
from typing import Any

import requests
from django.conf import settings
from django.db import transaction
from django.db.models import F

from registration.models import (
    Conference,
    Credit,
    CreditEntry,
    HistoryEntry,
    Order,
    Payment,
    Refund,
    RefundPart,
)
from registration.services.history import next_entry
from registration.services.refund import RefundService
from tools.bench.clock import milliseconds
from tools.bench.figures import Times

ROUNDS = 40
KEY = "sk_test_sandbox_bench"
AMOUNT = Decimal("10.00")
WRITTEN = (Refund, RefundPart, Credit, CreditEntry, Payment, HistoryEntry)


@contextmanager
def sandbox() -> Iterator[str]:
    """Stripe's stand-in in a process of its own, with the desk pointed at it."""
    command = [sys.executable, "-m", "stripe_sandbox", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        settings.STRIPE_API_BASE = line.rsplit(" ", 1)[-1].strip()
        yield settings.STRIPE_API_BASE
    finally:
        settings.STRIPE_API_BASE = ""
        process.terminate()
        process.wait(10)


class StripeTime:
    """What is spent on the way to Stripe and back."""

    def __init__(self) -> None:
        self.milliseconds = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count every call of the official client."""
        send = requests.Session.send

        def timed(*arguments: Any, **options: Any) -> Any:
            start = perf_counter()
            try:
                return send(*arguments, **options)
            finally:
                self.milliseconds += (perf_counter() - start) * 1000

        requests.Session.send = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            requests.Session.send = send  # type: ignore[method-assign]


def refunds_beside_rows(staff: Any) -> tuple[Times, Times]:
    """``create_refund`` without Stripe's time, and the rows it writes by the ORM alone."""
    by_card = Payment.objects.filter(method=Payment.Method.STRIPE, amount=F("order__total"), dispute__isnull=True)
    paid = Order.objects.filter(pk__in=by_card.values("order"), status=Order.Status.PAID, refunded_amount=0)
    paid = paid.filter(refundable_amount__gt=AMOUNT).order_by("-pk")
    orders = list(paid.select_related("conference", "user")[: 2 * ROUNDS + 2])
    Conference.objects.update(stripe_secret_key=KEY)
    with sandbox() as base:
        _seed(base, orders)
        return _beside(
            orders,
            lambda order: RefundService.create_refund(order, amount=AMOUNT, staff_user=staff),
            lambda order: _rows_of_a_refund(order, staff),
        )


def credits_beside_rows(staff: Any) -> tuple[Times, Times]:
    """``apply_credit_as_refund``, and the rows it writes by the ORM alone."""
    waiting = Order.objects.filter(status=Order.Status.PENDING, paid_amount=0, payments=None).order_by("-pk")
    pairs = [(_gift(order), order) for order in waiting.select_related("conference", "user")[: 2 * ROUNDS + 2]]
    return _beside(
        pairs,
        lambda pair: RefundService.apply_credit_as_refund(*pair, staff_user=staff),
        lambda pair: _rows_of_a_use(pair[0], pair[1], staff),
    )


def _beside(rows: list[Any], service: Callable[[Any], Any], bare: Callable[[Any], Any]) -> tuple[Times, Times]:
    """Time both in turn, each on rows of its own; the first of each only warms up and must write the same."""
    ours, theirs = Times(), Times()
    _same_rows(lambda: service(rows[0]), lambda: bare(rows[1]))
    for mine, other in zip(rows[2::2], rows[3::2], strict=False):
        at_stripe = StripeTime()
        with at_stripe.measured():
            took = milliseconds(lambda mine=mine: service(mine))  # type: ignore[misc]
        ours.values.append(took - at_stripe.milliseconds)
        theirs.values.append(milliseconds(lambda other=other: bare(other)))  # type: ignore[misc]
    return ours, theirs


def _same_rows(service: Callable[[], Any], bare: Callable[[], Any]) -> None:
    grown = []
    for action in (service, bare):
        before = [model._default_manager.count() for model in WRITTEN]
        action()
        grown.append([model._default_manager.count() - n for model, n in zip(WRITTEN, before, strict=True)])
    if grown[0] != grown[1]:
        raise SystemExit(f"The service wrote {grown[0]} rows of {[m.__name__ for m in WRITTEN]}, the ORM {grown[1]}.")


def _seed(base: str, orders: list[Order]) -> None:
    payments = [
        {
            "id": payment.stripe_payment_intent_id,
            "charge": payment.stripe_charge_id,
            "amount": int(payment.amount * 100),
            "currency": payment.currency.lower(),
        }
        for payment in Payment.objects.filter(order__in=orders, method=Payment.Method.STRIPE)
    ]
    body = json.dumps({"payments": payments, "account_key": KEY}).encode()
    request = urllib.request.Request(f"{base}/_sandbox/seed", body, {"Content-Type": "application/json"})  # noqa: S310
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def _rows_of_a_refund(order: Order, staff: Any) -> None:
    with transaction.atomic():
        fresh = Order.objects.select_for_update().get(pk=order.pk)
        payment = fresh.payments.filter(method=Payment.Method.STRIPE)[0]
        refund = Refund.objects.create(order=fresh, amount=AMOUNT, requested_by=staff, state=Refund.State.SUCCEEDED)
        part = RefundPart.objects.create(
            refund=refund, payment=payment, channel=RefundPart.Channel.STRIPE, amount=AMOUNT, state=refund.state
        )
        credit = Credit.objects.create(
            user=order.user,
            conference=order.conference,
            kind=Credit.Kind.GOODWILL,
            amount=AMOUNT,
            source_order=fresh,
            refund=refund,
            issued_by=staff,
        )
        kinds = ("refund_requested", f"refund_part_{part.state}", "credit_issued")
        _add_history(fresh, kinds, staff, refund)
        Order.objects.filter(pk=fresh.pk).update(status=Order.Status.PARTIALLY_REFUNDED)
    if credit.pk is None:
        raise SystemExit("Nothing was written.")


def _rows_of_a_use(credit: Credit, order: Order, staff: Any) -> None:
    with transaction.atomic():
        fresh = Order.objects.select_for_update().get(pk=order.pk)
        held = Credit.objects.select_for_update().get(pk=credit.pk)
        payment = Payment.objects.create(
            order=fresh,
            method=Payment.Method.CREDIT,
            status=Payment.Status.SUCCEEDED,
            amount=fresh.total,
            credit=held,
            created_by=staff,
        )
        CreditEntry.objects.create(
            credit=held, kind=CreditEntry.Kind.APPLIED, amount=-fresh.total, order=fresh, payment=payment, actor=staff
        )
        Credit.objects.filter(pk=held.pk).update(status=Credit.Status.APPLIED, applied_to_order=fresh)
        _add_history(fresh, ("credit_applied", "order_paid"), staff)
        Order.objects.filter(pk=fresh.pk).update(status=Order.Status.PAID, hold_expires_at=None)


def _add_history(order: Order, kinds: tuple[str, ...], staff: Any, refund: Refund | None = None) -> None:
    last = HistoryEntry.objects.filter(order=order).order_by("-position").first()
    for kind in kinds:
        refund_id = refund.pk if refund else None
        facts = {"amount": AMOUNT, "currency": order.currency}
        entry = next_entry(last, order_id=order.pk, kind=kind, actor_id=staff.pk, refund_id=refund_id, facts=facts)
        entry.save(force_insert=True)
        last = entry


def _gift(order: Order) -> Credit:
    return Credit.objects.create(
        user=order.user, conference=order.conference, kind=Credit.Kind.GOODWILL, amount=order.total
    )
