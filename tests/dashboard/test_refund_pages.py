"""The list of refunds, the page of one, asking Stripe again, and transfers made by hand."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Payment, Refund, RefundPart
from registration.services.errors import RefundOutcome
from registration.services.refund import RefundService
from tests.cast import HTMX, make_order, pay
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


def refunded(order: Order, amount: str = "12.50", destination: str = "CREDIT", **more: Any) -> Refund:
    """A refund of the order, whatever became of it."""
    with suppress(RefundOutcome):
        RefundService.create_refund(order, amount=Decimal(amount), destination=destination, **more)
    return order.refunds.latest("pk")


def detail_url(refund: Refund) -> str:
    return reverse("refund_detail", args=[refund.pk])


def test_list_shows_the_refunds_of_the_conference(
    grace_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    ours = refunded(order)
    theirs = refunded(make_order(other_conference, ada, paid="30.00"))

    html = grace_client.get(reverse("refund_list")).content.decode()

    assert ours.number in html
    assert order.reference in html
    assert "€12.50" in html
    assert theirs.number not in html


def test_list_is_filtered_by_state(grace_client: Client, order: Order) -> None:
    done = refunded(order)

    shown = grace_client.get(reverse("refund_list"), {"state": "succeeded"}, headers=HTMX).content.decode()
    hidden = grace_client.get(reverse("refund_list"), {"state": "failed"}, headers=HTMX).content.decode()

    assert done.number in shown
    assert "<html" not in shown
    assert done.number not in hidden
    assert "No refund found" in hidden


def test_list_is_searched_by_number_order_and_stripe_id(grace_client: Client, card_order: Order) -> None:
    first, second = refunded(card_order, "1.00"), refunded(card_order, "2.00", "CARD")
    stripe_id = second.parts.get().stripe_refund_id

    def found(words: str) -> set[str]:
        html = grace_client.get(reverse("refund_list"), {"q": words}).content.decode()
        return {refund.number for refund in (first, second) if f'id="refund-{refund.pk}"' in html}

    assert found(first.number) == found(first.number.lower()) == {first.number}
    assert first.number in found(str(first.pk))  # As the beginning of a card's digits it may find others too.
    assert found(str(stripe_id)) == {second.number}
    assert found(card_order.reference) == {first.number, second.number}
    assert found("re_unknown") == found("9" * 30) == found("RF-") == set()


def test_list_pages_by_key(grace_client: Client, order: Order) -> None:
    refunds = Refund.objects.bulk_create(Refund(order=order, amount=Decimal("0.01"), state="failed") for _ in range(26))

    first = grace_client.get(reverse("refund_list"))
    older = grace_client.get(first.context["older_url"])

    assert f'id="refund-{refunds[-1].pk}"' in first.content.decode()
    assert f'id="refund-{refunds[0].pk}"' not in first.content.decode()
    assert f'id="refund-{refunds[0].pk}"' in older.content.decode()
    assert older.context["older_url"] == ""
    assert older.context["newer_url"]


def test_list_of_nothing_says_so(grace_client: Client) -> None:
    assert "No refunds yet" in grace_client.get(reverse("refund_list")).content.decode()


def test_search_without_a_hit_leads_to_the_orders_of_the_same_words(grace_client: Client, card_order: Order) -> None:
    empty = grace_client.get(reverse("refund_list"), {"q": "Ada L"}).content.decode()
    assert f'href="{reverse("order_list")}?q=Ada+L"' in empty
    assert ">Search orders</a>" not in grace_client.get(reverse("refund_list"), {"state": "failed"}).content.decode()


def test_detail_says_who_has_the_money(linus_client: Client, grace: Any, card_order: Order) -> None:
    refund = refunded(
        card_order, destination="CARD", staff_user=grace, note="Wrote in", internal_reason="Programme changed"
    )
    RefundPart.objects.update(trace_reference="74208107")

    html = linus_client.get(detail_url(refund)).content.decode()

    assert refund.number in html
    assert "<b>On Visa ending 4242</b>" in html
    assert str(refund.parts.get().stripe_refund_id) in html
    assert "74208107" in html
    assert "Grace Hopper" in html
    assert "Programme changed" in html
    assert "Wrote in" in html
    assert "Check now" not in html


def test_check_now_finds_what_stripe_did(grace_client: Client, card_order: Order, sandbox: "SandboxServer") -> None:
    with fault(sandbox, "close_after_commit", count=9, method="POST"):
        refund = refunded(card_order, destination="CARD")
    assert refund.state == Refund.State.UNCONFIRMED
    page = grace_client.get(detail_url(refund)).content.decode()
    assert "Stripe did not answer. We are checking whether €12.50 was refunded." in page

    response = grace_client.post(reverse("refund_check", args=[refund.pk]), follow=True)

    refund.refresh_from_db()
    assert refund.state in (Refund.State.PENDING, Refund.State.SUCCEEDED)
    assert "Do not send it again." not in response.content.decode()


@pytest.mark.parametrize(
    ("state", "offered"), [("SUCCEEDED", False), ("PENDING", True), ("REQUIRES_ACTION", True), ("FAILED", False)]
)
def test_check_now_is_offered_while_stripe_may_have_news(
    grace_client: Client, card_order: Order, state: str, offered: bool
) -> None:
    refund = refunded(card_order, destination="CARD")
    refund.parts.update(state=Refund.State[state])
    Refund.objects.filter(pk=refund.pk).update(state=Refund.State[state])

    page = grace_client.get(detail_url(refund)).content.decode()

    assert ('id="check"' in page) is offered


def test_check_now_while_stripe_is_silent(grace_client: Client, card_order: Order, sandbox: "SandboxServer") -> None:
    with fault(sandbox, "server_error", count=99):
        refund = refunded(card_order, destination="CARD")
        response = grace_client.post(reverse("refund_check", args=[refund.pk]), follow=True)

    assert "Do not send it again." in response.content.decode()
    assert card_order.refunds.count() == 1


@pytest.mark.parametrize(("destination", "is_left"), [("CARD", False), ("CREDIT", True)])
def test_a_note_that_only_records_has_nothing_to_spend(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", destination: str, is_left: bool
) -> None:
    html = grace_client.get(detail_url(refunded(card_order, destination=destination))).content.decode()

    assert ("Left of it" in html, "nothing to spend" in html) == (is_left, not is_left)


def test_failed_refund_offers_the_ways_on(
    grace_client: Client, linus_client: Client, order: Order, sandbox: "SandboxServer"
) -> None:
    refund = refunded(order, destination="CARD")

    html = grace_client.get(detail_url(refund)).content.decode()

    assert "No money moved" in html
    assert '<li class="bad" aria-current="step">' in html  # With a mark and a colour, unlike what is still to come.
    assert f"retry_of={refund.pk}&amp;destination=CREDIT" in html
    assert "Credit instead" not in linus_client.get(detail_url(refund)).content.decode()


@pytest.fixture
def manual_part(conference: Conference, ada: Any) -> RefundPart:
    """A refund of a bank transfer that somebody has to pay back."""
    order = make_order(conference, ada, total="80.00", status=Order.Status.PAID)
    pay(order, "80.00", method=Payment.Method.MANUAL)
    return refunded(order, destination="CARD").parts.get()


def test_manual_part_is_ticked_off_with_a_reference(grace_client: Client, manual_part: RefundPart) -> None:
    page = grace_client.get(detail_url(manual_part.refund)).content.decode()
    assert "Record the transfer" in page
    on_order = grace_client.get(reverse("order_detail", args=[manual_part.refund.order.reference])).content.decode()
    assert ">Record the transfer<" in on_order
    assert "Confirm transfer" not in on_order

    response = grace_client.post(reverse("manual_confirm", args=[manual_part.pk]), {"reference": "SEPA 4711"})

    manual_part.refresh_from_db()
    assert response.status_code == 302
    assert (manual_part.state, manual_part.trace_reference) == ("succeeded", "SEPA 4711")
    page = grace_client.get(detail_url(manual_part.refund)).content.decode()
    assert "<dt>Sent to</dt><dd>By hand, reference SEPA 4711</dd>" in page
    assert "<dt>Reference</dt><dd>SEPA 4711</dd>" in page
    assert "Original card" not in page
    order = grace_client.get(reverse("order_detail", args=[manual_part.refund.order.reference]))
    assert order.context["page"].refunds[0].where == "By hand, reference SEPA 4711"


def test_a_mixed_refund_says_both_ways(grace_client: Client, manual_part: RefundPart) -> None:
    refund = manual_part.refund
    card = pay(refund.order, "20.00", card_brand="visa", card_last4="4242")
    refund.parts.create(payment=card, channel="STRIPE", amount=Decimal("1.00"), state="succeeded")

    page = grace_client.get(detail_url(refund)).content.decode()

    assert "<dt>Sent to</dt><dd>By hand, Visa ending 4242</dd>" in page
    assert "<b>By hand</b>" in page
    assert "Manual" not in page


def test_manual_part_needs_a_reference(grace_client: Client, manual_part: RefundPart) -> None:
    response = grace_client.post(reverse("manual_confirm", args=[manual_part.pk]), {"reference": " "})

    manual_part.refresh_from_db()
    assert response.status_code == 422
    assert "Enter the reference of the transfer." in response.content.decode()
    assert manual_part.state == "awaiting_transfer"


def test_manual_part_is_ticked_off_once(grace_client: Client, manual_part: RefundPart) -> None:
    url = reverse("manual_confirm", args=[manual_part.pk])
    grace_client.post(url, {"reference": "SEPA 4711"})

    again = grace_client.post(url, {"reference": "SEPA 4712"})

    manual_part.refresh_from_db()
    assert again.status_code == 422
    assert manual_part.trace_reference == "SEPA 4711"


def test_a_transfer_is_called_off_on_the_page_of_its_refund(grace_client: Client, manual_part: RefundPart) -> None:
    url = reverse("part_cancel", args=[manual_part.pk])
    page = grace_client.get(detail_url(manual_part.refund)).content.decode()
    assert f'action="{url}"' in page
    assert "Nothing was paid yet; the amount can be refunded again.</p>" in page
    assert '<button class="btn btn-ghost" type="submit">Call off the transfer</button>' in page

    done = grace_client.post(url, follow=True).content.decode()
    again = grace_client.post(url, follow=True).content.decode()

    manual_part.refresh_from_db()
    assert manual_part.state == "canceled"
    assert "The amount can be refunded again." in done
    assert "Call off the transfer" not in done
    assert "Nothing here waits for a transfer." in again


def test_viewers_look_and_do_not_touch(linus_client: Client, manual_part: RefundPart) -> None:
    assert linus_client.get(detail_url(manual_part.refund)).status_code == 200
    assert linus_client.post(reverse("refund_check", args=[manual_part.refund_id])).status_code == 403
    assert linus_client.post(reverse("manual_confirm", args=[manual_part.pk]), {"reference": "1"}).status_code == 403
    assert linus_client.post(reverse("part_cancel", args=[manual_part.pk])).status_code == 403
    manual_part.refresh_from_db()
    assert manual_part.state == "awaiting_transfer"


def test_other_conferences_refund_does_not_exist(grace_client: Client, other_conference: Conference, ada: Any) -> None:
    refund = refunded(make_order(other_conference, ada, paid="80.00"))
    part = refund.parts.get()

    assert grace_client.get(detail_url(refund)).status_code == 404
    assert grace_client.post(reverse("refund_check", args=[refund.pk])).status_code == 404
    assert grace_client.post(reverse("manual_confirm", args=[part.pk]), {"reference": "1"}).status_code == 404


def test_manual_part_opens_in_the_drawer(grace_client: Client, manual_part: RefundPart) -> None:
    url = reverse("manual_confirm", args=[manual_part.pk])

    piece = grace_client.get(url, headers=HTMX).content.decode()
    wrong = grace_client.post(url, {"reference": ""}, headers=HTMX)
    done = grace_client.post(url, {"reference": "SEPA 4711"}, headers=HTMX)

    assert "<html" not in piece
    assert "Pay back €12.50 by hand" in piece
    assert (wrong.status_code, done.status_code) == (422, 200)
    assert "Enter the reference of the transfer." in wrong.content.decode()
    assert done["HX-Refresh"] == "true"


def test_manual_part_has_a_page_without_script(grace_client: Client, manual_part: RefundPart) -> None:
    page = grace_client.get(reverse("manual_confirm", args=[manual_part.pk])).content.decode()

    assert "<html" in page
    assert "Record the transfer" in page


def test_asking_is_a_post(grace_client: Client, manual_part: RefundPart) -> None:
    assert grace_client.get(reverse("refund_check", args=[manual_part.refund_id])).status_code == 405
    assert grace_client.put(reverse("manual_confirm", args=[manual_part.pk])).status_code == 405


def test_a_recorded_transfer_leads_on_from_where_it_was_recorded(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    def record(below: Callable[[Order], str]) -> tuple[Any, Refund]:
        order = make_order(conference, ada, total="80.00", status=Order.Status.PAID)
        pay(order, "80.00", method=Payment.Method.MANUAL)
        refund = refunded(order, destination="CARD")
        url = reverse("manual_confirm", args=[refund.parts.get().pk])
        shown = HTMX | {"HX-Current-URL": f"http://testserver{below(order)}"}
        return grace_client.post(url, {"reference": "SEPA 1"}, headers=shown), refund

    at_order, refund = record(lambda order: reverse("order_detail", args=[order.reference]))
    in_queue, _refund = record(lambda _order: reverse("attention_list"))
    elsewhere, _refund = record(lambda _order: reverse("credit_list"))

    assert at_order["HX-Redirect"].endswith(f"#refund-{refund.pk}")
    assert "refund:done" in in_queue["HX-Trigger-After-Settle"]
    assert "Transfer recorded" in in_queue.content.decode()
    assert elsewhere["HX-Refresh"] == "true"
