"""What staff read after a refund was decided: sent, being verified, or refused. Always from a fresh read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, reswap, trigger_client_event

from dashboard.names import attendee_name
from dashboard.orders.rows import row_for
from dashboard.refunds.held import Held, held, remember
from dashboard.refunds.panel import money, where
from registration.models import Order, Refund, RefundPart
from registration.models.refund import OVER, UNDECIDED, State
from registration.refund_ends import UNDONE, WITHDRAWN, ended_as
from registration.refund_words import TakenOn, came_back, ended_because, taken_on_by
from registration.services.planner import blocked_reason
from registration.services.retries import left_to_try

Channel = RefundPart.Channel


def answer_with_outcome(request: HttpRequest, refund: Refund, *, repeated: bool = False) -> HttpResponse:
    """Show what became of a refund where its form was.

    Args:
        request: The submit.
        refund: The decision, as the database has it now.
        repeated: The same form was sent before and this is what it did then.
    """
    refund = _read(refund)
    if refund.is_held:
        remember(request, refund)
    if not is_htmx(request):
        _tell(request, refund, repeated=repeated)
        sent = refund.state not in (*UNDECIDED, *OVER)
        return redirect(_card_url(refund) if sent else reverse("refund_detail", args=[refund.pk]))
    if is_verifying(refund) or refund.state == State.FAILED:
        return _result(request, refund)
    _tell(request, refund, repeated=repeated)
    if _is_on_order_page(request, refund.order):
        return HttpResponseClientRedirect(_card_url(refund))
    if _is_on_refund_page(request):
        # Its head says what can be done now, and the focus that comes back to it would keep it as it was.
        return HttpResponseClientRedirect(reverse("refund_detail", args=[refund.pk]))
    return answer_with_row(request, refund)


def answer_after_hold(request: HttpRequest, refund: Refund, *, sent: bool = False) -> HttpResponse:
    """Say what became of a refund that could be undone until now; its toast goes and its row is drawn afresh.

    Nobody is torn away from what they do meanwhile: no drawer closes and the focus stays.

    Args:
        request: The undo, or the page that waited for the seconds to pass.
        refund: As it was; it is read again.
        sent: This request ended the time to undo; a later one says nothing a second time.
    """
    refund = _read(refund)
    if sent or is_verifying(refund):
        _tell(request, refund, repeated=False)
    if not is_htmx(request):
        came_from = urlsplit(request.headers.get("Referer", "")).path
        is_there = came_from == order_url(refund.order)
        return redirect(_card_url(refund) if is_there else reverse("refund_detail", args=[refund.pk]))
    row = row_for(refund.order, request.user) if _may_show_the_row(request) else None
    context = {"row": row, "gone": refund}
    response = reswap(render(request, "dashboard/refunds/_done.html", context), "none")
    detail = {"row": f"order-{refund.order.reference}", "card": _card(refund)}
    # The list reads its counts anew, a page about the order or the refund its own parts.
    about_it = _is_on_order_page(request, refund.order) or _is_on_refund_page(request)
    trigger_client_event(response, "live:changed" if about_it else "orders:changed", {})
    return trigger_client_event(response, "refund:settled", detail, after="settle")


def answer_after_transfer(request: HttpRequest, refund: Refund) -> HttpResponse:
    """Lead on from a transfer that was recorded: to the next in the queue, else to the refund that it belongs to."""
    refund = _read(refund)
    if not is_htmx(request):
        return redirect("refund_detail", refund.pk)
    if is_on_queue(request):
        return answer_with_row(request, refund)
    if _is_on_order_page(request, refund.order):
        return HttpResponseClientRedirect(_card_url(refund))
    return HttpResponseClientRefresh()


def answer_withdrawn(request: HttpRequest, refund: Refund, back: str) -> HttpResponse:
    """Show what a withdrawn proposal leaves behind, where it was withdrawn; ``back`` names that without htmx."""
    if is_htmx(request) and is_on_queue(request):
        response = reswap(render(request, "dashboard/refunds/_done.html"), "none")
        return trigger_client_event(response, "waiting:changed", {}, after="settle")
    if is_htmx(request):
        return HttpResponseClientRefresh()
    if back == "queue":
        return redirect("attention_list")
    return redirect(_card_url(refund) if back == "order" else reverse("refund_detail", args=[refund.pk]))


def _read(refund: Refund) -> Refund:
    return Refund.objects.select_related("order__conference", "order__user").get(pk=refund.pk)


def is_verifying(refund: Refund) -> bool:
    """Whether it was sent, or should have been, and nobody can tell yet what became of it."""
    return refund.state in (State.REQUESTED, State.UNCONFIRMED) and not refund.is_held


def is_htmx(request: Any) -> bool:
    """Whether a piece is wanted, not a page."""
    return bool(request.htmx)


def order_url(order: Order) -> str:
    """The order's page."""
    return reverse("order_detail", args=[order.reference])


def _card(refund: Refund) -> str:
    """The element that shows the refund on the page of its order."""
    return f"refund-{refund.pk}"


def _card_url(refund: Refund) -> str:
    """Where the refund is shown among all that happened to its order; the focus goes there with it."""
    return f"{order_url(refund.order)}#{_card(refund)}"


def _result(request: HttpRequest, refund: Refund) -> HttpResponse:
    """Say it in the drawer, in place of the form: there is nothing left to send again."""
    here = _is_on_order_page(request, refund.order)
    context = result_context(refund) | {"row": None if here else row_for(refund.order, request.user), "here": here}
    return render(request, "dashboard/refunds/_result.html", context)


def answer_with_row(request: HttpRequest, refund: Refund) -> HttpResponse:
    """Close the drawer, put the fresh row in place, say what was sent."""
    row = row_for(refund.order, request.user) if _may_show_the_row(request) else None
    waiting: list[Held] = [held(refund)] if refund.is_held else []
    response = render(request, "dashboard/refunds/_done.html", {"row": row, "held": waiting})
    reswap(response, "none")
    detail = {"row": f"order-{refund.order.reference}"}
    return trigger_client_event(response, "refund:done", detail, after="settle")


def _is_on_order_page(request: Any, order: Order) -> bool:
    return _page_below(request) == order_url(order)


def _is_on_refund_page(request: Any) -> bool:
    with suppress(Resolver404):
        return resolve(_page_below(request)).url_name == "refund_detail"
    return False


def is_on_queue(request: Any) -> bool:
    """Whether the page below is the whole queue of what needs attention, which is drawn anew when something settles."""
    return _page_below(request) == reverse("attention_list")


def may_be_linked(request: Any) -> bool:
    """Whether the page below the drawer opens the panel of an order by ``?refund=ORD-…``."""
    with suppress(Resolver404):
        return is_htmx(request) and resolve(_page_below(request)).url_name in ("order_list", "order_detail")
    return False


def _may_show_the_row(request: Any) -> bool:
    """Whether the page below the drawer is the list of orders, as far as htmx tells; no other has a place for a row."""
    return _page_below(request) in ("", reverse("order_list"))


def _page_below(request: Any) -> str:
    """The path that the browser shows, without what was asked for or jumped to on it."""
    return urlsplit(request.htmx.current_url_abs_path or "").path


def _tell(request: HttpRequest, refund: Refund, *, repeated: bool) -> None:
    """Leave the message that the next page or the toasts show."""
    if refund.is_held:
        return  # Its own toast counts the seconds.
    if refund.state == State.AWAITING_APPROVAL:
        messages.info(request, f"{proposed_title(refund)}\n{proposed_text(refund)}")
    elif refund.state in UNDECIDED:
        messages.warning(request, f"{verifying_title(refund)}\n{verifying_text(refund)}")
    elif refund.state in (State.REJECTED, State.CANCELED):
        messages.info(request, f"{ended_title(refund)}\n{refused_text(refund)}")
    elif refund.state in OVER:
        messages.error(request, f"{ended_title(refund)}\n{refused_text(refund)}")
    elif repeated:
        text = _("This form was already sent. It was not sent again.")
        messages.info(request, f"{sent_headline(refund)}\n{text}")
    else:
        _tell_sent(request, refund)


def _tell_sent(request: HttpRequest, refund: Refund) -> None:
    parts = list(refund.parts.select_related("payment__credit"))
    lines = [f"{refund.order.reference}, {attendee_name(refund.order)}."]
    if len(parts) > 1:
        lines += [f"{money(refund.order, part.amount)} {where(part)}." for part in parts]
    failed = [part for part in parts if part.state in OVER]
    if failed:
        lines.append(_("Not all of it went: look at %(number)s.") % {"number": refund.number})
    level = messages.WARNING if failed else messages.SUCCESS
    messages.add_message(request, level, "\n".join([sent_headline(refund), *lines]))


def sent_headline(refund: Refund) -> str:
    """What was done, and never more than is known: Stripe accepting is not the money arriving."""
    channels = set(refund.parts.values_list("channel", flat=True))
    amount = {"amount": money(refund.order, refund.amount)}
    if refund.destination == Refund.Destination.CARD_AND_CREDIT:
        return _("%(amount)s refund sent to Stripe, and the same again as credit") % amount
    if channels == {Channel.STRIPE}:
        return _("%(amount)s refund sent to Stripe") % amount
    if channels <= {Channel.STORE_CREDIT, Channel.CREDIT_RETURN}:
        return _("%(amount)s given as store credit") % amount
    if channels == {Channel.MANUAL}:
        return _("%(amount)s to pay back by hand") % amount
    return _("%(amount)s refund under way") % amount


def result_context(refund: Refund, *, is_doubtful: bool = False) -> dict[str, Any]:
    """What the drawer or the refund's page says of a refund that is not simply on its way.

    Args:
        refund: As it stands now.
        is_doubtful: It may have been repeated at Stripe, so nothing is advised.
    """
    verifying = is_verifying(refund)
    retry = f"{reverse('refund_create', args=[refund.order.reference])}?"
    later = taken_on_by(refund) if refund.state in OVER else None
    newest = later.refunds[-1] if later else None
    return {
        "refund": refund,
        "order": refund.order,
        "order_url": order_url(refund.order),
        "detail_url": reverse("refund_detail", args=[refund.pk]),
        "check_url": reverse("refund_check", args=[refund.pk]),
        "is_verifying": verifying,
        "may_go_again": refund.state in OVER and may_go_again(refund),
        "result_tone": "info" if later and later.is_whole else "danger",
        "later_url": reverse("refund_detail", args=[newest.pk]) if newest else "",
        "later_label": newest.number if newest else "",
        "result_title": verifying_title(refund) if verifying else ended_title(refund, later),
        "result_text": verifying_text(refund) if verifying else refused_text(refund, later, advise=not is_doubtful),
        "is_doubtful": is_doubtful,
        "retry_url": retry + urlencode({"retry_of": refund.pk}),
        "credit_url": retry + urlencode({"retry_of": refund.pk, "destination": Refund.Destination.CREDIT}),
    }


def proposed_title(refund: Refund) -> str:
    """A proposal, said as what it waits for."""
    return _("%(amount)s waits for approval") % {"amount": money(refund.order, refund.amount)}


def proposed_text(refund: Refund) -> str:
    """What a proposal does meanwhile, and what it does not."""
    return _("%(number)s is proposed and its amount reserved. Nothing is sent until a second person approves it.") % {
        "number": refund.number
    }


ENDED: dict[str, Any] = {
    State.REJECTED: gettext_lazy("The refund was not approved"),
    WITHDRAWN: gettext_lazy("The proposal was withdrawn"),
    State.CANCELED: gettext_lazy("The refund was cancelled"),
    UNDONE: gettext_lazy("The refund was undone"),
}


def may_go_again(refund: Refund) -> bool:
    """Whether some of a refund that came to nothing is left to try, and the order has it to give."""
    return bool(left_to_try(refund)) and not blocked_reason(refund.order)


def ended_title(refund: Refund, later: TakenOn | None = None) -> str:
    """Why a refund went no further, or how its money went back in the end."""
    if later is not None and refund.state == State.FAILED:
        return later.words.rstrip(".")
    if title := ENDED.get(ended_as(refund)):
        return str(title)
    if came_back(refund):
        return _("The refund did not reach the attendee")
    return _("Stripe refused the refund")


def verifying_title(refund: Refund) -> str:
    """Stripe's silence, said as what we do about it; while it is asked for the first time nobody knows of a silence."""
    amount = {"amount": money(refund.order, refund.amount)}
    if refund.state == State.REQUESTED and not refund.parts.exclude(last_problem="").exists():
        return _("%(amount)s is being sent. Stripe has not answered yet.") % amount
    return _("Stripe did not answer. We are checking whether %(amount)s was refunded.") % amount


def verifying_text(refund: Refund) -> str:
    """What must not happen meanwhile."""
    return _("%(number)s is on hold and %(amount)s is reserved, so it cannot be paid twice. Do not send it again.") % {
        "number": refund.number,
        "amount": money(refund.order, refund.amount),
    }


def refused_text(refund: Refund, later: TakenOn | None = None, *, advise: bool = True) -> str:
    """The cause in words, whether money moved, what to do now."""
    told = _cause_and_money(refund, later)
    if refund.state != State.FAILED or (later is not None and later.is_whole):
        return told
    if why := blocked_reason(refund.order):
        return f"{told} {why}"
    return f"{told} " + _("You can give store credit instead.") if advise else told


def _cause_and_money(refund: Refund, later: TakenOn | None) -> str:
    cause = (ended_because(refund) or str(State(refund.state).label)).rstrip(".")
    if later is not None and refund.state != State.FAILED:
        return f"{cause}. {later.words}"
    if later is not None:
        left = {"left": money(refund.order, left_to_try(refund))}
        return f"{cause}." if later.is_whole else f"{cause}. " + _("%(left)s of it is left to try.") % left
    moved = _("The money is back with us.") if came_back(refund) else _("No money moved.")
    return f"{cause}." if moved.rstrip(".") in cause else f"{cause}. {moved}"
