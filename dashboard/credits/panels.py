"""What the pages and panels about store credit show, each from a fresh read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.addresses import key_address, order_address
from dashboard.credits.display import (
    balance_card,
    change_row,
    credit_row,
    held,
    ledger_row,
    order_row,
    origin,
    pending_row,
    plan_rows,
)
from dashboard.forms.credit import AdjustForm, ApplyForm, IssueForm, ReasonForm
from dashboard.forms.fields import typed
from dashboard.refusal import Refusal, refusal_of, said_below
from dashboard.templatetags.desk import person
from registration.credit_ledger import ledger_of, movements
from registration.json_rows import made_of
from registration.kept_query import WHERE, WHO, KeptQuery
from registration.models import Conference, Credit, Order
from registration.money import SYMBOLS, format_money
from registration.statement import available_with, held_by, left_with, payable_orders

PAGE = 25
"""Rows of credits, movements and orders on one page; an attendee may have many."""
CREDIT = ("id", "kind", "amount", "remaining_amount", "currency", "status", "expires_at")
ORDER = ("id", "reference", "status", "currency", "total", "refundable_amount", "created_at")
MOST_DIGITS = 7
APPLY_CONTROLS = {"credits": "id_credits_0", "amount": "id_amount", "due_seen": "id_amount"}
AMOUNT_CONTROLS = {"amount": "id_amount", "direction": "id_direction_more", "left_seen": "id_amount"}
"""The fields that a preview follows from, with the controls that mend them."""
Context = dict[str, Any]


def statement_context(request: HttpRequest, attendee: Any, conference: Conference) -> Context:
    """An attendee at a conference: balance, credits, ledger, orders to pay and all others."""
    found = held_by(attendee, conference)  # Before the rows: what it calls the newest is told of no more.
    first_credit, first_move, first_order = (_start(request, name) for name in ("credits", "ledger", "orders"))
    keys = {"who": attendee.pk, "where": conference.pk}
    bought = [made_of(Order, ORDER, row) for row in _orders(connection.vendor, first_order).ask(**keys)]
    listed = [_credit(row, conference) for row in _credits(connection.vendor, first_credit).ask(**keys)]
    moves = ledger_of(attendee, conference, found.entries, start=first_move, most=PAGE + 1)
    return {
        "attendee": attendee,
        "conference": conference,
        "newest": found.newest,
        "balance": balance_card(found.balance, found.next_to_expire),
        "credits": [credit_row(credit) | _links(credit) for credit in listed[:PAGE]],
        "older_credits": _older(request, "credits", first_credit) if len(listed) > PAGE else "",
        "ledger": [ledger_row(movement) for movement in moves[:PAGE]],
        "older_moves": _older(request, "ledger", first_move) if len(moves) > PAGE else "",
        "pending": [pending_row(order) for order in payable_orders(attendee, conference)],
        "orders": [order_row(order) for order in bought[:PAGE]],
        "older_orders": _older(request, "orders", first_order) if len(bought) > PAGE else "",
        "can_apply": found.balance.available > 0,
        "may_apply": request.user.has_perm("registration.apply_credit"),
        "may_issue": request.user.has_perm("registration.issue_credit"),
    }


@lru_cache(maxsize=8)
def _credits(_vendor: str, start: int) -> KeptQuery:
    """The question for a page of an attendee's credits, the newest first."""
    credits = Credit.objects.filter(user=WHO, conference=WHERE).order_by("-pk")
    return KeptQuery(credits[start : start + PAGE + 1], *CREDIT, "source_order__reference")


@lru_cache(maxsize=8)
def _orders(_vendor: str, start: int) -> KeptQuery:
    """The question for a page of an attendee's orders, the newest first."""
    orders = Order.objects.filter(user=WHO, conference=WHERE).order_by("-created_at", "-pk")
    return KeptQuery(orders[start : start + PAGE + 1], *ORDER)


def _credit(row: Sequence[Any], conference: Conference) -> Credit:
    # All are of one conference: joining it would decrypt its keys once for each row.
    *values, reference = row
    order = made_of(Order, ("reference",), (reference,)) if reference else None
    credit: Credit = made_of(Credit, CREDIT, values, conference=conference, source_order=order)
    return credit


def _links(credit: Credit) -> Context:
    """The pages of a credit and of the order it came from, which was read with it."""
    order = credit.source_order
    return {
        "url": key_address("credit_detail", credit.pk),
        "order_url": order_address("order_detail", order.reference) if order else "",
        "spendable": credit.is_spendable,
    }


def _start(request: HttpRequest, name: str) -> int:
    """How many rows of a table the address leaves out; what cannot be read leaves out none."""
    asked = request.GET.get(name, "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < MOST_DIGITS else 0


def _older(request: HttpRequest, name: str, start: int) -> str:
    """The rows behind those shown."""
    query = request.GET.copy()
    query[name] = str(start + PAGE)
    return f"?{query.urlencode()}#{name}-title"


def credit_context(request: HttpRequest, credit: Credit) -> Context:
    """One credit: what is left, every movement, where it came from and what it paid."""
    entries = movements(Credit.objects.filter(pk=credit.pk))
    paid = {move.entry.order_id: move.entry.order for move in entries if move.entry.kind == "APPLIED"}
    return {
        "credit": credit,
        "row": credit_row(credit),
        "left": format_money(credit.remaining_amount, credit.currency),
        "issued": format_money(credit.amount, credit.currency),
        "origin": origin(credit, credit.source_order),
        "paid_orders": [order for order in paid.values() if order],
        "ledger": [ledger_row(movement, within_credit=True) for movement in entries],
        "can_extend": credit.status == Credit.Status.AVAILABLE and credit.expires_at is not None,
        "may_adjust": request.user.has_perm("registration.adjust_credit"),
        "can_change": credit.status in (Credit.Status.AVAILABLE, Credit.Status.APPLIED),
    }


def apply_context(order: Order, form: ApplyForm, *, problem: str = "", title: str = "") -> Context:
    """The panel that pays an order from credit."""
    return {
        "order": order,
        "attendee": order.user,
        "due": format_money(order.due_amount, order.currency),
        "held": held(order) if order.status == Order.Status.PENDING else "",
        "blocked": apply_blocked(order, form),
        "problem": problem or _first_error(form),
        "problem_title": title or _("No credit was applied."),
        "offered": [credit_row(credit) | {"is_chosen": credit in form.chosen} for credit in form.offered],
        **preview_context(form),
    }


def preview_context(form: ApplyForm, *, resets_amount: bool = False) -> Context:
    """The consequence of what is ticked and entered, and the button that causes it."""
    order = form.order
    plan = form.most_plan() if resets_amount else form.plan()
    possible = bool(plan.parts) and (resets_amount or not form.is_bound or form.is_valid())
    amount = format_money(plan.amount, order.currency)
    entered = str(form["amount"].value() or "")
    refusal = None if possible else _apply_refusal(form)
    return {
        "form": form,
        "symbol": SYMBOLS.get(order.currency, order.currency),
        "preview_rows": plan_rows(plan) if possible else [],
        **_refused(form, refusal, APPLY_CONTROLS if not resets_amount else {}),
        "submit_label": _("Apply %(amount)s") % {"amount": amount} if possible else _("Apply credit"),
        "amount_text": typed(plan.amount, order.currency) if resets_amount or not form.is_bound else entered,
        "proposed_text": typed(plan.amount, order.currency) if resets_amount else form["proposed"].value() or "",
        "resets_amount": resets_amount,
    }


def _apply_refusal(form: ApplyForm) -> Refusal:
    """Why no credit would be applied: what is wrong, or what is still to be chosen."""
    missing = Refusal(_("Choose a credit and an amount to see the result."), "id_amount", is_wrong=False)
    found = refusal_of(form, APPLY_CONTROLS)
    return missing if found is None else found if found.is_wrong else replace(missing, control=found.control)


def _refused(form: Any, refusal: Refusal | None, controls: dict[str, str]) -> Context:
    """What a preview without a result says, below which fields, and where its button leads."""
    return {
        "refusal": refusal,
        "said": said_below(form, [(name, f"{name}-error") for name in ("credits", "amount") if name in controls]),
        "stopped_by": "preview-refusal" if refusal else "",
        "mend_at": refusal.control if refusal else "",
    }


def apply_blocked(order: Order, form: ApplyForm) -> str:
    """Why no credit can pay the order; empty when some can."""
    if order.status != Order.Status.PENDING:
        text = _("%(order)s is not waiting for payment. Credit can only pay pending orders.")
        return text % {"order": order.reference}
    if order.due_amount <= 0:
        return _("%(order)s is paid already. Nothing is due.") % {"order": order.reference}
    if not form.offered:
        return _("%(name)s has no credit to spend at %(conference)s.") % {
            "name": person(order.user),
            "conference": order.conference.name,
        }
    return ""


def issue_context(form: IssueForm, attendee: Any, nonce: str, *, problem: str = "", title: str = "") -> Context:
    """The panel that gives goodwill credit."""
    conference = form.conference
    query = f"?conference={conference.slug}"
    return {
        "attendee": attendee,
        "conference": conference,
        "form": form,
        "nonce": nonce,
        "symbol": SYMBOLS.get(conference.currency, conference.currency),
        "usual_expiry": conference.credit_validity_days,
        "action": reverse("credit_issue", args=[attendee.pk]) + query,
        "back": reverse("attendee_detail", args=[attendee.pk]) + query,
        "back_label": person(attendee),
        "heading": _("Issue goodwill credit"),
        "crumb": _("Issue credit"),
        "piece": "dashboard/credits/_issue.html",
        "problem": problem or _first_error(form),
        "problem_title": title or _("No credit was issued."),
        **_issue_preview(form, attendee),
    }


def _issue_preview(form: IssueForm, attendee: Any) -> Context:
    conference, amount = form.conference, _clean(form, "amount")
    refused = _refused(form, refusal_of(form, AMOUNT_CONTROLS), AMOUNT_CONTROLS)
    facts = {"name": person(attendee), "conference": conference.name}
    explanation = _("%(name)s can spend it on %(conference)s orders at once. No card is touched.") % facts
    if amount is None:
        return {"submit_label": _("Issue credit"), "explanation": explanation} | refused
    was, now = available_with(attendee, conference, amount)
    return {
        "explanation": explanation,
        "preview_rows": [change_row(_("Available"), was, now, conference.currency)],
        "submit_label": _("Issue %(amount)s") % {"amount": format_money(amount, conference.currency)},
    } | refused


def change_context(form: ReasonForm, credit: Credit, name: str, *, problem: str = "") -> Context:
    """The panel that changes a credit; ``name`` is "adjust", "extend" or "void"."""
    headings = {"adjust": _("Adjust %(number)s"), "extend": _("Extend %(number)s"), "void": _("Void %(number)s")}
    crumbs = {"adjust": _("Adjust credit"), "extend": _("Extend credit"), "void": _("Void credit")}
    return {
        "credit": credit,
        "form": form,
        "left": format_money(credit.remaining_amount, credit.currency),
        "symbol": SYMBOLS.get(credit.currency, credit.currency),
        "row": credit_row(credit),
        "action": reverse(f"credit_{name}", args=[credit.pk]),
        "back": reverse("credit_detail", args=[credit.pk]),
        "back_label": credit.number,
        "heading": headings[name] % {"number": credit.number},
        "crumb": crumbs[name],
        "piece": f"dashboard/credits/_{name}.html",
        "problem": problem or _first_error(form),
        "problem_title": _("Nothing was changed."),
        **(_adjust_preview(form, credit) if isinstance(form, AdjustForm) else {}),
    }


def _adjust_preview(form: AdjustForm, credit: Credit) -> Context:
    amount, direction = _clean(form, "amount"), _clean(form, "direction")
    refused = _refused(form, refusal_of(form, AMOUNT_CONTROLS), AMOUNT_CONTROLS)
    explanation = _("The correction is added to the ledger; nothing in it is changed. No card is touched.")
    if amount is None or not direction:
        return {"submit_label": _("Adjust credit"), "explanation": explanation} | refused
    label = _("Add %(amount)s") if direction == form.MORE else _("Take off %(amount)s")
    was, now = left_with(credit, form.delta)
    return {
        "explanation": explanation,
        "preview_rows": [change_row(_("Left on it"), was, now, credit.currency)],
        "submit_label": label % {"amount": format_money(amount, credit.currency)},
    } | refused


def _clean(form: Any, name: str) -> Any:
    """What a field says, even while others are still empty; nothing when it says nothing sensible."""
    if form.is_bound:
        form.is_valid()
    return form.cleaned_data.get(name) if form.is_bound else None


def _first_error(form: Any) -> str:
    if not form.is_bound:
        return ""
    return next((str(sentence) for sentences in form.errors.values() for sentence in sentences), "")
