"""The refund form: sent once, refused in words, never guessed."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Credit, Order
from tests.cast import HTMX, make_order
from tests.dashboard.refund_form import assert_nothing_changed, filled, refund_url

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_form_opens_in_the_drawer(grace_client: Client, order: Order) -> None:
    html = grace_client.get(refund_url(order), headers=HTMX).content.decode()

    assert "<html" not in html
    assert "Refund " + order.reference in html
    assert "Full €80.00" in html
    assert "Visa ending 4242. Arrives in 5 to 10 business days." in html
    assert "Refund €80.00</span>" in html


def test_form_is_a_page_without_script(grace_client: Client, order: Order) -> None:
    html = grace_client.get(refund_url(order)).content.decode()

    assert "<html" in html
    assert f'action="{refund_url(order)}"' in html
    assert 'hx-target="#drawer"' not in html.partition('id="refund-form"')[2].partition(">")[0]


def test_refund_to_the_card_returns_the_row_and_a_toast(grace_client: Client, card_order: Order) -> None:
    response = grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    html = response.content.decode()
    refund = card_order.refunds.get()
    assert response.status_code == 200
    assert response["HX-Reswap"] == "none"
    assert f'"row": "order-{card_order.reference}"' in response["HX-Trigger-After-Settle"]
    assert f'id="order-{card_order.reference}"' in html.partition("<template>")[2].partition("</template>")[0]
    assert "€12.50 refund sent to Stripe" in html
    assert (refund.amount, refund.destination, refund.note) == (Decimal("12.50"), "CARD", "Wrote in on Monday")
    assert refund.reason == "Requested by attendee"
    assert refund.requested_by is not None


def test_refund_without_script_goes_to_the_order(grace_client: Client, card_order: Order) -> None:
    response = grace_client.post(refund_url(card_order), filled(card_order))

    assert response.status_code == 302
    shown = f"#refund-{card_order.refunds.get().pk}"
    assert response["Location"] == reverse("order_detail", args=[card_order.reference]) + shown
    assert card_order.refunds.get().amount == Decimal("12.50")


def test_full_refund_gives_everything_back(grace_client: Client, card_order: Order) -> None:
    grace_client.post(refund_url(card_order), filled(card_order, mode="full", amount=""), headers=HTMX)

    card_order.refresh_from_db()
    assert (card_order.refunded_amount, card_order.status) == (Decimal("80.00"), Order.Status.REFUNDED)


def test_line_items_add_up_to_the_amount(
    grace_client: Client, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, paid="120.00", items={"Ticket": "70.00", "Dinner": "50.00"}, sandbox=sandbox)
    dinner = order.line_items.get(description="Dinner")

    grace_client.post(refund_url(order), filled(order, mode="items", lines=[dinner.pk], amount=""), headers=HTMX)

    refund = order.refunds.get()
    assert refund.amount == Decimal("50.00")
    assert [(line.line_item, line.amount) for line in refund.lines.all()] == [(dinner, Decimal("50.00"))]


@pytest.mark.parametrize(
    ("fields", "fee", "out"),
    [
        ({"fee_kind": "fixed", "fee_amount": "2.50"}, "2.50", "10.00"),
        ({"fee_kind": "percent", "fee_percent": "10"}, "1.25", "11.25"),
    ],
)
def test_fee_is_kept_back(grace_client: Client, card_order: Order, fields: dict[str, str], fee: str, out: str) -> None:
    grace_client.post(refund_url(card_order), filled(card_order, **fields), headers=HTMX)

    refund = card_order.refunds.get()
    assert (refund.fee_amount, refund.amount) == (Decimal(fee), Decimal(out))


def test_refund_as_credit_calls_nobody(grace_client: Client, order: Order) -> None:
    response = grace_client.post(refund_url(order), filled(order, destination="CREDIT"), headers=HTMX)

    assert "€12.50 given as store credit" in response.content.decode()
    assert Credit.objects.get(source_order=order).remaining_amount == Decimal("12.50")


def test_split_sends_part_to_the_card(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order, destination="SPLIT", credit_amount="4.50")

    response = grace_client.post(refund_url(card_order), fields, headers=HTMX)

    parts = card_order.refunds.get().parts.order_by("channel").values_list("channel", "amount")
    assert set(parts) == {("STRIPE", Decimal("8.00")), ("STORE_CREDIT", Decimal("4.50"))}
    assert "€8.00 on Visa ending 4242." in response.content.decode()


def test_paying_twice_needs_the_tick_for_that_total(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order, destination="CARD_AND_CREDIT")

    unticked = grace_client.post(refund_url(card_order), fields, headers=HTMX)
    other_total = grace_client.post(refund_url(card_order), fields | {"confirm_total": "20.00"}, headers=HTMX)

    assert unticked.status_code == other_total.status_code == 422
    assert "This pays out twice." in unticked.content.decode()
    assert "I want to pay out €25.00 in total" in unticked.content.decode()
    assert_nothing_changed(card_order)


def test_paying_twice_needs_a_note(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order, destination="CARD_AND_CREDIT", confirm_total="25.00", note="")

    response = grace_client.post(refund_url(card_order), fields, headers=HTMX)

    assert response.status_code == 422
    assert "Write down why the attendee gets this twice." in response.content.decode()
    assert_nothing_changed(card_order)


def test_paying_twice_pays_card_and_credit(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order, destination="CARD_AND_CREDIT", confirm_total="25.00")

    response = grace_client.post(refund_url(card_order), fields, headers=HTMX)

    assert response.status_code == 200
    assert card_order.refunds.get().amount == Decimal("12.50")
    assert Credit.objects.get(source_order=card_order, remaining_amount__gt=0).remaining_amount == Decimal("12.50")


def test_support_is_not_offered_and_not_allowed_to_pay_twice(sam_client: Client, card_order: Order) -> None:
    form = sam_client.get(refund_url(card_order), headers=HTMX)
    fields = filled(card_order, destination="CARD_AND_CREDIT", confirm_total="25.00")
    response = sam_client.post(refund_url(card_order), fields, headers=HTMX)

    assert "CARD_AND_CREDIT" not in form.content.decode()
    assert response.status_code == 403
    assert_nothing_changed(card_order)
