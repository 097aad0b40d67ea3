"""What an actor process does: refunds and credits, through the service or the forms, come what may."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import requests
from django.contrib.auth.models import User

from registration.models import Credit, Order
from registration.services.errors import RefundError
from registration.services.planner import refund_ceiling
from registration.services.refund import RefundService
from tools.torture.scene import Job

PATIENCE_SECONDS = 8
TOKEN = "t" * 32  # The form's token is compared with the cookie's, and both are the actor's own.

log = logging.getLogger("registration.torture")


def perform(jobs: list[Job], desk: str, session: str, staff: int) -> None:
    """Do one job after the other. Refusals are part of the play; what they leave behind is judged later."""
    colleague = User.objects.get(pk=staff)
    for job in jobs:
        time.sleep(job.pause)
        if job.kind.startswith("web"):
            _click(job, desk, session)
            continue
        for _ in range(job.times):
            try:
                _perform(job, colleague)
            except RefundError as problem:
                log.info("%s of order %s: %s", job.kind, job.order, problem)


def _perform(job: Job, staff: User) -> None:
    order = Order.objects.get(pk=job.order)
    if job.kind == "refund":
        amount = Decimal(job.amount)
        RefundService.create_refund(
            order,
            amount=amount,
            destination=job.destination,
            credit_amount=(amount / 2).quantize(Decimal("0.01")) if job.destination == "SPLIT" else None,
            nonce=job.nonce,
            staff_user=staff,
        )
    else:
        RefundService.apply_credit_as_refund(Credit.objects.get(pk=job.credit), order, staff_user=staff)


def _click(job: Job, desk: str, session: str) -> None:
    """Send a form as a browser with this session would; a double click sends it twice at the same instant."""
    order = Order.objects.get(pk=job.order)
    if job.kind == "web_refund":
        path, form = "refunds/new/", _refund_form(job, order)
    else:
        path, form = "credits/apply/", _credit_form(job, order)
    address = f"{desk}/orders/{order.reference}/{path}"
    with ThreadPoolExecutor(job.times) as clicks:
        list(clicks.map(lambda _click: _post(job, address, form, session), range(job.times)))


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
