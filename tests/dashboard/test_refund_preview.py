"""The preview: what the form would do, from the code that would do it. It never moves anything."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Refund
from tests.cast import HTMX, make_order, pay
from tests.dashboard.refund_form import filled

pytestmark = pytest.mark.django_db


def preview(client: Client, order: Order, **fields: Any) -> str:
    response = client.post(
        reverse("refund_preview", args=[order.reference]), filled(order, **fields), headers=fields.pop("headers", HTMX)
    )
    assert response.status_code == 200
    assert not Refund.objects.exists()
    return " ".join(response.content.decode().split())


def test_preview_says_what_changes(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order)

    assert '<span class="was">€80.00</span>' in html
    assert "<b>€67.50</b>" in html
    assert '<span class="was">Paid</span>' in html
    assert "<b>Partially refunded</b>" in html
    assert "Ada gets" in html
    assert "€12.50 on Visa ending 4242" in html


def test_preview_swaps_the_button_with_its_amount(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="50")

    button = html.partition("<button")[2]
    assert 'id="refund-submit"' in button
    assert 'hx-swap-oob="true"' in button
    assert "Refund €50.00</button>" in button


def test_preview_is_polite(grace_client: Client, order: Order) -> None:
    assert 'aria-live="polite" id="preview"' in preview(grace_client, order)


def test_preview_of_everything(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, mode="full")

    assert "<b>€0.00</b>" in html
    assert "<b>Refunded</b>" in html


def test_preview_of_several_payments_shows_each(grace_client: Client, order: Order) -> None:
    Order.objects.update(total=Decimal("120.00"))
    pay(order, "40.00", card_brand="mastercard", card_last4="4444")

    html = preview(grace_client, order, amount="100")

    assert "€80.00 on Visa ending 4242" in html
    assert "€20.00 on Mastercard ending 4444" in html


def test_preview_of_a_fee_shows_both_sums(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="50", fee_kind="percent", fee_percent="10")

    assert "<dt>Kept as a fee</dt><dd><b>€5.00</b>" in html
    assert "Refund €45.00</button>" in html


def test_preview_of_a_split(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="50", destination="SPLIT", credit_amount="20")

    assert "€30.00 on Visa ending 4242" in html
    assert "€20.00 as store credit" in html


def test_preview_of_paying_twice_asks_for_the_total(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="50", destination="CARD_AND_CREDIT")

    assert "This pays out twice." in html
    assert "I want to pay out €100.00 in total" in html
    assert 'value="100.00"' in html
    assert 'aria-disabled="true" aria-describedby="both-warning"' in html
    assert "Pay out €100.00</button>" in html
    assert "Tick that" not in html
    assert '<b class="amber">€100.00 for a refund of €50.00</b>' in html


def test_tick_for_the_total_frees_the_button(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="50", destination="CARD_AND_CREDIT", confirm_total="100.00")

    assert "aria-disabled" not in html
    assert 'id="id_confirm_total" checked' in html


def test_tick_for_another_total_does_not_count(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="40", destination="CARD_AND_CREDIT", confirm_total="100.00")

    assert "aria-disabled" in html


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("abc", "Enter an amount like 12.50."),
        ("-1", "Enter the amount without a minus sign."),
        ("0", "Enter an amount greater than zero."),
        ("$10", "Amounts here are in EUR. Enter it in EUR, without $."),
        ("1,234", "1,234 can be read in two ways. If you mean thousands, enter 1234.00."),
        ("9999", "At most €80.00 can be refunded."),
    ],
)
def test_preview_of_a_wrong_amount_says_what_is_wrong(
    grace_client: Client, order: Order, text: str, missing: str
) -> None:
    html = preview(grace_client, order, amount=text)

    assert missing in html
    assert "Choose an amount" not in html
    assert ">Refund</button>" in html


def test_preview_of_no_amount_says_what_is_left(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, amount="")

    assert "Choose an amount to see the result. Refundable now: €80.00." in html
    assert ">Refund</button>" in html


def test_preview_does_not_ask_for_reason_or_note(grace_client: Client, order: Order) -> None:
    assert "<b>€67.50</b>" in preview(grace_client, order, reason="", note="")


def test_preview_without_script_is_the_page_with_the_result(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, headers={})

    assert "<html" in html
    assert "€12.50 on Visa ending 4242" in html
    assert "Refund €12.50</button>" in html


def test_preview_is_for_those_who_may_refund(linus_client: Client, sam_client: Client, order: Order) -> None:
    url = reverse("refund_preview", args=[order.reference])

    assert linus_client.post(url, filled(order), headers=HTMX).status_code == 403
    twice = filled(order, destination="CARD_AND_CREDIT")
    assert sam_client.post(url, twice, headers=HTMX).status_code == 403
    assert sam_client.get(url).status_code == 405


def test_preview_of_another_conferences_order(grace_client: Client, other_conference: Conference, ada: Any) -> None:
    order = make_order(other_conference, ada, paid="80.00")

    response = grace_client.post(reverse("refund_preview", args=[order.reference]), filled(order), headers=HTMX)

    assert response.status_code == 404
