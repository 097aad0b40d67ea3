"""The needs-attention queue: what waits, in words, and what settles it, with and without a script."""

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, RefundPart
from registration.models.refund import State
from tests.cast import HTMX, make_order
from tests.dashboard.open_items import LIST, add, settle
from tests.dashboard.reading import text_of

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind


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
        (Kind.SLOW, "part:1", {}, "A refund of €50.00 is slow at Stripe."),
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


def test_what_says_why_it_waits_is_read_for_the_whole_page_at_once(
    grace_client: Client, conference: Conference, order: Order
) -> None:
    counted: list[int] = []

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            page = text_of(grace_client.get(LIST))
        assert f"Stripe is busy, {len(counted) + 1}." in page
        return len(asked)

    payment = order.payments.get()
    for number in range(3):
        refund = order.refunds.create(amount=Decimal("5.00"))
        part = refund.parts.create(
            payment=payment,
            channel=RefundPart.Channel.STRIPE,
            amount=refund.amount,
            last_problem=f"Stripe is busy, {number + 1}.",
        )
        add(conference, Kind.UNSENT, f"part:{part.pk}", order=order, refund=refund)
        failed = order.refunds.create(amount=Decimal("1.00"), state=State.FAILED)
        add(conference, Kind.FAILED, f"part:{number + 1000}", order=order, refund=failed)
        counted.append(questions())

    assert counted[0] == counted[1] == counted[2]


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


@pytest.mark.parametrize("action", ["acknowledge", "match"])
def test_a_field_that_is_wrong_says_so_with_a_mark(grace_client: Client, conference: Conference, action: str) -> None:
    item = add(conference, Kind.UNMATCHED, "pi_1")

    page = text_of(settle(grace_client, item, action, htmx=True))

    assert re.search(r'class="invalid-feedback"><svg[^>]*>.*?</svg><div><p id="error_1[^>]*><strong>', page, re.DOTALL)


@pytest.mark.trap(31)
def test_what_is_wrong_with_the_whole_form_says_so_with_a_mark(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, paid="80.00", status=Order.Status.CANCELLED)
    payment = order.payments.get()
    payment.dispute = {"id": "dp_1", "status": "needs_response"}
    payment.save()
    item = add(conference, Kind.PAID_LATE, f"payment:{payment.pk}", "80.00", order=order, payment=payment)

    page = text_of(settle(grace_client, item, "send_back", htmx=True, amount="80.00"))

    assert re.search(
        r'<p class="invalid-feedback" role="alert"><svg[^>]*>.*?</svg><strong>Not refundable', page, re.DOTALL
    )


def test_the_page_of_one_item_is_sent_no_chips_that_it_does_not_draw(grace_client: Client, order: Order) -> None:
    item = add(order.conference, Kind.DISPUTED, "dispute:1", "5.00", order=order)
    page = reverse("attention_item", args=[item.pk])
    address = reverse("attention_settle", args=[item.pk])
    form = {"action": "acknowledge", "note": ""}

    alone = grace_client.post(address, form, headers=HTMX | {"HX-Current-URL": f"http://testserver{page}?x=1"})
    listed = grace_client.post(address, form, headers=HTMX | {"HX-Current-URL": f"http://testserver{LIST}"})

    assert "waiting-chips" not in text_of(alone)
    assert "waiting-chips" in text_of(listed)
