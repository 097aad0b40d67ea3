"""What an actor process does: refunds and credits, through the service or the forms, come what may."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import requests
from django.db import connection

from registration.models import Credit, Order, Refund
from registration.services.approval import approve_refund, reject_refund, withdraw_refund
from registration.services.errors import RefundError, RefundHeld, RefundProposed
from registration.services.planner import refund_ceiling
from registration.services.refund import RefundService
from registration.services.undo import release_refund, undo_refund
from tools.torture.scene import Job, Staff

PATIENCE_SECONDS = 8
BUTTONS = {"undo": "undo", "release": "send"}
TOKEN = "t" * 32  # The form's token is compared with the cookie's, and both are the actor's own.

log = logging.getLogger("registration.torture")


def perform(jobs: list[Job], desk: str, session: str, staff: Staff) -> None:
    """Do one job after the other. Refusals are part of the play; what they leave behind is judged later."""
    for job in jobs:
        time.sleep(job.pause)
        if job.kind.startswith("web"):
            _click(job, desk, session)
            continue
        for _ in range(job.times):
            try:
                _perform(job, staff)
            except (RefundHeld, RefundProposed) as waiting:
                _decide(job, waiting.refund, staff)
            except RefundError as problem:
                log.info("%s of order %s: %s", job.kind, job.order, problem)


def _perform(job: Job, staff: Staff) -> None:
    order = Order.objects.get(pk=job.order)
    if job.kind == "credit":
        RefundService.apply_credit_as_refund(Credit.objects.get(pk=job.credit), order, staff_user=staff.finance)
        return
    amount = Decimal(job.amount)
    RefundService.create_refund(
        order,
        amount=amount,
        destination=job.destination,
        credit_amount=(amount / 2).quantize(Decimal("0.01")) if job.destination == "SPLIT" else None,
        nonce=job.nonce,
        staff_user=staff.support if job.kind == "propose" else staff.finance,
        propose=job.kind == "propose",
        hold_seconds=1 if job.kind == "hold" else 0,
    )


def _decide(job: Job, refund: Refund, staff: Staff) -> None:
    """What becomes of a refund that waits; two decisions are made at the same instant."""
    decisions: dict[str, Callable[[], Refund]] = {
        "undo": lambda: undo_refund(refund, staff_user=staff.finance),
        "release": lambda: release_refund(refund),
        "approve": lambda: approve_refund(refund, staff_user=staff.finance),
        "reject": lambda: reject_refund(refund, staff_user=staff.finance, reason="Not today"),
        "withdraw": lambda: withdraw_refund(refund, staff_user=staff.support),
    }
    if len(job.then) < 2:  # In this thread, so that its boundaries are passed.
        for name in job.then:
            _attempt(decisions[name])
        return
    with ThreadPoolExecutor(len(job.then)) as colleagues:
        list(colleagues.map(lambda name: _attempt(decisions[name], alone=False), job.then))


def _attempt(decision: Callable[[], Any], *, alone: bool = True) -> None:
    try:
        decision()
    except RefundError as problem:
        log.info("not decided: %s", problem)
    finally:
        if not alone:
            connection.close()


def _click(job: Job, desk: str, session: str) -> None:
    """Send a form as a browser with this session would; a double click sends it twice at the same instant."""
    order = Order.objects.get(pk=job.order)
    if job.kind == "web_refund":
        path, form = "refunds/new/", _refund_form(job, order)
    else:
        path, form = "credits/apply/", _credit_form(job, order)
    address = f"{desk}/orders/{order.reference}/{path}"
    _post_at_once(job, [(address, form)] * job.times, session)
    if job.then and (held := Refund.objects.filter(nonce=job.nonce, hold_until__isnull=False).first()):
        _post_at_once(job, [(f"{desk}/refunds/{held.pk}/{BUTTONS[name]}/", {}) for name in job.then], session)


def _post_at_once(job: Job, forms: list[tuple[str, dict[str, str]]], session: str) -> None:
    with ThreadPoolExecutor(len(forms)) as clicks:
        list(clicks.map(lambda form: _post(job, *form, session), forms))


def _post(job: Job, address: str, form: dict[str, str], session: str) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        browser.cookies.update({"sessionid": session, "csrftoken": TOKEN})
        try:
            answer = browser.post(
                address, {"csrfmiddlewaretoken": TOKEN, **form}, timeout=PATIENCE_SECONDS, allow_redirects=False
            )
        except requests.RequestException as problem:
            log.info("%s of order %s: %s", job.kind, job.order, problem)
            return
    log.info("%s of order %s answered %s", job.kind, job.order, answer.status_code)
    if answer.status_code in (400, 403, 404):
        log.error("The form of %s was not understood: %s", job.kind, answer.text[:300])


def _refund_form(job: Job, order: Order) -> dict[str, str]:
    return {
        "mode": "custom",
        "amount": job.amount,
        "destination": "CARD" if job.destination == "SPLIT" else job.destination,
        "confirm_total": str(2 * Decimal(job.amount)),
        "confirm_repeat": job.amount,
        "note": "Under torture",
        "reason": "requested_by_customer",
        "nonce": job.nonce,
        "balance_seen": str(order.refundable_amount),
        "full_amount": str(refund_ceiling(order)),
    }


def _credit_form(job: Job, order: Order) -> dict[str, str]:
    credit = Credit.objects.get(pk=job.credit)
    amount = min(credit.remaining_amount, order.due_amount)
    return {"credits": str(job.credit), "amount": str(amount), "due_seen": str(order.due_amount)}
