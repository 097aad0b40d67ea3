"""An open page learns what a colleague or Stripe changed, once, and nothing when nothing did."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client, RequestFactory

from dashboard.live import Mark, mark_now
from dashboard.waiting import waiting_at
from registration.models import Conference, OpenItem, Order, Refund
from registration.services.attention import acknowledge
from registration.services.history import record
from registration.services.refund import RefundService
from tests.cast import make_credit, make_order

pytestmark = pytest.mark.django_db


class Window:
    """A page that a colleague has open; it asks on from what it was told last."""

    def __init__(self, client: Client, conference: Conference, page: str, about: str = "", **filters: str) -> None:
        self.client = client
        self.asked = {"page": page, "about": about, "at": conference.slug} | filters
        self.mark = ""
        self.events: dict[str, Any] = {}
        self.ask()

    def ask(self, *shown: str, again: str = "") -> str | None:
        asked = self.asked | {"mark": self.mark, "shown": ",".join(shown), "again": again}
        answer = self.client.get("/changes/", asked, headers={"HX-Request": "true"})
        self.events = json.loads(answer.get("HX-Trigger", "{}"))
        self.mark = self.events.get("live:mark", {}).get("mark", self.mark)
        return None if answer.status_code == 204 else answer.content.decode()


def refund(order: Order, amount: str = "5.00", **fields: Any) -> Refund:
    destination = fields.pop("destination", Refund.Destination.CREDIT)
    RefundService.create_refund(order, amount=Decimal(amount), destination=destination, **fields)
    return order.refunds.latest("pk")


def row(order: Order) -> str:
    return f"order-{order.reference}"


def test_nothing_new_is_no_content(linus_client: Client, order: Order) -> None:
    refund(order)
    assert Window(linus_client, order.conference, "orders").ask(row(order)) is None


def test_a_colleagues_refund_redraws_the_row_and_is_told_once(linus_client: Client, order: Order, grace: Any) -> None:
    window = Window(linus_client, order.conference, "orders")
    refund(order, staff_user=grace)

    told = window.ask(row(order))

    assert told is not None
    assert f'id="{row(order)}"' in told
    assert f"{order.reference}: Grace Hopper refunded €5.00" in told
    assert "orders:changed" in window.events
    # The same entries are looked at again for some seconds, but not told again.
    assert window.ask(row(order)) is None


def test_ones_own_action_is_drawn_but_not_announced(grace_client: Client, order: Order, grace: Any) -> None:
    window = Window(grace_client, order.conference, "orders")
    refund(order, staff_user=grace)

    told = window.ask(row(order)) or ""

    assert f'id="{row(order)}"' in told
    assert "Grace Hopper refunded" not in told


def test_what_commits_late_is_still_told(linus_client: Client, order: Order) -> None:
    refund(order)
    late = order.history.latest("pk")
    window = Window(linus_client, order.conference, "orders")
    seen = Mark.read(window.mark)
    window.mark = str(Mark(seen.entry + 3, seen.recent - {late.pk}, seen.waiting, seen.newest))

    assert f'id="{row(order)}"' in (window.ask(row(order)) or "")


def test_what_is_not_shown_only_moves_the_counts(linus_client: Client, order: Order) -> None:
    window = Window(linus_client, order.conference, "orders")
    refund(order)

    told = window.ask("order-ORD-NOBODY")

    assert told is not None
    assert "<tr" not in told
    assert "orders:changed" in window.events


def test_a_row_that_was_put_off_is_drawn_when_asked_for_again(linus_client: Client, order: Order) -> None:
    window = Window(linus_client, order.conference, "orders")
    refund(order)
    window.ask()

    assert window.ask() is None
    assert f'id="{row(order)}"' in (window.ask(again=row(order)) or "")


def test_new_orders_are_a_link_that_counts_what_the_filters_leave(
    linus_client: Client, conference: Conference, order: Order, new_order: Callable[..., Order]
) -> None:
    window = Window(linus_client, conference, "orders", status="PAID")
    new_order(paid="20.00")
    new_order(paid="20.00")
    new_order(total="20.00")

    told = window.ask(row(order)) or ""

    assert ">2 new orders</a>" in told
    assert 'href="/orders/?status=PAID"' in told


def test_open_items_move_the_queues_and_the_callout(linus_client: Client, order: Order) -> None:
    window = Window(linus_client, order.conference, "orders")
    OpenItem.objects.create(conference=order.conference, order=order, kind=OpenItem.Kind.FAILED, subject="refund:1")

    told = window.ask(row(order)) or ""

    assert 'id="queues" hx-swap-oob="true"' in told
    assert "1 thing needs attention." in told


def test_the_list_of_refunds_follows(linus_client: Client, order: Order, new_order: Callable[..., Order]) -> None:
    shown = refund(order)
    window = Window(linus_client, order.conference, "refunds")
    record(order, "refund_part_succeeded", refund=shown, facts={"amount": "5.00"})
    refund(new_order(paid="9.00"))

    told = window.ask(f"refund-{shown.pk}") or ""
    assert 'id="refund-chips"' in told
    assert 'Succeeded <span class="count">2</span>' in told

    assert f'<tr id="refund-{shown.pk}" data-row hx-swap-oob="true">' in told
    assert ">1 new refund</a>" in told


def test_an_item_that_a_colleague_settled_says_so_in_place(linus_client: Client, order: Order, grace: Any) -> None:
    item = OpenItem.objects.create(
        conference=order.conference, order=order, kind=OpenItem.Kind.EXTERNAL, subject="re_1", facts={"amount": "5.00"}
    )
    window = Window(linus_client, order.conference, "attention")
    acknowledge(item, note="Made by the treasurer", staff_user=grace)
    OpenItem.objects.create(conference=order.conference, kind=OpenItem.Kind.UNMATCHED, subject="pi_9")

    told = window.ask(f"item-{item.pk}") or ""

    assert f'id="item-{item.pk}" data-row hx-swap-oob="true"' in told
    assert "Settled by Grace Hopper" in told
    assert ">1 more waits</a>" in told
    assert 'id="waiting-chips"' in told


def test_an_item_follows_the_refunds_of_its_order(
    grace_client: Client, order: Order, new_order: Callable[..., Order], grace: Any
) -> None:
    here, elsewhere = (
        OpenItem.objects.create(
            conference=each.conference,
            order=each,
            kind=OpenItem.Kind.DISPUTED,
            subject=subject,
            facts={"amount": "5.00"},
        )
        for each, subject in ((order, "dp_1"), (new_order(paid="9.00"), "dp_2"))
    )
    window = Window(grace_client, order.conference, "attention", kind="DISPUTED")
    refund(order, staff_user=grace)

    told = window.ask(f"item-{here.pk}", f"item-{elsewhere.pk}") or ""

    assert f'id="item-{here.pk}" data-row hx-swap-oob="true"' in told
    assert 'name="kind" value="DISPUTED"' in told
    assert f'id="item-{elsewhere.pk}"' not in told


def test_the_page_of_an_order_is_told_to_draw_itself(
    linus_client: Client, order: Order, new_order: Callable[..., Order]
) -> None:
    window = Window(linus_client, order.conference, "order", about=order.reference)
    refund(new_order(paid="9.00"))
    window.ask()
    assert "live:changed" not in window.events

    refund(order)
    window.ask()
    assert "live:changed" in window.events


def test_the_page_of_an_attendee_follows_gifts_and_orders(linus_client: Client, order: Order, ada: Any) -> None:
    window = Window(linus_client, order.conference, "attendee", about=str(ada.pk))
    make_credit(order.conference, ada, "5.00")
    window.ask()
    assert "live:changed" in window.events

    refund(order)
    window.ask()
    assert "live:changed" in window.events


def test_other_conferences_stay_their_own(
    linus_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    window = Window(linus_client, order.conference, "orders")
    foreign = make_order(other_conference, ada, paid="9.00")
    refund(foreign)

    told = window.ask(row(foreign), again=row(foreign)) or ""

    assert foreign.reference not in told
    asked = {"at": other_conference.slug, "page": "orders"}
    assert linus_client.get("/changes/", asked).status_code == 404


@pytest.mark.parametrize("text", ["", "x" * 50, "9" * 40, "1.2-x-3", "....", "1.²-³.2x3.4"])
def test_a_broken_mark_is_taken_as_having_seen_nothing(linus_client: Client, order: Order, text: str) -> None:
    answer = linus_client.get("/changes/", {"mark": text, "page": "orders", "at": order.conference.slug})

    assert answer.status_code in (200, 204)


def test_a_mark_survives_being_written_and_read(order: Order) -> None:
    refund(order)
    request = RequestFactory().get("/")
    mark = mark_now(waiting_at(request, order.conference), "orders")

    assert Mark.read(str(mark)) == mark
    assert mark.recent
    assert mark.newest == order.pk


def test_every_page_says_where_it_stands(linus_client: Client, order: Order) -> None:
    pages = {"/orders/": "orders", "/refunds/": "refunds", "/attention/": "attention", "/credits/": ""}
    for address, page in pages.items():
        text = linus_client.get(address).content.decode()
        assert f'data-page="{page}"' in text
        assert 'data-mark="' in text
    swapped = linus_client.get("/orders/?q=ada", headers={"HX-Request": "true", "HX-Target": "orders"})
    assert json.loads(swapped["HX-Trigger"]) == {"live:newest": {"newest": order.pk}}


def test_a_page_that_draws_itself_anew_leaves_messages_to_one_that_shows_them(
    grace_client: Client, order: Order
) -> None:
    page = f"/orders/{order.reference}/"
    grace_client.post(f"{page}notes/new/", {"text": "Called twice"})

    redrawn = grace_client.get(page, headers={"HX-Request": "true", "HX-Trigger": "live"}).content.decode()
    shown = grace_client.get(page).content.decode()

    assert "Note saved" not in redrawn
    assert "Note saved" in shown
