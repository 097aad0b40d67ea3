"""Paying a pending order from credit: the panel, its preview, the submit and every refusal."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference, Credit, Order
from tests.cast import HTMX, make_credit, make_order, pay
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db


def apply_url(order: Order) -> str:
    return reverse("credit_apply", args=[order.reference])


def from_page(name: str, *args: Any) -> dict[str, str]:
    """Headers of a request that htmx sends from an open page."""
    return HTMX | {"HX-Current-URL": f"http://testserver{reverse(name, args=args)}"}


def sent(order: Order, *credits: Credit, amount: str, **extra: str) -> dict[str, Any]:
    seen = str(order.due_amount)
    return {"credits": [credit.pk for credit in credits], "amount": amount, "due_seen": seen} | extra


def assert_nothing_applied(order: Order, *credits: Credit) -> None:
    assert not order.payments.filter(method="CREDIT").exists()
    for credit in credits:
        left = credit.remaining_amount
        credit.refresh_from_db()
        assert credit.remaining_amount == left


def test_panel_preselects_what_covers_the_order_oldest_expiry_first(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    lasting = make_credit(conference, ada, "40.00")
    soon = make_credit(conference, ada, "30.00", expires_at=timezone.now() + timedelta(days=5))
    spare = make_credit(conference, ada, "70.00")

    text = text_of(sam_client.get(apply_url(pending_order), headers=HTMX))

    assert f'value="{soon.pk}" checked' in text
    assert f'value="{lasting.pk}" checked' in text
    assert f'value="{spare.pk}" checked' not in text
    assert 'value="50.00"' in text
    assert "Apply €50.00" in text


@pytest.mark.parametrize(("held", "amount"), [("20.00", "20.00"), ("90.00", "50.00")])
def test_amount_is_the_smaller_of_credit_and_due(
    held: str, amount: str, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, held)

    assert f"Apply €{amount}" in text_of(sam_client.get(apply_url(pending_order), headers=HTMX))


def test_panel_is_a_page_of_its_own_without_a_script(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "20.00")

    text = text_of(sam_client.get(apply_url(pending_order)))

    assert ">Apply credit</h1>" in text
    assert f'action="{apply_url(pending_order)}"' in text
    assert 'hx-target="#drawer"' not in text.partition('class="drawer-page"')[2].partition("</form>")[0]


def test_preview_shows_the_result_and_changes_nothing(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "145.00")

    data = sent(pending_order, credit, amount="20.00", preview="amount")
    text = text_of(sam_client.post(apply_url(pending_order), data, headers=HTMX))

    assert "€125.00" in text
    assert "€30.00" in text
    assert "Stays Pending payment" in text
    assert "Apply €20.00" in text
    assert_nothing_applied(pending_order, credit)


def test_preview_of_other_ticks_brings_the_most_they_can_pay(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit, _other = make_credit(conference, ada, "15.00"), make_credit(conference, ada, "60.00")

    data = sent(pending_order, credit, amount="50.00", preview="credits")
    text = text_of(sam_client.post(apply_url(pending_order), data, headers=HTMX))

    assert 'value="15.00"' in text
    assert "Apply €15.00" in text


def test_preview_says_what_is_too_much(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "15.00")

    data = sent(pending_order, credit, amount="15.01", preview="amount")
    response = sam_client.post(apply_url(pending_order), data, headers=HTMX)

    assert response.status_code == 200
    assert "Enter €15.00 or less" in text_of(response)


def test_apply_from_the_list_swaps_the_row_and_says_so(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "145.00")

    response = sam_client.post(
        apply_url(pending_order), sent(pending_order, credit, amount="50.00"), headers=from_page("order_list")
    )

    text = text_of(response)
    assert "<template><tr" in text
    assert f'id="order-{pending_order.reference}"' in text
    assert "€50.00 credit applied to" in text
    assert "paid in full" in text
    assert_closes_the_panel(response, pending_order)
    pending_order.refresh_from_db()
    credit.refresh_from_db()
    assert (pending_order.status, pending_order.due_amount) == (Order.Status.PAID, Decimal("0.00"))
    assert (credit.remaining_amount, credit.status) == (Decimal("95.00"), Credit.Status.AVAILABLE)


def assert_closes_the_panel(response: HttpResponse, order: Order) -> None:
    assert response.headers["HX-Reswap"] == "none"
    event = json.loads(response.headers["HX-Trigger-After-Settle"])
    assert event == {"refund:done": {"row": f"order-{order.reference}"}}


def test_apply_from_the_attendee_swaps_the_statement(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "20.00")

    response = sam_client.post(
        apply_url(pending_order),
        sent(pending_order, credit, amount="20.00"),
        headers=from_page("attendee_detail", ada.pk),
    )

    text = text_of(response)
    assert f'id="attendee-{ada.pk}" hx-swap-oob="true"' in text
    assert "<tr id=" not in text.partition("hx-swap-oob")[0]
    assert "€30.00 still due" in text
    assert_closes_the_panel(response, pending_order)


def test_apply_from_any_other_page_has_it_read_again(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "20.00")
    page = from_page("order_detail", pending_order.reference)

    response = sam_client.post(apply_url(pending_order), sent(pending_order, credit, amount="20.00"), headers=page)

    assert response.headers["HX-Refresh"] == "true"


def test_apply_without_a_script_goes_to_the_order(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "20.00")

    response = sam_client.post(apply_url(pending_order), sent(pending_order, credit, amount="12,50"))

    assert response.status_code == 302
    assert response.headers["Location"] == reverse("order_detail", args=[pending_order.reference])
    pending_order.refresh_from_db()
    assert (pending_order.status, pending_order.due_amount) == (Order.Status.PENDING, Decimal("37.50"))


def test_several_credits_pay_together_oldest_expiry_first(
    sam_client: Client, sam: Any, conference: Conference, ada: Any, pending_order: Order
) -> None:
    lasting = make_credit(conference, ada, "40.00")
    soon = make_credit(conference, ada, "30.00", expires_at=timezone.now() + timedelta(days=5))

    sam_client.post(apply_url(pending_order), sent(pending_order, lasting, soon, amount="50.00"), headers=HTMX)

    paid = pending_order.payments.order_by("pk").values_list("credit", "amount", "created_by")
    assert list(paid) == [(soon.pk, Decimal("30.00"), sam.pk), (lasting.pk, Decimal("20.00"), sam.pk)]


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("", "Enter an amount like 12.50."),
        ("0", "Enter an amount greater than zero."),
        ("-5", "Enter the amount without a minus sign."),
        ("$5", "Amounts here are in EUR."),
        ("1.005", "1.005 can be read in two ways."),
        ("50.01", "Enter €50.00 or less"),
    ],
)
def test_an_amount_that_cannot_be_applied_changes_nothing(
    amount: str, sentence: str, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "80.00")

    response = sam_client.post(apply_url(pending_order), sent(pending_order, credit, amount=amount), headers=HTMX)

    assert response.status_code == 422
    assert sentence in text_of(response)
    assert_nothing_applied(pending_order, credit)


def test_no_credit_ticked_is_said(sam_client: Client, conference: Conference, ada: Any, pending_order: Order) -> None:
    credit = make_credit(conference, ada, "80.00")

    response = sam_client.post(apply_url(pending_order), sent(pending_order, amount="50.00"), headers=HTMX)

    assert response.status_code == 422
    assert "Choose at least one credit." in text_of(response)
    assert_nothing_applied(pending_order, credit)


def test_credit_of_someone_else_is_refused(
    sam_client: Client, sam: Any, conference: Conference, pending_order: Order
) -> None:
    foreign = make_credit(conference, sam, "80.00")

    response = sam_client.post(apply_url(pending_order), sent(pending_order, foreign, amount="50.00"), headers=HTMX)

    assert response.status_code == 422
    assert_nothing_applied(pending_order, foreign)


def test_an_order_paid_meanwhile_is_not_paid_again(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "80.00")
    data = sent(pending_order, credit, amount="50.00")
    pay(pending_order, "50.00", method="MANUAL")
    Order.objects.filter(pk=pending_order.pk).update(status=Order.Status.PAID)

    response = sam_client.post(apply_url(pending_order), data, headers=HTMX)

    assert response.status_code == 422
    assert "is not waiting for payment" in text_of(response)
    assert_nothing_applied(pending_order, credit)


def test_a_stale_form_is_told_what_is_due_now(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "80.00")
    data = sent(pending_order, credit, amount="25.00")
    pay(pending_order, "20.00", method="MANUAL")

    response = sam_client.post(apply_url(pending_order), data, headers=HTMX)

    text = text_of(response)
    assert response.status_code == 409
    assert "€30.00 is due now, not €50.00" in text
    assert 'value="30.00"' in text
    assert_nothing_applied(pending_order, credit)


def test_an_attendee_without_credit_gets_a_sentence_instead_of_a_form(sam_client: Client, pending_order: Order) -> None:
    text = text_of(sam_client.get(apply_url(pending_order), headers=HTMX))

    assert "Ada Lovelace has no credit to spend" in text
    assert 'type="submit"' not in text


def test_a_viewer_may_not_apply(linus_client: Client, conference: Conference, ada: Any, pending_order: Order) -> None:
    credit = make_credit(conference, ada, "80.00")

    response = linus_client.post(apply_url(pending_order), sent(pending_order, credit, amount="50.00"))

    assert response.status_code == 403
    assert_nothing_applied(pending_order, credit)


def test_an_order_of_another_conference_does_not_exist(
    sam_client: Client, other_conference: Conference, ada: Any
) -> None:
    foreign = make_order(other_conference, ada, total="50.00")

    assert sam_client.get(apply_url(foreign)).status_code == 404


def test_credit_of_another_conference_is_not_offered(
    sam_client: Client, other_conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(other_conference, ada, "80.00")

    assert "has no credit to spend" in text_of(sam_client.get(apply_url(pending_order), headers=HTMX))


def test_other_methods_are_refused(sam_client: Client, pending_order: Order) -> None:
    assert sam_client.put(apply_url(pending_order)).status_code == 405


def test_yen_are_offered_without_places(sam_client: Client, sam: Any, ada: Any, make_place: Callable[..., Any]) -> None:
    place = make_place("tokyo", "JPY")
    order = make_order(place, ada, total="5000")
    make_credit(place, ada, "1200")

    text = text_of(sam_client.get(apply_url(order), headers=HTMX))

    assert 'value="1200"' in text
    assert "Apply ¥1,200" in text


@pytest.fixture
def make_place(sam: Any) -> Callable[..., Conference]:
    """Makes further conferences where Sam works."""
    from registration.models import Membership
    from tests.cast import make_conference

    def make_place(slug: str, currency: str) -> Conference:
        place = make_conference(slug, currency)
        Membership.objects.create(user=sam, conference=place)
        return place

    return make_place


def test_the_preview_says_which_credit_pays_also_when_one_does(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    first = make_credit(conference, ada, "80.00")
    panel = text_of(sam_client.get(apply_url(pending_order), headers=HTMX))
    preview = panel[panel.index('id="preview"') :]
    assert first.number in preview
    assert ">Credit<" not in preview  # It is all the credit there is.

    second = make_credit(conference, ada, "90.00")
    both = sent(pending_order, first, second, amount="50.00") | {"preview": "amount"}
    preview = text_of(sam_client.post(apply_url(pending_order), both, headers=HTMX))
    assert first.number in preview
    assert second.number not in preview
    assert "€170.00" in preview
    assert "€120.00" in preview
