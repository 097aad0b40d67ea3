from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from dashboard.orders.lines import line_entries
from dashboard.orders.page import HISTORY_PAGE
from registration.models import (
    Conference,
    HistoryEntry,
    Membership,
    OpenItem,
    Order,
    OrderLineItem,
    Payment,
    Refund,
    RefundLine,
    RefundPart,
)
from registration.money import format_amount
from registration.services.lines import lines_left
from registration.services.notes import add_note
from registration.services.refund import RefundService
from tests.cast import make_credit, make_order, pay


def page_of(client: Client, order: Order) -> str:
    response = client.get(reverse("order_detail", args=[order.reference]))
    assert response.status_code == 200
    return str(response.content.decode())


def make_refund(order: Order, amount: str, state: str, **fields: Any) -> Refund:
    fields = {"destination": Refund.Destination.CARD, "reason": "Requested by attendee"} | fields
    refund = Refund.objects.create(order=order, amount=Decimal(amount), state=state, **fields)
    payment = order.payments.filter(method=Payment.Method.STRIPE).get()
    RefundPart.objects.create(refund=refund, payment=payment, channel="STRIPE", amount=Decimal(amount), state=state)
    order.refresh_from_db()
    return refund


@pytest.mark.parametrize("note", ['{"code": "refused"}', '{"code": []}', '{"a":' + "[" * 3000])
def test_a_note_that_looks_like_the_desks_own_words_reads_as_typed(
    grace_client: Client, order: Order, note: str
) -> None:
    grace_client.post(reverse("note_create", args=[order.reference]), {"text": note})

    assert escape(note) in grace_client.get(reverse("order_detail", args=[order.reference])).content.decode()


def test_the_money_strip_adds_up(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, paid="430.00", total="530.00")
    credit = make_credit(conference, ada, "100.00")
    payment = pay(order, "100.00", method=Payment.Method.CREDIT, credit=credit)
    credit.entries.create(kind="APPLIED", amount=Decimal("-100.00"), order=order, payment=payment)
    make_refund(order, "80.00", Refund.State.SUCCEEDED)
    make_refund(order, "50.00", Refund.State.PENDING)
    make_refund(order, "25.00", Refund.State.REQUESTED)
    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]
    assert [amount for _label, amount in page.strip] == ["€530.00", "€530.00", "€80.00", "€75.00"]
    assert page.left == "€375.00"
    assert page.credit_only == "€100.00"
    assert [part["amount"] for part in page.split] == ["€80.00", "€75.00", "€375.00"]
    assert page.split[-1]["x"] + page.split[-1]["width"] <= 1000


def test_line_items_say_what_went_back_and_what_is_left(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, paid="80.00", items={"Ticket": "50.00", "Dinner": "30.00"})
    ticket, dinner = OrderLineItem.objects.filter(order=order)
    done, moving = make_refund(order, "20.00", Refund.State.SUCCEEDED), make_refund(order, "5.00", Refund.State.PENDING)
    failed = make_refund(order, "7.00", Refund.State.FAILED)
    for refund, amount in ((done, "20.00"), (moving, "5.00"), (failed, "7.00")):
        RefundLine.objects.create(refund=refund, line_item=ticket, amount=Decimal(amount))
    lines = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"].lines
    assert [(line.refunded, line.under_way, line.left) for line in lines] == [
        ("20.00", ("€5.00 on its way",), "25.00"),
        ("0.00", (), "30.00"),
    ]
    assert lines[1].item == dinner


def test_a_line_never_offers_more_than_the_order_has_left(grace_client: Client, order: Order) -> None:
    make_refund(order, "70.00", Refund.State.SUCCEEDED)
    (line,) = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"].lines
    assert line.left == "10.00"


def test_refunds_say_who_when_why_and_who_has_the_money(grace_client: Client, grace: Any, order: Order) -> None:
    failed = make_refund(order, "10.00", Refund.State.FAILED, refusal="The card has expired.")
    retry = make_refund(order, "10.00", Refund.State.PENDING, requested_by=grace, retry_of=failed, note="By phone")
    page = page_of(grace_client, order)
    for text in (retry.number, "Grace Hopper", "Requested by attendee", "By phone", "To Visa ending 4242"):
        assert text in page
    assert "The card has expired." in page
    assert f'Retried as <a href="{reverse("refund_detail", args=[retry.pk])}">{retry.number}</a>' in page
    assert "Stripe has the money and will pass it to the bank." in page
    assert reverse("refund_check", args=[retry.pk]) in page


def test_payments_say_what_is_left_on_each(grace_client: Client, order: Order) -> None:
    make_refund(order, "30.00", Refund.State.SUCCEEDED)
    (entry,) = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"].payments
    assert (entry.amount, entry.left, entry.has_left) == ("80.00", "50.00", True)


def test_a_dispute_is_shown_with_its_deadline_and_stops_refunds(grace_client: Client, order: Order) -> None:
    payment = order.payments.get()
    payment.dispute = {"status": "needs_response", "reason": "product_not_received", "due_by": 1779062400}
    payment.save(update_fields=["dispute"])
    page = page_of(grace_client, order)
    assert "Visa ending 4242: they say they did not get what they paid for, waiting for our answer." in page
    assert "Evidence due 18 May 2026." in page
    assert reverse("refund_create", args=[order.reference]) not in page


def test_credits_issued_and_used_are_named(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, total="50.00", status=Order.Status.PAID)
    used = make_credit(conference, ada, "50.00")
    pay(order, "50.00", method=Payment.Method.CREDIT, credit=used)
    issued = make_credit(conference, ada, "20.00", source_order=order, kind="REFUND")
    page = page_of(grace_client, order)
    assert used.number in page
    assert issued.number in page


def test_the_timeline_speaks_in_sentences(grace_client: Client, grace: Any, order: Order) -> None:
    grace_client.post(reverse("note_create", args=[order.reference]), {"text": "Called about the <dinner>."})
    page = page_of(grace_client, order)
    assert "Grace Hopper wrote a note" in page
    assert "Called about the &lt;dinner&gt;." in page
    assert HistoryEntry.objects.get(order=order).actor == grace


def test_an_empty_note_is_sent_back_with_a_sentence(grace_client: Client, order: Order) -> None:
    response = grace_client.post(reverse("note_create", args=[order.reference]), {"text": "  "})
    assert response.status_code == 422
    assert "Write something first." in response.content.decode()
    assert not order.notes.exists()


def test_the_attendees_other_orders_are_linked(
    grace_client: Client, order: Order, new_order: Callable[..., Order]
) -> None:
    other = new_order(paid="10.00")
    assert reverse("order_detail", args=[other.reference]) in page_of(grace_client, order)


def test_other_orders_of_conferences_out_of_sight_stay_out_of_sight(
    grace_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    other = make_order(other_conference, ada, paid="10.00")
    assert other.reference not in page_of(grace_client, order)


@pytest.mark.parametrize(("livemode", "mode"), [(True, ""), (False, "/test"), (None, "/test")])
def test_links_to_stripe_respect_the_mode(grace_client: Client, order: Order, livemode: bool | None, mode: str) -> None:
    Payment.objects.filter(order=order).update(livemode=livemode)
    intent = order.payments.get().stripe_payment_intent_id
    assert f'href="https://dashboard.stripe.com{mode}/payments/{intent}"' in page_of(grace_client, order)


def test_a_practice_desk_links_nowhere(grace_client: Client, order: Order, settings: Settings) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    page = page_of(grace_client, order)
    assert "dashboard.stripe.com" not in page
    assert "Practice desk." in page


def test_what_waits_for_somebody_heads_the_page(grace_client: Client, order: Order, conference: Conference) -> None:
    kinds = OpenItem.Kind
    facts = {"amount": "20.00", "currency": "EUR"}
    about = {"conference": conference, "order": order, "facts": facts}
    items = [OpenItem.objects.create(kind=kind, subject=kind, **about) for kind in (kinds.OVERPAID, kinds.UNSENT)]

    page = page_of(grace_client, order)

    assert "Needs attention." in page
    assert f'<a href="/attention/{items[0].pk}/">€20.00 was paid above the order&#x27;s total.</a>' in page
    assert f'href="/attention/{items[1].pk}/">What settles it</a>' in page


@pytest.mark.trap(4)
def test_what_is_being_verified_leads_to_its_item(grace_client: Client, order: Order, conference: Conference) -> None:
    refund = make_refund(order, "5.00", Refund.State.UNCONFIRMED)
    kind, facts = OpenItem.Kind.UNCONFIRMED, {"amount": "5.00", "currency": "EUR"}
    item = OpenItem.objects.create(
        conference=conference, order=order, refund=refund, kind=kind, subject="part:1", facts=facts
    )

    assert f'href="/attention/{item.pk}/">What settles it</a>' in page_of(grace_client, order)


def test_open_items_cost_the_page_no_question_of_their_own(
    grace_client: Client, order: Order, conference: Conference
) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            page_of(grace_client, order)
        return len(asked)

    page_of(grace_client, order)
    before = questions()
    for kind in (OpenItem.Kind.OVERPAID, OpenItem.Kind.PAID_LATE, OpenItem.Kind.DISPUTED, OpenItem.Kind.FAILED):
        facts = {"due_by": "2026-12-01T00:00:00+00:00"}
        OpenItem.objects.create(conference=conference, order=order, kind=kind, subject=kind, facts=facts)

    assert questions() == before


def test_places_are_listed_as_in_a_sentence(grace_client: Client, order: Order) -> None:
    refund = make_refund(order, "5.00", Refund.State.PENDING)
    refund.parts.create(
        payment=order.payments.get(), channel="STORE_CREDIT", amount=Decimal("5.00"), state=Refund.State.PENDING
    )

    assert "<b>To Visa ending 4242, to store credit</b>" in page_of(grace_client, order)


def test_a_viewer_looks_and_never_touches(linus_client: Client, order: Order) -> None:
    page = page_of(linus_client, order)
    for name in ("refund_create", "note_create"):
        assert reverse(name, args=[order.reference]) not in page
    assert linus_client.post(reverse("note_create", args=[order.reference]), {"text": "x"}).status_code == 403


def test_the_page_asks_no_more_for_more_refunds(
    grace_client: Client, order: Order, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _index in range(5):
        make_refund(order, "5.00", Refund.State.PENDING)
    for word in ("one", "two", "three"):
        grace_client.post(reverse("note_create", args=[order.reference]), {"text": word})
    # Four of them say who is asking, two draw the frame.
    with django_assert_max_num_queries(4 + 2 + 12):
        page_of(grace_client, order)


def test_the_frame_names_the_conference_of_the_order(
    grace_client: Client, grace: Any, order: Order, other_conference: Conference, ada: Any
) -> None:
    Membership.objects.create(user=grace, conference=other_conference)
    theirs = make_order(other_conference, ada, paid="10.00")
    response = grace_client.get(reverse("order_detail", args=[theirs.reference]))
    assert response.context["desk"].conference == other_conference
    assert grace_client.get(reverse("order_list")).context["desk"].conference == order.conference


def test_ticked_line_items_are_added_up_by_the_server(sam_client: Client, order: Order) -> None:
    line = order.line_items.get()

    foot = sam_client.get(f"/orders/{order.reference}/lines/", {"lines": [line.pk, 999, "x"]}).content.decode()

    assert "1 item selected," in foot
    assert "Refund selected €80.00…" in foot
    assert "selected," not in sam_client.get(f"/orders/{order.reference}/lines/").content.decode()


def test_a_long_history_pages(grace_client: Client, grace: Any, order: Order) -> None:
    for number in range(HISTORY_PAGE + 5):
        add_note(order, text=f"Note number {number}.", staff_user=grace)
    url = reverse("order_detail", args=[order.reference])

    newest = grace_client.get(url).context["page"]
    assert len(newest.timeline) == HISTORY_PAGE
    assert newest.timeline[0]["quote"] == f"Note number {HISTORY_PAGE + 4}."
    assert newest.newest_url == ""

    older = grace_client.get(newest.older_url).context["page"]
    assert older.history[0].position == newest.history[HISTORY_PAGE - 1].position - 1
    assert older.older_url == ""
    assert grace_client.get(older.newest_url).context["page"].timeline == newest.timeline
    assert grace_client.get(f"{url}?before=x").context["page"].timeline == newest.timeline


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"paid": "80.00", "items": {"Dinner": "80.00", "Sticker": "0.00"}}, "Free of charge"),
        ({"total": "80.00", "items": {"Dinner": "80.00"}}, "Not paid in full yet"),
        ({"total": "80.00", "items": {"Dinner": "80.00"}, "status": "CANCELLED"}, "Nothing is left to refund"),
    ],
)
def test_a_line_with_nothing_left_says_why(grace_client: Client, new_order: Any, fields: Any, why: str) -> None:
    assert why in page_of(grace_client, new_order(**fields))


def test_a_line_that_went_back_says_so(grace_client: Client, new_order: Any) -> None:
    order = new_order(paid="80.00", items={"Dinner": "50.00", "Tour": "30.00"})
    line = order.line_items.get(description="Dinner")
    RefundService.create_refund(
        order, amount=Decimal("50.00"), destination="CREDIT", line_amounts={line.pk: Decimal("50.00")}
    )

    assert page_of(grace_client, order).count("All of it was refunded") == 1


def test_what_is_proposed_is_not_on_its_way(grace_client: Client, order: Order) -> None:
    make_refund(order, "30.00", Refund.State.AWAITING_APPROVAL)
    make_refund(order, "10.00", Refund.State.PENDING)

    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]

    assert dict(page.strip) | {"Proposed": "€30.00", "On its way": "€10.00"} == dict(page.strip)
    assert {part["label"]: part["amount"] for part in page.split}["Proposed"] == "€30.00"


def waits_in_every_way(order: Order) -> list[Refund]:
    """Four refunds of 10.00 to 13.00: at Stripe, still to be undone, to be transferred, proposed."""
    held = make_refund(order, "11.00", Refund.State.REQUESTED, hold_until=timezone.now() + timedelta(seconds=8))
    by_hand = make_refund(order, "12.00", Refund.State.AWAITING_TRANSFER)
    by_hand.parts.update(channel="MANUAL")
    proposed = make_refund(order, "13.00", Refund.State.AWAITING_APPROVAL)
    return [make_refund(order, "10.00", Refund.State.PENDING), held, by_hand, proposed]


def test_only_what_stripe_has_is_on_its_way(grace_client: Client, order: Order) -> None:
    waits_in_every_way(order)

    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]

    waiting = [("Proposed", "€13.00"), ("About to be sent", "€11.00"), ("To pay back by hand", "€12.00")]
    assert page.strip[-4:] == [*waiting, ("On its way", "€10.00")]
    tones = {part["label"]: (part["tone"], part["amount"]) for part in page.split}
    assert {label: tones[label] for label, _amount in waiting} == {label: ("amber", each) for label, each in waiting}
    assert tones["On its way"] == ("moving", "€10.00")


def test_a_transfer_nobody_made_leaves_nothing_on_its_way(grace_client: Client, order: Order) -> None:
    make_refund(order, "12.00", Refund.State.AWAITING_TRANSFER).parts.update(channel="MANUAL")

    assert "On its way" not in page_of(grace_client, order)


def test_a_held_transfer_is_about_to_be_recorded(grace_client: Client, order: Order) -> None:
    held = make_refund(order, "12.00", Refund.State.REQUESTED, hold_until=timezone.now() + timedelta(seconds=8))
    held.parts.update(channel="MANUAL")

    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]

    assert page.strip[-1] == ("About to be recorded", "€12.00")


def test_a_line_says_of_each_way_it_waits(order: Order) -> None:
    (item,) = order.line_items.all()
    for refund in waits_in_every_way(order):
        RefundLine.objects.create(refund=refund, line_item=item, amount=refund.amount)

    (line,) = line_entries(order, [item])

    sent = ("€10.00 on its way", "€11.00 about to be sent")
    assert line.under_way == (*sent, "€12.00 to be transferred", "€13.00 proposed")


def test_a_line_tells_apart_what_is_proposed_and_what_is_on_its_way(order: Order) -> None:
    (item,) = order.line_items.all()
    for amount, state in (("30.00", Refund.State.AWAITING_APPROVAL), ("10.00", Refund.State.PENDING)):
        RefundLine.objects.create(refund=make_refund(order, amount, state), line_item=item, amount=Decimal(amount))

    (line,) = line_entries(order, [item])

    assert line.under_way == ("€10.00 on its way", "€30.00 proposed")


def test_a_line_has_as_much_left_as_the_form_offers(conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, paid="100.00", items={"A": "33.33", "B": "33.33", "C": "33.34"})
    refund = make_refund(order, "10.01", Refund.State.SUCCEEDED)
    for amount in ("3.34", "6.67"):
        refund.parts.create(
            payment=order.payments.get(), channel="STRIPE", amount=Decimal(amount), state=Refund.State.PENDING
        )
    for item, amount in zip(order.line_items.order_by("pk"), ("6.67", "6.67", "6.68"), strict=True):
        RefundLine.objects.create(refund=refund, line_item=item, amount=Decimal(amount))
    order.refresh_from_db()

    offered = [format_amount(row.left_amount, "EUR") for row in lines_left(order)]

    assert [entry.left for entry in line_entries(order, order.line_items.order_by("pk"))] == offered


def test_the_slim_bar_tells_them_apart(grace_client: Client, order: Order) -> None:
    make_refund(order, "10.00", Refund.State.PENDING)
    make_refund(order, "30.00", Refund.State.AWAITING_APPROVAL)

    row = grace_client.get(reverse("order_row", args=[order.reference])).content.decode()

    assert "30.00 waits for approval" in row
    assert 'class="f-amber"' in row
    assert 'class="f-moving"' in row


def test_the_refunded_column_comes_to_what_was_refunded(grace_client: Client, order: Order) -> None:
    (item,) = order.line_items.all()
    by_item = make_refund(order, "18.00", Refund.State.SUCCEEDED, fee_amount=Decimal("2.00"))
    by_item.lines.create(line_item=item, amount=Decimal("20.00"))
    make_refund(order, "30.00", Refund.State.SUCCEEDED)

    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]

    assert [line.refunded for line in page.lines] == ["20.00"]
    rows = [("Not assigned to an item", "30.00"), ("Kept as a fee", "−2.00"), ("Refunded in all", "48.00")]
    assert page.beside_the_lines == rows


def test_items_that_come_to_it_have_no_line_beside_them(grace_client: Client, order: Order) -> None:
    (item,) = order.line_items.all()
    by_item = make_refund(order, "20.00", Refund.State.SUCCEEDED)
    by_item.lines.create(line_item=item, amount=Decimal("20.00"))

    page = grace_client.get(reverse("order_detail", args=[order.reference])).context["page"]

    assert (page.beside_the_lines, page.lines[0].refunded) == ([], "20.00")
