"""The refund form refuses in words, keeps what was typed and changes nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Payment, Refund, RefundReason
from tests.cast import HTMX, make_conference, make_credit, make_order, pay
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import assert_nothing_changed, filled, refund_url
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "text",
    ["", "12.5055", "1e5", "NaN", "1,2345.6", "1.23,56", "１２", "9" * 10_000, "99999999999"],
)
def test_amount_that_is_none_is_told_what_to_type(grace_client: Client, order: Order, text: str) -> None:
    response = grace_client.post(refund_url(order), filled(order, amount=text), headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 422
    assert '<a href="#id_amount">Enter an amount like 12.50.</a>' in html
    assert f'value="{text}"' in html or not text
    assert "Wrote in on Monday" in html
    assert_nothing_changed(order)


@pytest.mark.trap(39)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-5", "Enter the amount without a minus sign."),
        ("0", "Enter an amount greater than zero."),
        ("0.00", "Enter an amount greater than zero."),
        ("$5", "Amounts here are in EUR. Enter it in EUR, without $."),
    ],
)
def test_amount_that_cannot_go_back_says_why(grace_client: Client, order: Order, text: str, sentence: str) -> None:
    response = grace_client.post(refund_url(order), filled(order, amount=text), headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 422
    assert f'<a href="#id_amount">{sentence}</a>' in html
    assert f'value="{text}"' in html
    assert_nothing_changed(order)


@pytest.mark.trap(39)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "Enter a percentage greater than zero."),
        ("-3", "Enter the percentage without a minus sign."),
        ("101", "Enter a percentage below 100: nothing would go back."),
        ("12.345", "Enter a percentage with at most two decimal places, like 12.5."),
    ],
)
def test_percentage_that_cannot_be_kept_says_why(grace_client: Client, order: Order, text: str, sentence: str) -> None:
    fields = filled(order, fee_kind="percent", fee_percent=text)

    response = grace_client.post(refund_url(order), fields, headers=HTMX)

    assert response.status_code == 422
    assert f'<a href="#id_fee_percent">{sentence}</a>' in response.content.decode()
    assert_nothing_changed(order)


@pytest.mark.parametrize(
    ("fields", "sentence", "german"),
    [
        ({"mode": "all"}, "Choose how much goes back.", "Wählen Sie, wie viel zurückgeht."),
        ({"destination": "MOON"}, "Choose where the money goes.", "Wählen Sie, wohin das Geld geht."),
        ({"reason": "0"}, "Choose one of the reasons listed.", "Wählen Sie einen der aufgeführten Gründe."),
        (
            {"fee_kind": "half"},
            "Choose whether a fee is kept.",
            "Wählen Sie, ob eine Gebühr einbehalten wird.",
        ),
        (
            {"mode": "items", "lines": ["0"]},
            "Choose among the line items listed.",
            "Wählen Sie unter den aufgeführten Positionen.",
        ),
    ],
)
def test_a_choice_that_is_made_up_is_asked_for_again(
    grace_client: Client, order: Order, fields: dict[str, Any], sentence: str, german: str
) -> None:
    for language, said in (("en", sentence), ("de", german)):
        headers = {**HTMX, "accept-language": language}
        response = grace_client.post(refund_url(order), filled(order, **fields), headers=headers)

        html = response.content.decode()
        assert response.status_code == 422
        assert said in html
        assert "Select a valid choice" not in html
    assert_nothing_changed(order)


@pytest.mark.trap(39)
def test_amount_with_two_readings_is_asked_about(grace_client: Client, order: Order) -> None:
    response = grace_client.post(refund_url(order), filled(order, amount="1.234"), headers=HTMX)

    assert response.status_code == 422
    assert (
        "1.234 can be read in two ways. If you mean thousands, enter 1234.00; if not, at most 2 decimals, like 1.23."
        in response.content.decode()
    )
    assert_nothing_changed(order)


def test_decimal_comma_is_understood(grace_client: Client, order: Order) -> None:
    grace_client.post(refund_url(order), filled(order, amount="12,50", destination="CREDIT"), headers=HTMX)

    assert order.refunds.get().amount == Decimal("12.50")


def test_more_than_is_left_links_to_the_field(grace_client: Client, order: Order) -> None:
    response = grace_client.post(refund_url(order), filled(order, amount="80.01"), headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 422
    assert "The refund was not sent" in html
    assert '<a href="#id_amount">€80.01 is €0.01 more than can be refunded. Enter €80.00 or less.</a>' in html
    assert 'id="id_amount_error"' in html
    assert_nothing_changed(order)


def test_support_limit_is_a_sentence(sam_client: Client, order: Order) -> None:
    Conference.objects.update(support_refund_limit=Decimal("10.00"), support_daily_limit=Decimal("30.00"))

    form = sam_client.get(refund_url(order), headers=HTMX).content.decode()

    assert "You can refund up to €10.00 at once and €30.00 in all for the rest of today; above that you" in form
    assert "Propose €80.00" in form


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"mode": "items"}, "Choose at least one line item with something left."),
        ({"mode": ""}, "Choose how much goes back."),
        ({"destination": ""}, "Choose where the money goes."),
        ({"reason": ""}, "Choose a reason."),
        ({"nonce": "x"}, "This form is no longer complete."),
        ({"balance_seen": ""}, "This form is no longer complete."),
        ({"fee_kind": "fixed"}, "Enter an amount like 12.50."),
        ({"fee_kind": "fixed", "fee_amount": "12.50"}, "Enter a fee that is less than the amount."),
        ({"fee_kind": "percent"}, "Enter a percentage like 10."),
        ({"destination": "SPLIT"}, "Enter an amount like 12.50."),
        ({"destination": "SPLIT", "credit_amount": "12.50"}, "Enter how much becomes credit"),
    ],
)
def test_incomplete_form_changes_nothing(
    grace_client: Client, order: Order, fields: dict[str, str], sentence: str
) -> None:
    response = grace_client.post(refund_url(order), filled(order, **fields), headers=HTMX)

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert_nothing_changed(order)


@pytest.mark.trap(47)
def test_fraud_needs_its_own_tick(grace_client: Client, card_order: Order) -> None:
    fraud = RefundReason.objects.create(conference=card_order.conference, label="Fraud", stripe_reason="fraudulent")
    fields = filled(card_order, reason=str(fraud.pk))

    refused = grace_client.post(refund_url(card_order), fields, headers=HTMX)
    assert refused.status_code == 422
    assert "Stripe then blocks the card and the email address" in refused.content.decode()
    assert_nothing_changed(card_order)

    grace_client.post(refund_url(card_order), fields | {"confirm_fraud": "on"}, headers=HTMX)
    assert card_order.refunds.get().stripe_reason == "fraudulent"


def test_silent_stripe_is_being_verified(grace_client: Client, card_order: Order, sandbox: "SandboxServer") -> None:
    with fault(sandbox, "close_after_commit", count=9, method="POST"):
        response = grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    html = response.content.decode()
    refund = card_order.refunds.get()
    assert response.status_code == 200
    assert refund.state == Refund.State.UNCONFIRMED
    assert "Stripe did not answer. We are checking whether €12.50 was refunded." in html
    assert "Do not send it again." in html
    assert "Check now" in html
    assert f'id="order-{card_order.reference}"' in html


def test_refusal_says_that_no_money_moved(grace_client: Client, order: Order, sandbox: "SandboxServer") -> None:
    response = grace_client.post(refund_url(order), filled(order), headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 200
    assert order.refunds.get().state == Refund.State.FAILED
    assert "Stripe refused the refund" in html
    assert "No money moved" in html
    assert "Credit instead" in html


def test_refusal_without_script_goes_to_the_refund(
    grace_client: Client, order: Order, sandbox: "SandboxServer"
) -> None:
    response = grace_client.post(refund_url(order), filled(order), follow=True)

    refund = order.refunds.get()
    assert response.redirect_chain == [(reverse("refund_detail", args=[refund.pk]), 302)]
    assert "No money moved" in response.content.decode()


def test_retry_opens_with_the_failed_amount(grace_client: Client, order: Order, sandbox: "SandboxServer") -> None:
    grace_client.post(refund_url(order), filled(order), headers=HTMX)
    failed = order.refunds.get()

    form = grace_client.get(refund_url(order), {"retry_of": failed.pk, "destination": "CREDIT"}, headers=HTMX)
    assert 'value="12.50"' in form.content.decode()
    grace_client.post(refund_url(order), filled(order, destination="CREDIT", retry_of=failed.pk), headers=HTMX)

    assert order.refunds.latest("pk").retry_of == failed


def test_payment_by_credit_goes_back_as_credit(
    grace_client: Client, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, total="100.00", status=Order.Status.PAID)
    credit = make_credit(conference, ada, "40.00")
    pay(order, "60.00", sandbox=sandbox)
    pay(order, "40.00", method=Payment.Method.CREDIT, credit=credit)

    html = grace_client.get(refund_url(order), headers=HTMX).content.decode()

    assert "Paid with credit, goes back as credit" in html
    assert "€60.00 on Visa ending 4242" in html
    assert f"€40.00 back to credit {credit.number}" in html


def test_yen_are_whole(grace_client: Client, ada: Any, grace: Any) -> None:
    tokyo = make_conference("tokyo", "JPY")
    grace.memberships.create(conference=tokyo)
    order = make_order(tokyo, ada, paid="1250")

    refused = grace_client.post(refund_url(order), filled(order, amount="12.50"), headers=HTMX)
    grace_client.post(refund_url(order), filled(order, amount="500", destination="CREDIT"), headers=HTMX)

    assert refused.status_code == 422
    assert "Enter a whole amount like 1250." in refused.content.decode()
    assert order.refunds.get().amount == Decimal("500")


def test_order_with_nothing_left_offers_no_form(grace_client: Client, pending_order: Order) -> None:
    html = grace_client.get(refund_url(pending_order), headers=HTMX).content.decode()

    assert "Not refundable: nothing was paid yet." in html
    assert 'id="refund-submit"' not in html


def test_viewer_is_not_allowed(linus_client: Client, order: Order) -> None:
    for response in (linus_client.get(refund_url(order)), linus_client.post(refund_url(order), filled(order))):
        assert response.status_code == 403
    assert_nothing_changed(order)


def test_stranger_is_sent_to_sign_in(client: Client, order: Order) -> None:
    response = client.post(refund_url(order), filled(order))

    assert response["Location"].startswith(reverse("login"))
    assert_nothing_changed(order)


def test_other_conferences_order_does_not_exist(grace_client: Client, other_conference: Conference, ada: Any) -> None:
    order = make_order(other_conference, ada, paid="80.00")

    assert grace_client.post(refund_url(order), filled(order)).status_code == 404
    assert grace_client.get(reverse("refund_create", args=["ORD-NOPE"])).status_code == 404
    assert_nothing_changed(order)


def test_other_methods_are_refused(grace_client: Client, order: Order) -> None:
    assert grace_client.put(refund_url(order)).status_code == 405


def test_missing_csrf_token_is_refused(grace: Any, order: Order) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(grace, backend="dashboard.permissions.OneQuestionBackend")

    assert client.post(refund_url(order), filled(order)).status_code == 403
    assert_nothing_changed(order)


def test_query_count_of_the_form(
    grace_client: Client, order: Order, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    with django_assert_max_num_queries(30):
        grace_client.get(refund_url(order), headers=HTMX)


def test_one_mistake_is_said_in_the_summary_and_at_its_field_and_nowhere_else(
    grace_client: Client, order: Order
) -> None:
    sentence = "€90.00 is €10.00 more than can be refunded. Enter €80.00 or less."

    html = text_of(grace_client.post(refund_url(order), filled(order, amount="90"), headers=HTMX))

    assert html.count(sentence) == 2
    assert f'The refund was not sent</b><a href="#id_amount">{sentence}</a></p>' in html
    assert "The result shows once that is mended." in html
    assert 'name="summed_up"' in html


def test_several_mistakes_are_listed(grace_client: Client, order: Order) -> None:
    form = filled(order, amount="90", reason="")

    html = text_of(grace_client.post(refund_url(order), form, headers=HTMX))

    assert '<ul><li><a href="#id_' in html


def test_a_preview_below_a_summary_repeats_nothing(grace_client: Client, order: Order) -> None:
    url, sentence = reverse("refund_preview", args=[order.reference]), "more than can be refunded"

    first = text_of(grace_client.post(url, filled(order, amount="90"), headers=HTMX))
    summed_up = text_of(grace_client.post(url, filled(order, amount="90", summed_up="1"), headers=HTMX))

    assert (first.count(sentence), summed_up.count(sentence)) == (2, 1)
    assert 'aria-describedby="preview-refusal"' in summed_up
