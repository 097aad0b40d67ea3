"""The panel's refund is committed at once and sent a little later; until then one press takes it back."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference, Order, Refund
from tests.cast import HTMX, client_of, make_staff
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


@pytest.fixture(autouse=True)
def eight_seconds(conference: Conference) -> None:
    """What a conference starts with."""
    conference.undo_seconds = 8
    conference.save()


def hold(client: Client, order: Order, **headers: str) -> Refund:
    response = client.post(refund_url(order), filled(order), headers=headers)
    assert response.status_code in (200, 302)
    return order.refunds.latest("pk")


def post(client: Client, name: str, refund: Refund, **headers: str) -> Any:
    return client.post(reverse(name, args=[refund.pk]), headers=headers)


def test_a_conference_starts_with_eight_seconds_and_has_two_minutes_at_most() -> None:
    assert Conference(slug="new").undo_seconds == 8
    with pytest.raises(IntegrityError, match="conference_undo_within_two_minutes"):
        Conference.objects.update(undo_seconds=121)


def test_the_answer_counts_the_seconds_and_sends_nothing(sam_client: Client, card_order: Order) -> None:
    response = sam_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    html, refund = response.content.decode(), card_order.refunds.get()
    assert refund.is_held
    assert refund.parts.get().sent_at is None
    assert response["HX-Reswap"] == "none"
    assert f'id="held-{refund.pk}"' in html
    assert "€12.50 is about to be sent" in html
    assert 'data-seconds="8"' in html
    assert "sent to Stripe" not in html
    row = html.partition("<template>")[2].partition("</template>")[0]
    assert f'hx-post="{reverse("refund_undo", args=[refund.pk])}"' in row
    assert f'href="{reverse("refund_detail", args=[refund.pk])}"' in row
    assert "12.50 about to be sent" in row


def test_every_page_of_the_session_shows_it_until_it_is_over(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    assert f'id="held-{refund.pk}"' in sam_client.get(reverse("refund_list")).content.decode()

    post(sam_client, "refund_undo", refund, **HTMX)

    assert f'id="held-{refund.pk}"' not in sam_client.get(reverse("refund_list")).content.decode()
    assert sam_client.session["held_refunds"] == []


def test_a_colleague_sees_it_on_the_order_and_can_undo_it(
    sam_client: Client, grace_client: Client, card_order: Order
) -> None:
    refund = hold(sam_client, card_order, **HTMX)

    page = grace_client.get(reverse("order_detail", args=[card_order.reference])).content.decode()
    assert f'action="{reverse("refund_undo", args=[refund.pk])}"' in page
    assert f'id="held-{refund.pk}"' not in page
    assert f'id="held-{refund.pk}"' not in grace_client.get(reverse("order_list")).content.decode()

    post(grace_client, "refund_undo", refund)
    refund.refresh_from_db()
    assert refund.state == State.CANCELED
    page = grace_client.get(reverse("order_detail", args=[card_order.reference])).content.decode()
    assert "Taken back before it was sent. " in page


def test_undo_takes_the_toast_away_and_draws_the_row(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)

    response = post(sam_client, "refund_undo", refund, **HTMX)

    html = response.content.decode()
    refund.refresh_from_db()
    card_order.refresh_from_db()
    assert (refund.state, card_order.refundable_amount) == (State.CANCELED, Decimal("80.00"))
    assert f'<div id="held-{refund.pk}" hx-swap-oob="delete">' in html
    assert f"{refund.number} was taken back" in html
    assert "No money moved" in html
    assert "refund:done" not in str(response.headers)  # Nothing that is open meanwhile may close.
    assert f'id="order-{card_order.reference}"' in html


def test_the_open_page_sends_it(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)

    response = post(sam_client, "refund_send", refund, **HTMX)

    refund.refresh_from_db()
    assert refund.state == State.SUCCEEDED
    assert "€12.50 refund sent to Stripe" in response.content.decode()


def test_a_second_page_sends_nothing_and_says_nothing_twice(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    post(sam_client, "refund_send", refund, **HTMX)

    again = post(sam_client, "refund_send", refund, **HTMX).content.decode()

    assert "sent to Stripe" not in again
    assert f'<div id="held-{refund.pk}" hx-swap-oob="delete">' in again
    assert refund.parts.get().attempts == 1


def test_too_late_to_undo_is_said(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    post(sam_client, "refund_send", refund, **HTMX)

    html = post(sam_client, "refund_undo", refund, **HTMX).content.decode()

    refund.refresh_from_db()
    assert "It was too late to undo" in html
    assert refund.state == State.SUCCEEDED


def test_sending_what_was_undone_sends_nothing(sam_client: Client, card_order: Order) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    post(sam_client, "refund_undo", refund, **HTMX)

    html = post(sam_client, "refund_send", refund, **HTMX).content.decode()

    refund.refresh_from_db()
    assert refund.state == State.CANCELED
    assert "sent to Stripe" not in html


def test_without_a_script_there_is_a_page_with_both(sam_client: Client, card_order: Order) -> None:
    response = sam_client.post(refund_url(card_order), filled(card_order), follow=True)

    refund, html = card_order.refunds.get(), response.content.decode()
    assert response.redirect_chain[-1][0] == reverse("refund_detail", args=[refund.pk])
    main = html.partition("<main")[2]
    assert f'action="{reverse("refund_undo", args=[refund.pk])}"' in main
    assert f'action="{reverse("refund_send", args=[refund.pk])}"' in main
    assert "Check now" not in main

    done = sam_client.post(reverse("refund_undo", args=[refund.pk]), follow=True).content.decode()
    assert "The refund was undone" in done
    assert "Taken back before it was sent. No money moved." in done
    assert 'id="retry"' not in done


def test_the_same_form_again_shows_the_same_seconds(sam_client: Client, card_order: Order) -> None:
    fields = filled(card_order)
    sam_client.post(refund_url(card_order), fields, headers=HTMX)

    html = sam_client.post(refund_url(card_order), fields, headers=HTMX).content.decode()

    assert card_order.refunds.count() == 1
    assert "is about to be sent" in html


def test_a_requested_refund_can_be_cancelled_on_its_page(
    sam_client: Client, linus_client: Client, card_order: Order
) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    Refund.objects.update(hold_until=None)
    url = reverse("refund_detail", args=[refund.pk])
    assert "Cancel this refund" in sam_client.get(url).content.decode()
    assert "Cancel this refund" not in linus_client.get(url).content.decode()

    refund.parts.update(sent_at=timezone.now() - timedelta(minutes=2))
    assert "Cancel this refund" not in sam_client.get(url).content.decode()


def test_no_seconds_send_at_once(sam_client: Client, conference: Conference, card_order: Order) -> None:
    Conference.objects.update(undo_seconds=0)
    response = sam_client.post(refund_url(card_order), filled(card_order), headers=HTMX)
    assert "€12.50 refund sent to Stripe" in response.content.decode()


@pytest.mark.parametrize("name", ["refund_undo", "refund_send"])
@pytest.mark.parametrize("role", ["Viewer", "Administrator"])
def test_who_may_only_look_can_neither_undo_nor_send(
    sam_client: Client, conference: Conference, card_order: Order, name: str, role: str
) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    walker = client_of(make_staff("walker", role, conference))

    assert post(walker, name, refund).status_code == 403
    refund.refresh_from_db()
    assert refund.is_held


def test_what_was_undone_says_so_everywhere_and_is_told_apart_from_what_stripe_cancelled(
    sam_client: Client, grace_client: Client, card_order: Order
) -> None:
    refund = hold(sam_client, card_order, **HTMX)
    post(sam_client, "refund_undo", refund, **HTMX)

    pages = (
        grace_client.get(reverse("refund_detail", args=[refund.pk])),
        grace_client.get(reverse("order_detail", args=[card_order.reference])),
    )
    for page in pages:
        assert "it was cancelled" not in text_of(page)
        assert "it was undone" in text_of(page)
        assert "Cancelled" not in text_of(page)
    assert "The refund was undone" in text_of(pages[0])
    assert [*numbers(grace_client, "undone"), *numbers(grace_client, "canceled")] == [refund.number]
    assert "Undone" in grace_client.get(reverse("refund_export")).getvalue().decode()


def numbers(client: Client, state: str) -> list[str]:
    shown = client.get(reverse("refund_list"), {"state": state}).context["refunds"].rows
    return [row["refund"].number for row in shown]


def test_what_stripe_cancelled_is_not_said_to_be_undone(grace_client: Client, card_order: Order) -> None:
    refund = hold(grace_client, card_order, **HTMX)
    refund.parts.update(state=State.CANCELED, sent_at=timezone.now())
    Refund.objects.filter(pk=refund.pk).update(state=State.CANCELED, hold_until=None)

    page = text_of(grace_client.get(reverse("refund_detail", args=[refund.pk])))

    assert "The refund was cancelled" in page
    assert "it was cancelled" in page
    assert [*numbers(grace_client, "canceled"), *numbers(grace_client, "undone")] == [refund.number]
