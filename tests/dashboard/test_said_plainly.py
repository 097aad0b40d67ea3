"""Kept fees, proposals taken back where they are shown, who settled what, and words that are true of what happens."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Payment, Refund
from registration.models.refund import State
from registration.services.manual import confirm_manual
from tests.cast import HTMX, make_order, make_staff, pay
from tests.dashboard.open_items import LIST, add
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
KIND = OpenItem.Kind


def preview(client: Client, order: Order, **fields: Any) -> str:
    url = reverse("refund_preview", args=[order.reference])
    return text_of(client.post(url, filled(order, **fields), headers=HTMX))


def page_of(client: Client, order: Order) -> str:
    return text_of(client.get(reverse("order_detail", args=[order.reference])))


def detail(client: Client, refund: Refund) -> str:
    return text_of(client.get(reverse("refund_detail", args=[refund.pk])))


@pytest.fixture
def by_terminal(conference: Conference, ada: Any) -> Order:
    """40.00, paid at the terminal: it goes back by hand."""
    order = make_order(conference, ada, total="40.00", status=Order.Status.PAID)
    pay(order, "40.00", method=Payment.Method.TERMINAL)
    return order


@pytest.fixture
def proposal(conference: Conference, sam_client: Client, card_order: Order) -> Refund:
    """12.50, proposed by Sam."""
    Conference.objects.update(support_refund_limit=Decimal("10.00"))
    sam_client.post(refund_url(card_order), filled(card_order), headers=HTMX)
    refund = card_order.refunds.get()
    assert refund.state == State.AWAITING_APPROVAL
    return refund


def test_a_fee_that_is_kept_is_said_to_stay_refundable(grace_client: Client, card_order: Order) -> None:
    fee = {"amount": "50.00", "fee_kind": "percent", "fee_percent": "10"}
    assert "<b>€5.00, can still be refunded</b>" in preview(grace_client, card_order, **fee)

    grace_client.post(refund_url(card_order), filled(card_order, **fee), headers=HTMX)

    assert "€35.00 <small>of which €5.00 was kept as a fee</small>" in page_of(grace_client, card_order)
    panel = text_of(grace_client.get(refund_url(card_order), headers=HTMX))
    assert "€5.00 of what can be refunded was kept as a fee before." in panel


def test_where_no_fee_is_left_none_is_named(grace_client: Client, card_order: Order) -> None:
    card_order.refunds.create(amount=Decimal("5.00"), fee_amount=Decimal("2.00"), state=State.FAILED)

    assert "kept as a fee</small>" not in page_of(grace_client, card_order)
    assert "kept as a fee before" not in text_of(grace_client.get(refund_url(card_order), headers=HTMX))


@pytest.mark.parametrize("place", ["order", "queue"])
def test_a_proposal_is_taken_back_where_it_is_shown(
    sam_client: Client, grace_client: Client, proposal: Refund, place: str
) -> None:
    shown = reverse("order_detail", args=[proposal.order.reference]) if place == "order" else LIST
    url = reverse("refund_withdraw", args=[proposal.pk])
    assert f'action="{url}"' in text_of(sam_client.get(shown))
    assert f'action="{url}"' not in text_of(grace_client.get(shown))

    response = sam_client.post(url, {"back": place})

    proposal.refresh_from_db()
    assert proposal.state == State.REJECTED
    assert response["Location"].partition("#")[0] == shown
    assert f'action="{url}"' not in text_of(sam_client.get(shown))


def test_what_went_back_by_itself_names_who_sent_it_back(
    grace_client: Client, grace: Any, card_order: Order, sandbox: "SandboxServer"
) -> None:
    surplus = pay(card_order, "80.00", sandbox=sandbox)
    item = add(card_order.conference, KIND.PAID_LATE, f"payment:{surplus.pk}", "80.00", order=card_order)
    OpenItem.objects.filter(pk=item.pk).update(payment=surplus)

    form = filled(card_order, amount="80.00", item=item.pk, full_amount="80.00")
    grace_client.post(refund_url(card_order), form, headers=HTMX)

    item.refresh_from_db()
    assert (str(item.resolution), item.resolved_by) == ("It went back.", None)
    told = text_of(grace_client.get(reverse("attention_item", args=[item.pk])))
    assert "Settled by Grace Hopper, " in told
    assert ": It went back." in told


def test_a_transfer_that_nobody_made_is_not_on_its_way(grace_client: Client, by_terminal: Order) -> None:
    told = text_of(grace_client.post(refund_url(by_terminal), filled(by_terminal), headers=HTMX))

    assert "12.50 to be transferred" in told
    assert "on its way" not in told


def test_a_transfer_by_hand_is_recorded_and_not_sent(grace_client: Client, by_terminal: Order) -> None:
    Conference.objects.update(undo_seconds=8)

    told = text_of(grace_client.post(refund_url(by_terminal), filled(by_terminal), headers=HTMX))

    assert "€12.50 is about to be recorded, to pay back by hand" in told
    assert "€12.50 is being recorded" in told
    assert "Record now</button>" in told
    assert "12.50 about to be recorded" in told
    page = detail(grace_client, by_terminal.refunds.get())
    assert "Then it is recorded by itself, and somebody pays it back by hand." in page
    assert "Do not pay it yet: this can still be undone." in page
    assert "pay it back by hand." not in page.replace("somebody pays it back by hand.", "")
    assert "sent by itself" not in page


def test_store_credit_is_given_and_not_sent(grace_client: Client, card_order: Order) -> None:
    Conference.objects.update(undo_seconds=8)

    form = filled(card_order, destination="CREDIT")
    told = text_of(grace_client.post(refund_url(card_order), form, headers=HTMX))

    assert "€12.50 is about to be given as store credit" in told
    assert "€12.50 is being given as store credit" in told
    assert "Give now</button>" in told
    assert "12.50 about to be given as credit" in told


def test_a_refund_gives_its_reason_once(grace_client: Client, card_order: Order) -> None:
    grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    page = detail(grace_client, card_order.refunds.get())

    assert "<dt>Reason</dt><dd>Requested by attendee</dd>" in page
    assert "Stripe is told" not in page


def test_a_refund_says_what_stripe_was_told_beside_another_reason(grace_client: Client, card_order: Order) -> None:
    reason = card_order.conference.refund_reasons.create(label="Paid twice", stripe_reason="duplicate")
    grace_client.post(refund_url(card_order), filled(card_order, reason=reason.pk), headers=HTMX)

    page = detail(grace_client, card_order.refunds.get())

    assert "<dt>Reason</dt><dd>Paid twice</dd>" in page
    assert "<dt>Stripe is told</dt><dd>Duplicate</dd>" in page


@pytest.mark.parametrize(
    ("destination", "name", "is_record"), [("CARD", "Credit note", True), ("CREDIT", "Store credit", False)]
)
def test_a_record_of_a_refund_is_told_apart_from_store_credit(
    grace_client: Client, card_order: Order, destination: str, name: str, is_record: bool
) -> None:
    grace_client.post(refund_url(card_order), filled(card_order, destination=destination), headers=HTMX)

    page = detail(grace_client, card_order.refunds.get())

    assert f"<dt>{name}</dt>" in page
    assert ("Only the record of this refund: no store credit, nothing to spend." in page) is is_record


def test_an_order_that_cost_nothing_is_called_free_of_charge(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, total="30.00", status=Order.Status.PAID)
    pay(order, "30.00", method=Payment.Method.COMP)

    assert '<span class="sub">Free of charge</span>' in text_of(grace_client.get("/orders/"))
    assert '<span class="sub">Free of charge</span>' in page_of(grace_client, order)


@pytest.mark.trap(12)
def test_no_bank_is_named_for_what_a_person_pays(
    conference: Conference, grace_client: Client, by_terminal: Order
) -> None:
    Conference.objects.update(undo_seconds=0)
    grace_client.post(refund_url(by_terminal), filled(by_terminal), headers=HTMX)
    part = by_terminal.refunds.get().parts.get()

    confirm_manual(part, reference="SEPA 77", staff_user=make_staff("fay", "Finance", conference))

    told = page_of(grace_client, by_terminal)
    assert " paid €12.50 back by hand" in told
    assert "sent to the bank" not in told
    file = b"".join(grace_client.get(reverse("refund_export"))).decode()
    assert ",By hand," in file
