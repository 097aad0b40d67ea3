"""A refund that failed and went back another way is told so, wherever it is told."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import OpenItem, Order, Refund
from registration.services.events import process
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.repeats import settle_as_repeat
from registration.services.resolve import resolve_refund
from tests.cast import HTMX, control
from tests.dashboard.open_items import LIST, refunded, settle
from tests.dashboard.reading import text_of
from tests.registration.books import store, stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind


@pytest.fixture
def failed(sandbox: "SandboxServer", card_order: Order) -> Refund:
    """40.00 of 80.00 that the bank sent back."""
    refund = refunded(card_order, "40.00")
    control(sandbox, f"refunds/{refund.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


@pytest.fixture
def repeat(sandbox: "SandboxServer", card_order: Order, failed: Refund) -> Refund:
    """The same again, made in Stripe's own dashboard."""
    made = stripe_post(sandbox, "refunds", f"charge={card_order.payments.get().stripe_charge_id}&amount=4000")
    process(store(card_order.conference, "refund.created", {"id": made["id"]}))
    return Refund.objects.get(parts__stripe_refund_id=made["id"])


def page_of(client: Client, refund: Refund) -> str:
    return text_of(client.get(url_of(refund)))


def order_page(client: Client, refund: Refund) -> str:
    return text_of(client.get(reverse("order_detail", args=[refund.order.reference])))


def url_of(refund: Refund) -> str:
    return reverse("refund_detail", args=[refund.pk])


def failure() -> OpenItem:
    return OpenItem.objects.get(kind=Kind.FAILED)


def repeated_at_stripe(failed: Refund, repeat: Refund, grace: Any) -> Refund:
    settle_as_repeat(failure(), repeat, staff_user=grace)
    return repeat


def again(failed: Refund, destination: str, amount: str = "40.00") -> Refund:
    RefundService.create_refund(failed.order, amount=Decimal(amount), destination=destination, retry_of=failed)
    return failed.retries.get()


def by_hand(failed: Refund, grace: Any) -> Refund:
    return pay_by_hand_instead(failed.parts.get(), reference="SEPA 1", staff_user=grace).refund


@pytest.mark.parametrize("how", ["repeated", "card", "credit", "by hand"])
def test_its_page_and_its_order_say_as_which_the_money_went_back(
    grace_client: Client, grace: Any, failed: Refund, how: str, request: pytest.FixtureRequest
) -> None:
    ways = {
        "repeated": lambda: repeated_at_stripe(failed, request.getfixturevalue("repeat"), grace),
        "card": lambda: again(failed, "CARD"),
        "credit": lambda: again(failed, "CREDIT"),
        "by hand": lambda: by_hand(failed, grace),
    }
    later = ways[how]()
    told = f"It failed; the money went back as {later.number}"

    page, order = page_of(grace_client, failed), order_page(grace_client, failed)

    assert page.count(told) == 2
    assert f'class="alert-end" href="{url_of(later)}"' in page
    assert f"{told}." in order
    assert f'Retried as <a href="{url_of(later)}">{later.number}</a>' in order
    for text in (page, order):
        assert "did not reach the attendee" not in text
        assert "The conference has the money" not in text
        assert "You can give store credit instead." not in text


def test_what_took_on_some_of_it_leaves_the_rest_to_try(grace_client: Client, failed: Refund) -> None:
    later = again(failed, "CREDIT", "15.00")

    page = page_of(grace_client, failed)

    assert f"It failed; €15.00 of it went back as {later.number}" in page
    assert "€25.00 of it is left to try. You can give store credit instead." in page


def test_a_try_that_is_under_way_has_not_gone_back_yet(grace_client: Client, failed: Refund) -> None:
    later = again(failed, "CREDIT")
    Refund.objects.filter(pk=later.pk).update(state=Refund.State.PENDING)

    assert f"It failed; it is being tried again as {later.number}" in page_of(grace_client, failed)


def test_a_try_that_failed_too_took_nothing_on(grace_client: Client, sandbox: "SandboxServer", failed: Refund) -> None:
    later = again(failed, "CARD")
    control(sandbox, f"refunds/{later.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(later)

    page = page_of(grace_client, failed)

    assert "The refund did not reach the attendee" in page
    assert "You can give store credit instead." in page


def test_its_history_says_that_another_is_its_repeat(
    grace_client: Client, grace: Any, failed: Refund, repeat: Refund
) -> None:
    repeated_at_stripe(failed, repeat, grace)

    page = page_of(grace_client, failed)

    said = f"Grace Hopper said that €40.00 refunded at Stripe, {repeat.number}, is the repeat of {failed.number}"
    assert said in page
    assert f"{repeat.number}: €40.00 was refunded at Stripe, not from this desk" in page
    assert said in page_of(grace_client, repeat)


def test_once_the_order_has_nothing_left_it_is_not_offered_again(
    grace_client: Client, sandbox: "SandboxServer", failed: Refund, repeat: Refund
) -> None:
    refunded(failed.order, "40.00")

    page = page_of(grace_client, failed)

    assert "Not refundable: everything was refunded." in page
    for gone in ("Try again…", "Credit instead…", "You can give store credit instead."):
        assert gone not in page


def item_page(client: Client, item: OpenItem) -> str:
    return text_of(client.get(reverse("attention_item", args=[item.pk]), headers=HTMX))


def pay_the_rest_back(failed: Refund) -> None:
    refunded(failed.order, str(Order.objects.get(pk=failed.order_id).refundable_amount))


@pytest.mark.trap(15)
def test_before_it_is_settled_its_page_and_its_order_name_the_likely_repeat(
    grace_client: Client, failed: Refund, repeat: Refund
) -> None:
    told = f"{repeat.number} over €40.00 was made at Stripe on "

    page, order = page_of(grace_client, failed), order_page(grace_client, failed)

    for text in (page, order):
        assert text.count(told) == 1
        assert "If it was made for this, send nothing again." in text
    assert f'class="alert-end" href="{reverse("attention_item", args=[failure().pk])}"' in page
    assert "You can give store credit instead." not in page
    assert 'class="btn" id="credit-instead"' in page
    assert f"{failed.number} over €40.00 of the same payment failed before it" in page_of(grace_client, repeat)


@pytest.mark.trap(15)
def test_with_a_likely_repeat_the_first_thing_to_do_is_to_check_that(
    grace_client: Client, failed: Refund, repeat: Refund
) -> None:
    page = text_of(grace_client.get(LIST))
    of_failure = item_page(grace_client, failure())

    assert "Send it again, or give it as store credit." not in page
    assert of_failure.index("send nothing again.") < of_failure.index("Check first whether that was made for this")
    assert of_failure.count("btn btn-sm btn-primary") == 1
    assert f'<summary class="btn btn-sm btn-primary" id="repeat-{failure().pk}">' in of_failure
    assert of_failure.index("is the repeat of this…") < of_failure.index("Try again…")


def test_without_one_credit_comes_first(grace_client: Client, failed: Refund) -> None:
    page = item_page(grace_client, failure())

    assert f'class="btn btn-sm btn-primary" id="instead-{failure().pk}"' in page
    assert "Send it again, or give it as store credit." in page
    assert "This is not the repeat" not in page


@pytest.mark.trap(15)
@pytest.mark.parametrize("is_ticked", [False, True])
def test_what_may_have_been_repeated_is_paid_by_hand_only_when_that_is_said(
    grace_client: Client, sandbox: "SandboxServer", new_order: Any, is_ticked: bool
) -> None:
    order = new_order(paid="120.00", sandbox=sandbox)
    refund = refunded(order, "40.00")
    control(sandbox, f"refunds/{refund.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(refund)
    made = stripe_post(sandbox, "refunds", f"charge={order.payments.get().stripe_charge_id}&amount=4000")
    process(store(order.conference, "refund.created", {"id": made["id"]}))
    ticked = {"again": "on"} if is_ticked else {}

    answer = settle(grace_client, failure(), "transfer", htmx=True, reference="SEPA 1", **ticked)

    assert answer.status_code == (200 if is_ticked else 422)
    assert refund.retries.count() == is_ticked
    if not is_ticked:
        assert "This is not the repeat: I want to pay €40.00 again" in text_of(answer)
        assert "Look first whether it was repeated at Stripe, then tick that it was not." in text_of(answer)


def test_where_nothing_can_go_back_nothing_is_offered_and_it_says_why(grace_client: Client, failed: Refund) -> None:
    pay_the_rest_back(failed)

    page = item_page(grace_client, failure())

    for gone in ("Try again…", "Give as credit instead…", "Paid by hand instead…", "Send it again"):
        assert gone not in page
    assert "Not refundable: everything was refunded. Look whether the attendee has it another way, and say so." in page
    assert "Settle with a note…" in page


def test_where_less_is_left_than_failed_it_cannot_be_paid_by_hand(grace_client: Client, failed: Refund) -> None:
    refunded(failed.order, "50.00")

    page = item_page(grace_client, failure())

    assert "Paid by hand instead…" not in page
    assert "At most €30.00 of Visa ending 4242 can still go back, so it cannot be paid by hand." in page
    assert "Try again…" in page


def test_a_repeat_is_settled_though_nothing_is_left(
    grace_client: Client, sandbox: "SandboxServer", failed: Refund, repeat: Refund
) -> None:
    pay_the_rest_back(failed)

    page = item_page(grace_client, failure())

    assert f"{repeat.number} is the repeat of this…" in page
    assert "settle both if it was. Not refundable: everything was refunded." in page
    assert "Try again…" not in page


def test_once_it_was_paid_its_headline_says_only_that_it_failed(
    grace_client: Client, grace: Any, failed: Refund, repeat: Refund
) -> None:
    repeated_at_stripe(failed, repeat, grace)

    page = item_page(grace_client, failure())

    assert "A refund of €40.00 failed: the card has expired or was cancelled.</a>" in page
    assert "does not have the money" not in page


def test_a_note_does_not_pay_it(grace_client: Client, failed: Refund) -> None:
    settle(grace_client, failure(), "acknowledge", note="Agreed by mail", htmx=True)

    assert "The attendee does not have the money." in item_page(grace_client, failure())
