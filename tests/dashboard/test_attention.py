"""The needs-attention queue: what waits, in words, and what settles it, with and without a script."""

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Refund
from registration.services.errors import RefundOutcome
from registration.services.events import intent_changed, refund_changed
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.stripe_gateway import gateway_for
from tests.cast import HTMX, STRIPE_KEY, control, make_order, pay
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled
from tests.registration.books import make_refund, stripe_post
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind
LIST = "/attention/"


def add(conference: Conference, kind: str, subject: str = "re_1", amount: str = "50.00", **fields: Any) -> OpenItem:
    """An open item with the facts that its sentence needs."""
    facts = {"amount": amount, "currency": conference.currency} | fields.pop("facts", {})
    return OpenItem.objects.create(conference=conference, kind=kind, subject=subject, facts=facts, **fields)


def settle(client: Client, item: OpenItem, action: str, *, htmx: bool = False, **data: str) -> Any:
    """Send one of the item's forms."""
    url = reverse("attention_settle", args=[item.pk])
    return client.post(url, {"action": action, **data}, headers=HTMX if htmx else {})


def refunded(order: Order, amount: str) -> Refund:
    """A refund to the card, whatever becomes of it."""
    with suppress(RefundOutcome):
        RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CARD)
    return order.refunds.latest("pk")


# Looking


def test_nothing_waits(linus_client: Client, conference: Conference) -> None:
    assert "All is well" in text_of(linus_client.get(LIST))


@pytest.mark.parametrize(
    ("kind", "subject", "facts", "sentence"),
    [
        (Kind.UNCONFIRMED, "part:1", {}, "Stripe did not answer about a refund of €50.00."),
        (
            Kind.FAILED,
            "part:1",
            {"cause": "lost_or_stolen_card"},
            "A refund of €50.00 failed: the card was lost or stolen.",
        ),
        (Kind.FAILED, "part:1", {}, "A refund of €50.00 failed: Stripe gave no reason."),
        (Kind.EXTERNAL, "re_1", {}, "€50.00 was refunded at Stripe, not from this desk."),
        (Kind.UNMATCHED, "re_1", {}, "€50.00 was refunded at Stripe for a payment that belongs to no order here."),
        (Kind.UNMATCHED, "pi_1", {}, "€50.00 was paid at Stripe and belongs to no order here."),
        (Kind.UNMATCHED, "dp_1", {}, "€50.00 was disputed at Stripe on a payment that belongs to no order here."),
        (Kind.OVERPAID, "payment:1", {}, "€50.00 was paid above the order"),
        (Kind.PAID_LATE, "payment:1", {}, "€50.00 arrived after the order had ended."),
        (Kind.MANUAL_TRANSFER, "part:1", {}, "€50.00 has to be paid back by hand."),
        (Kind.SLOW, "part:1", {}, "A refund of €50.00 has been waiting at Stripe for long."),
        (Kind.APPROVAL, "refund:1", {}, "A refund of €50.00 waits for a second person."),
        (Kind.CREDIT_SPENT, "credit:1", {}, "after €50.00 of the credit that came with it had been spent"),
        (Kind.CHARGED_BACK, "dp_1", {"refunded": "20.00"}, "€50.00 went out twice: €20.00 refunded, and a lost"),
        (
            Kind.DISPUTED,
            "dp_1",
            {"reason": "fraudulent", "due_by": "2027-01-04T23:59:00+00:00"},
            "disputed a payment of €50.00: they say they did not make the payment. Evidence is due on 4 January 2027.",
        ),
        (Kind.DISPUTED, "dp_1", {"amount": "", "due_by": ""}, "disputed a payment of some money: Stripe names no"),
    ],
)
def test_each_kind_is_a_plain_sentence(
    linus_client: Client, conference: Conference, kind: str, subject: str, facts: dict[str, str], sentence: str
) -> None:
    add(conference, kind, subject, facts=facts)

    assert sentence in text_of(linus_client.get(LIST))


def test_the_oldest_is_first_and_chips_narrow_it_down(
    grace_client: Client, conference: Conference, other_conference: Conference
) -> None:
    add(conference, Kind.EXTERNAL, "re_1", "11.00")
    add(conference, Kind.OVERPAID, "payment:1", "22.00")
    add(conference, Kind.EXTERNAL, "re_2", "33.00")
    add(other_conference, Kind.EXTERNAL, "re_3", "44.00")

    every = text_of(grace_client.get(LIST))
    some = text_of(grace_client.get(LIST, {"kind": "OVERPAID"}, headers=HTMX))

    assert every.index("€11.00") < every.index("€22.00") < every.index("€33.00")
    assert "44.00" not in every
    assert 'Refunded at Stripe <span class="count">2</span>' in every
    assert "€22.00" in some
    assert "€11.00" not in some
    assert "<html" not in some
    assert "Nothing of this kind waits" in text_of(grace_client.get(LIST, {"kind": "SLOW"}))


def test_a_kind_that_does_not_exist_and_broken_keys_show_everything(
    grace_client: Client, conference: Conference
) -> None:
    add(conference, Kind.EXTERNAL)
    for query in ("kind=NOPE", "after=x", "before=~9", "kind=EXTERNAL&after=2027~1"):
        assert "€50.00" in text_of(grace_client.get(f"{LIST}?{query}")), query


def test_many_items_take_pages_and_few_queries(
    grace_client: Client, conference: Conference, order: Order, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        add(conference, Kind.EXTERNAL, f"re_{number}", f"{number + 100}.00", order=order)

    with django_assert_max_num_queries(16):
        first = grace_client.get(LIST)

    assert "€124.00" in text_of(first)
    assert "€125.00" not in text_of(first)
    assert "after=" in text_of(first)


def test_the_sidebar_and_the_list_of_orders_lead_there(grace_client: Client, conference: Conference) -> None:
    add(conference, Kind.EXTERNAL)

    page = text_of(grace_client.get(reverse("order_list")))

    assert '<a class="alert alert-warning gap-b" href="/attention/">' in page
    assert f'<a href="{LIST}" data-goto="a" aria-current="page">' in text_of(grace_client.get(LIST))


def test_who_may_not_settle_sees_no_forms(linus_client: Client, sam_client: Client, conference: Conference) -> None:
    item = add(conference, Kind.EXTERNAL)

    assert "Settle with a note" not in text_of(linus_client.get(LIST))
    assert "Settle with a note" in text_of(sam_client.get(LIST))
    assert settle(linus_client, item, "acknowledge", note="x").status_code == 403


# Settling with a note


def test_a_note_settles_it_in_somebodys_name(grace_client: Client, grace: Any, conference: Conference) -> None:
    item = add(conference, Kind.EXTERNAL)

    response = settle(grace_client, item, "acknowledge", note="Made by Finance on the phone.")

    assert response.status_code == 302
    item.refresh_from_db()
    assert (item.resolved_by, item.resolution) == (grace, "Made by Finance on the phone.")
    assert "All is well" in text_of(grace_client.get(LIST))
    page = text_of(grace_client.get(reverse("attention_item", args=[item.pk])))
    assert "Settled by Grace Hopper" in page
    assert "Made by Finance on the phone." in page
    assert "Settle with a note" not in page


def test_with_htmx_the_row_and_the_counts_change_in_place(grace_client: Client, conference: Conference) -> None:
    item = add(conference, Kind.EXTERNAL)
    add(conference, Kind.DISPUTED, "dp_1")

    answer = text_of(settle(grace_client, item, "acknowledge", htmx=True, note="Fine."))

    assert answer.startswith(f'<li class="refund" id="item-{item.pk}"')
    assert "Settled by Grace Hopper" in answer
    assert 'id="queues" hx-swap-oob="true"' in answer
    assert '<span class="count count-hot">1</span>' in answer
    assert 'id="waiting-chips"' in answer
    assert "<html" not in answer


@pytest.mark.parametrize("htmx", [True, False])
def test_a_missing_note_is_asked_for(grace_client: Client, conference: Conference, htmx: bool) -> None:
    item = add(conference, Kind.EXTERNAL)

    response = settle(grace_client, item, "acknowledge", htmx=htmx, note=" ")

    assert response.status_code == 422
    assert "Say what was done about it" in text_of(response)
    assert '<details class="settle-form" open>' in text_of(response)
    assert OpenItem.objects.unresolved().exists()


def test_a_colleague_was_first(grace_client: Client, sam_client: Client, conference: Conference) -> None:
    item = add(conference, Kind.EXTERNAL)
    settle(sam_client, item, "acknowledge", note="Mine.")

    response = settle(grace_client, item, "acknowledge", htmx=True, note="No, mine.")

    assert response.status_code == 422
    assert "Settled by Sam Gamgee" in text_of(response)
    item.refresh_from_db()
    assert str(item.resolution) == "Mine."


@pytest.mark.parametrize("kind", [Kind.UNCONFIRMED, Kind.MANUAL_TRANSFER, Kind.APPROVAL])
def test_a_note_does_not_settle_what_is_still_owed(grace_client: Client, conference: Conference, kind: str) -> None:
    item = add(conference, kind, "part:1")

    assert "Settle with a note" not in text_of(grace_client.get(LIST))
    assert settle(grace_client, item, "acknowledge", note="Looks fine.").status_code == 422
    assert OpenItem.objects.unresolved().exists()


def test_an_action_that_does_not_exist_is_not_found(grace_client: Client, conference: Conference) -> None:
    assert settle(grace_client, add(conference, Kind.EXTERNAL), "delete").status_code == 404


# Settling with money, at the sandbox


@pytest.mark.trap(11)
def test_a_failed_refund_is_given_as_credit_instead(
    grace_client: Client, conference: Conference, card_order: Order, sandbox: "SandboxServer"
) -> None:
    refund = refunded(card_order, "30.00")
    part = refund.parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", reason="lost_or_stolen_card")
    refund_changed(conference, {"id": part.stripe_refund_id})
    page = text_of(grace_client.get(LIST))
    url = reverse("refund_create", args=[card_order.reference])

    assert f'href="{url}?retry_of={refund.pk}"' in page
    assert f'href="{url}?retry_of={refund.pk}&amp;destination=CREDIT"' in page
    card_order.refresh_from_db()
    form = filled(card_order, amount="30.00", destination="CREDIT", retry_of=str(refund.pk))
    sent = grace_client.post(url, form)

    assert sent.status_code == 302
    assert card_order.refunds.latest("pk").retry_of == refund
    assert "All is well" in text_of(grace_client.get(LIST))


@pytest.mark.trap(4)
@pytest.mark.parametrize("htmx", [True, False])
def test_check_now_settles_what_stripe_did_not_answer(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    with fault(sandbox, "close_after_commit", count=9):
        refunded(card_order, "30.00")
    item = OpenItem.objects.unresolved().get()
    assert item.kind == Kind.UNCONFIRMED
    assert "Check now" in text_of(grace_client.get(LIST))

    response = settle(grace_client, item, "check", htmx=htmx)

    assert response.status_code == (200 if htmx else 302)
    item.refresh_from_db()
    assert item.resolved_at is not None
    assert card_order.refunds.get().state == Refund.State.SUCCEEDED


def test_check_now_says_when_stripe_is_still_silent(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    with fault(sandbox, "close_after_commit", count=99, path="/v1/refunds"):
        refunded(card_order, "30.00")
        answer = settle(grace_client, OpenItem.objects.unresolved().get(), "check", htmx=True)

    assert "Stripe has not settled it yet" in text_of(answer)
    assert "The sum stays reserved, and we keep asking." in text_of(answer)
    assert "Check now" in text_of(answer)


@pytest.mark.parametrize(
    ("kind", "state", "said"),
    [
        (Kind.UNSENT, "REQUESTED", "Tried just now. The sum stays reserved, and we keep trying."),
        (Kind.SLOW, "PENDING", "Stripe has it, and its sum counts as refunded."),
        (Kind.SLOW, "REQUIRES_ACTION", "Stripe has it and waits for the attendee."),
    ],
)
def test_check_now_says_where_the_money_is(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", kind: str, state: str, said: str
) -> None:
    part = make_refund(card_order, "30.00", Refund.State[state])
    item = add(card_order.conference, kind, f"part:{part.pk}", order=card_order, refund=part.refund)

    with fault(sandbox, "rate_limit", count=99, path="/v1/refunds"):
        answer = text_of(settle(grace_client, item, "check", htmx=True))

    assert said in answer
    assert ("stays reserved" in answer) == (state == "REQUESTED")


def test_slow_is_settled_once_stripe_has_settled_it(
    grace_client: Client, conference: Conference, card_order: Order
) -> None:
    refund = refunded(card_order, "30.00")
    item = add(conference, Kind.SLOW, f"refund:{refund.pk}", order=card_order, refund=refund)

    settle(grace_client, item, "check", htmx=True)

    item.refresh_from_db()
    assert str(item.resolution) == "Stripe answered: Succeeded."


def test_there_is_nothing_to_ask_about_a_dispute(grace_client: Client, conference: Conference) -> None:
    answer = settle(grace_client, add(conference, Kind.DISPUTED, "dp_1"), "check", htmx=True)

    assert "There is nothing to ask Stripe about this." in text_of(answer)


def test_a_transfer_by_hand_is_recorded_from_here(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, total="40.00", status=Order.Status.PAID)
    pay(order, "40.00", method="MANUAL")
    refund = Refund.objects.create(order=order, amount=Decimal("40.00"), state=Refund.State.PENDING)
    part = refund.parts.create(
        payment=order.payments.get(), channel="MANUAL", amount=Decimal("40.00"), state=Refund.State.PENDING
    )
    add(conference, Kind.MANUAL_TRANSFER, f"part:{part.pk}", "40.00", order=order, refund=refund)
    url = reverse("manual_confirm", args=[part.pk])

    assert f'href="{url}"' in text_of(grace_client.get(LIST))
    grace_client.post(url, {"reference": "SEPA 1"})

    assert "All is well" in text_of(grace_client.get(LIST))


@pytest.mark.trap(29)
def test_what_was_paid_too_much_opens_the_form_with_the_difference(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, paid="80.00")
    pay(order, "20.00")
    add(conference, Kind.OVERPAID, "payment:1", "20.00", order=order)
    url = reverse("refund_create", args=[order.reference]) + "?amount=20.00"

    assert f'href="{url}"' in text_of(grace_client.get(LIST))
    assert 'value="20.00"' in text_of(grace_client.get(url))
    for asked in ("1e400", "-1", "NaN", "٣"):
        assert grace_client.get(url.replace("20.00", asked)).status_code == 200


@pytest.mark.trap(30)
@pytest.mark.parametrize("htmx", [True, False])
def test_what_came_after_the_order_was_cancelled_is_sent_back_from_here(
    grace_client: Client, conference: Conference, ada: Any, sandbox: "SandboxServer", htmx: bool
) -> None:
    order = make_order(conference, ada, paid="80.00", status=Order.Status.CANCELLED, sandbox=sandbox)
    payment = order.payments.get()
    item = add(conference, Kind.PAID_LATE, f"payment:{payment.pk}", "80.00", order=order, payment=payment)
    page = text_of(grace_client.get(LIST))
    assert "Refund the difference" not in page
    assert "Send it back to the card" in page
    assert "Settle with a note" in page

    settle(grace_client, item, "send_back", htmx=htmx)

    item.refresh_from_db()
    order.refresh_from_db()
    assert str(item.resolution) == "It went back."
    assert (order.status, order.refundable_amount) == (Order.Status.CANCELLED, Decimal("0.00"))


def test_money_that_is_gone_by_now_is_not_sent_back_again(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, paid="80.00", status=Order.Status.CANCELLED)
    item = add(conference, Kind.PAID_LATE, "payment:1", "80.00", order=order)

    response = settle(grace_client, item, "send_back", htmx=True)

    assert response.status_code == 422
    item.refresh_from_db()
    assert (item.resolved_at, order.refunds.count()) == (None, 0)


@pytest.mark.trap(11, 37)
@pytest.mark.parametrize("htmx", [True, False])
def test_a_failed_refund_is_paid_by_hand_instead(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    refund = refunded(card_order, "30.00")
    part = refund.parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail")
    refund_changed(card_order.conference, {"id": part.stripe_refund_id})
    item = OpenItem.objects.unresolved().get()
    assert "Paid by hand instead" in text_of(grace_client.get(LIST))

    assert settle(grace_client, item, "transfer", htmx=htmx, reference=" ").status_code == 422
    settle(grace_client, item, "transfer", htmx=htmx, reference="SEPA 7")

    item.refresh_from_db()
    paid = card_order.refunds.latest("pk")
    assert str(item.resolution) == f"Paid by hand as {paid.number}"
    assert paid.parts.get().trace_reference == "SEPA 7"


@pytest.mark.trap(14)
@pytest.mark.parametrize("htmx", [True, False])
def test_credit_for_what_went_back_twice_is_taken_back(
    grace_client: Client, sam_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    credit = RefundService.create_refund(card_order, amount=Decimal("80.00"), destination=Refund.Destination.CREDIT)
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=8000")
    with suppress(IntegrityError):
        refund_changed(card_order.conference, {"id": made["id"]})
    item = OpenItem.objects.unresolved().get()
    assert "Take the credit back" in text_of(grace_client.get(LIST))
    sams = text_of(sam_client.get(LIST))
    assert ("Take the credit back…" in sams, "Settle with a note" in sams) == (False, True)
    assert settle(sam_client, item, "take_back").status_code == 403
    refused = settle(sam_client, item, "acknowledge", htmx=True, note="Never mind")
    assert "Finance can write it off" in text_of(refused)

    response = settle(grace_client, item, "take_back", htmx=htmx)

    assert response.status_code == (200 if htmx else 302)
    item.refresh_from_db()
    credit.refresh_from_db()
    assert (item.refund is not None, credit.remaining_amount) == (True, Decimal("0.00"))


def test_what_cannot_be_taken_back_says_so_in_the_row(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=8000")
    item = add(card_order.conference, Kind.EXTERNAL, made["id"], order=card_order, payment=card_order.payments.get())
    with fault(sandbox, "reset", count=9):
        response = settle(grace_client, item, "take_back", htmx=True)

    assert response.status_code == 422
    assert "Nothing was changed" in text_of(response)


@pytest.mark.trap(14)
@pytest.mark.parametrize("htmx", [True, False])
def test_what_matches_no_order_is_matched(
    grace_client: Client, conference: Conference, pending_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    payment = {"id": "pi_lost", "charge": "ch_lost", "amount": 5000, "currency": "eur"}
    control(sandbox, "seed", account_key=STRIPE_KEY, payments=[payment])
    intent_changed(conference, {"id": "pi_lost"})
    made = stripe_post(sandbox, "refunds", "payment_intent=pi_lost&amount=1000")
    apply_refund(conference, gateway_for(conference).fetch_refund(made["id"]))
    item = OpenItem.objects.get(subject="pi_lost")
    assert OpenItem.objects.unresolved().count() == 2

    unknown = settle(grace_client, item, "match", htmx=htmx, reference="ORD-NOPE")
    matched = settle(grace_client, item, "match", htmx=htmx, reference=pending_order.reference)
    settle(grace_client, OpenItem.objects.get(subject=made["id"]), "match", reference=pending_order.reference)

    assert unknown.status_code == 422
    assert "has no order ORD-NOPE" in text_of(unknown)
    assert matched.status_code == (200 if htmx else 302)
    pending_order.refresh_from_db()
    assert (pending_order.paid_amount, pending_order.refunded_amount) == (Decimal("50.00"), Decimal("10.00"))
    assert not OpenItem.objects.unresolved().filter(kind=Kind.UNMATCHED).exists()
