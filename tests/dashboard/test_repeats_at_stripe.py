"""Saying that a refund made at Stripe is the repeat of one that failed, at the item of either."""

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import OpenItem, Order, Refund
from registration.services.events import process
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from tests.cast import HTMX, control
from tests.dashboard.open_items import LIST, refunded, settle
from tests.dashboard.reading import text_of
from tests.registration.books import assert_books_agree, store, stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind


def failing(sandbox: "SandboxServer", order: Order) -> Refund:
    refund = refunded(order, "40.00")
    control(sandbox, f"refunds/{refund.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


@pytest.fixture
def failed(sandbox: "SandboxServer", card_order: Order) -> Refund:
    """40.00 of 80.00 that the bank sent back."""
    return failing(sandbox, card_order)


@pytest.fixture
def repeat(sandbox: "SandboxServer", card_order: Order, failed: Refund) -> Refund:
    """The same again, made in Stripe's own dashboard."""
    return in_the_dashboard(sandbox, card_order)


def in_the_dashboard(sandbox: "SandboxServer", card_order: Order) -> Refund:
    made = stripe_post(sandbox, "refunds", f"charge={card_order.payments.get().stripe_charge_id}&amount=4000")
    process(store(card_order.conference, "refund.created", {"id": made["id"]}))
    return Refund.objects.get(parts__stripe_refund_id=made["id"])


def items() -> dict[str, OpenItem]:
    return {item.kind: item for item in OpenItem.objects.unresolved().order_by("-pk")}


def pair_of(failure: OpenItem, repeat: Refund) -> str:
    return f"{failure.pk}-{repeat.pk}"


@pytest.mark.trap(15)
def test_each_item_names_the_other_and_links_to_it(grace_client: Client, failed: Refund, repeat: Refund) -> None:
    page = text_of(grace_client.get(LIST))

    assert f"{repeat.number} over €40.00 was made at Stripe on " in page
    assert "If it was made for this, send nothing again." in page
    assert f"{repeat.number} is the repeat of this…" in page
    assert f"{failed.number} over €40.00 of the same payment failed before it and is still open." in page
    assert f"This is the repeat of {failed.number}…" in page
    for refund in (failed, repeat):
        assert page.count(reverse("refund_detail", args=[refund.pk])) == 2


@pytest.mark.trap(15)
@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.EXTERNAL])
@pytest.mark.parametrize("htmx", [True, False])
def test_one_press_settles_both(
    grace_client: Client, grace: Any, failed: Refund, repeat: Refund, kind: str, htmx: bool
) -> None:
    found = items()

    response = settle(grace_client, found[kind], "repeat", htmx=htmx, pair=pair_of(found[Kind.FAILED], repeat))

    assert response.status_code == (200 if htmx else 302)
    assert not items()
    repeat.refresh_from_db()
    assert repeat.retry_of == failed
    assert set(OpenItem.objects.values_list("resolved_by", flat=True)) == {grace.pk}
    told = f"Grace Hopper said that €40.00 refunded at Stripe, {repeat.number}, is the repeat of {failed.number}"
    assert told in text_of(grace_client.get(reverse("order_detail", args=[repeat.order.reference])))
    assert_books_agree()


def test_of_two_failures_one_is_chosen(
    grace_client: Client, sandbox: "SandboxServer", card_order: Order, failed: Refund
) -> None:
    failing(sandbox, card_order)
    repeat = in_the_dashboard(sandbox, card_order)
    first, second = OpenItem.objects.unresolved().filter(kind=Kind.FAILED).order_by("pk")
    external = items()[Kind.EXTERNAL]
    page = text_of(grace_client.get(LIST))

    settle(grace_client, external, "repeat", htmx=True, pair=pair_of(first, repeat))

    assert "This is the repeat of a failed refund…" in page
    assert f'<option value="{pair_of(first, repeat)}">{failed.number}, €40.00</option>' in page
    assert list(OpenItem.objects.unresolved()) == [second]


@pytest.mark.parametrize("pair", ["", "0-0", "x" * 51])
def test_what_does_not_fit_changes_nothing(grace_client: Client, failed: Refund, repeat: Refund, pair: str) -> None:
    response = settle(grace_client, items()[Kind.FAILED], "repeat", htmx=True, pair=pair)

    assert response.status_code == 422
    assert "This page shows it as it was. Reload it and look again." in text_of(response)
    assert len(items()) == 2


def test_a_failure_that_was_settled_meanwhile_is_said_to_be(
    grace_client: Client, failed: Refund, repeat: Refund
) -> None:
    failure = items()[Kind.FAILED]
    RefundService.create_refund(failed.order, amount=failed.amount, destination="CREDIT", retry_of=failed)

    response = settle(grace_client, items()[Kind.EXTERNAL], "repeat", htmx=True, pair=pair_of(failure, repeat))

    assert response.status_code == 422
    assert "This page shows it as it was. Reload it and look again." in text_of(response)
    assert list(items()) == [Kind.EXTERNAL]


def test_who_may_only_look_is_offered_nothing(linus_client: Client, failed: Refund, repeat: Refund) -> None:
    page = text_of(linus_client.get(LIST))
    failure = items()[Kind.FAILED]

    answer = settle(linus_client, failure, "repeat", htmx=True, pair=pair_of(failure, repeat))

    assert "is the repeat of" not in page
    assert answer.status_code == 403
    assert len(items()) == 2


def test_without_a_refund_made_at_stripe_nothing_is_offered(grace_client: Client, failed: Refund) -> None:
    assert "repeat" not in text_of(grace_client.get(LIST))


def test_the_page_of_one_item_offers_it_too(grace_client: Client, failed: Refund, repeat: Refund) -> None:
    page = grace_client.get(reverse("attention_item", args=[items()[Kind.EXTERNAL].pk]), headers=HTMX)

    assert f"This is the repeat of {failed.number}…" in text_of(page)
