"""The preview: what the form would do, from the code that would do it. It never moves anything."""

import re
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


def without_icons(html: str) -> str:
    return re.sub(r"<svg.*?</svg> ?", "", html)


def test_the_preview_renews_only_what_the_panel_draws(
    grace_client: Client, order: Order, conference: Conference, ada: Any
) -> None:
    by_transfer = make_order(conference, ada, total="80.00", status=Order.Status.PAID)
    pay(by_transfer, "80.00", method="MANUAL")
    panel = grace_client.get(reverse("refund_create", args=[by_transfer.reference]), headers=HTMX).content.decode()

    assert 'id="both-warning"' not in panel
    assert 'id="both-warning"' not in preview(grace_client, by_transfer)
    assert 'id="both-warning"' in preview(grace_client, order)


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

    assert "<dt>Kept as a fee</dt><dd><b>€5.00, can still be refunded</b>" in html
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
        (
            "1,234",
            "If you mean thousands, enter 1234.00; if not, at most 2 decimals, like 1.23.",
        ),
        ("9999", "€9,999.00 is €9,919.00 more than can be refunded. Enter €80.00 or less."),
    ],
)
def test_preview_of_a_wrong_amount_says_what_is_wrong(
    grace_client: Client, order: Order, text: str, missing: str
) -> None:
    html = preview(grace_client, order, amount=text)

    assert missing in html
    assert "Choose an amount" not in html
    assert ">Refund</button>" in html


@pytest.mark.parametrize(
    ("fields", "place", "sentence"),
    [
        (
            {"amount": "9999"},
            "id_amount_error",
            "€9,999.00 is €9,919.00 more than can be refunded. Enter €80.00 or less.",
        ),
        ({"fee_kind": "fixed", "fee_amount": "13"}, "id_fee_amount_error", "Enter a fee that is less than the amount."),
        ({"fee_kind": "percent", "fee_percent": "0"}, "id_fee_percent_error", "Enter a percentage greater than zero."),
        (
            {"destination": "SPLIT", "credit_amount": "13"},
            "id_credit_amount_error",
            "Enter how much becomes credit: more than zero and less than €12.50.",
        ),
    ],
)
def test_preview_says_what_is_wrong_below_its_field_too(
    grace_client: Client, order: Order, fields: dict[str, str], place: str, sentence: str
) -> None:
    html = preview(grace_client, order, **fields)

    answer, _section, below = without_icons(html).partition("</section>")
    assert f'<p class="invalid-feedback" id="preview-refusal"><strong>{sentence}</strong></p>' in answer
    assert f'id="{place}" data-said hx-swap-oob="true"><strong>{sentence}</strong></div>' in below
    assert below.count("<strong>") == 1
    assert 'aria-disabled="true" aria-describedby="preview-refusal"' in below
    assert f'data-mend="{place.removesuffix("_error")}"' in below


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"fee_kind": "fixed"}, "Enter the fee to keep to see the result."),
        ({"fee_kind": "percent"}, "Enter the percentage to keep to see the result."),
        ({"destination": "SPLIT"}, "Enter how much becomes store credit to see the result."),
        ({"mode": "items"}, "Choose at least one line item with something left."),
        ({"amount": ""}, "Choose an amount to see the result. Refundable now: €80.00."),
    ],
)
def test_preview_waits_for_what_is_missing_without_calling_it_wrong(
    grace_client: Client, order: Order, fields: dict[str, str], sentence: str
) -> None:
    html = preview(grace_client, order, **fields)

    assert sentence in html
    assert "<strong>" not in html
    assert 'aria-disabled="true"' in html


def test_preview_passes_over_what_no_choice_asks_for(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, mode="full", amount="abc", fee_amount="x", fee_percent="y", credit_amount="z")

    assert "Refund €80.00</button>" in html
    assert "aria-disabled" not in html
    assert "<strong>" not in html


def test_preview_of_a_form_that_cannot_be_sent_says_so(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, full_amount="x", mode="full")

    assert "This form is no longer complete." in html
    assert 'aria-disabled="true"' in html


def test_preview_of_a_changed_order_says_so_and_lets_the_form_be_sent(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order, balance_seen="90.00")

    assert "This order changed while you had it open." in html
    assert "that sends nothing." in html
    assert "aria-disabled" not in html


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


def test_preview_speaks_of_the_split_only_where_it_is_drawn(
    grace_client: Client, order: Order, conference: Conference, ada: Any
) -> None:
    by_hand = make_order(conference, ada)
    pay(by_hand, "80.00", method="MANUAL")
    panels = (grace_client.get(reverse("refund_create", args=[each.reference])) for each in (order, by_hand))

    assert ['name="credit_amount"' in panel.content.decode() for panel in panels] == [True, False]
    assert 'id="id_credit_amount_error"' in preview(grace_client, order, credit_amount="")
    assert "id_credit_amount_error" not in preview(grace_client, by_hand)
