"""Refunding what was paid too much, from the item that says so: never more than is left of it at that moment."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Refund
from registration.models.refund import State
from registration.services.approval import approve_refund
from registration.services.errors import RefundError, RefundProposed
from registration.services.open_items import resolve_item
from registration.services.refund import RefundService
from tests.cast import HTMX, make_order, make_user, pay
from tests.dashboard.open_items import LIST, add
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url
from tests.registration.desk import at_once

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind
CARD = Refund.Destination.CARD


@pytest.fixture
def overpaid(conference: Conference, ada: Any, sandbox: "SandboxServer") -> Order:
    """80.00, and paid by two cards in full."""
    order = make_order(conference, ada, paid="80.00", sandbox=sandbox)
    pay(order, "80.00", sandbox=sandbox)
    return order


@pytest.fixture
def item(overpaid: Order) -> OpenItem:
    payment = overpaid.payments.last()
    return add(overpaid.conference, Kind.OVERPAID, "payment:2", "80.00", order=overpaid, payment=payment)


def link(item: OpenItem) -> str:
    assert item.order is not None
    return f"{refund_url(item.order)}?item={item.pk}"


def preview_url(order: Order) -> str:
    return reverse("refund_preview", args=[order.reference])


def reserve(order: Order, amount: str, state: str) -> Refund:
    refund = Refund.objects.create(order=order, amount=Decimal(amount), state=state)
    refund.parts.create(payment=order.payments.latest("pk"), amount=Decimal(amount), state=state)
    return refund


@pytest.mark.trap(29)
def test_the_link_names_the_item_and_the_form_opens_with_what_is_left(
    grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    assert f'href="{link(item)}"' in text_of(grace_client.get(LIST))
    assert 'value="80.00"' in text_of(grace_client.get(link(item)))

    reserve(overpaid, "50.00", State.AWAITING_APPROVAL)

    page = text_of(grace_client.get(link(item)))
    assert 'id="id_amount"' in page
    assert 'value="30.00"' in page
    assert f'name="item" value="{item.pk}"' in page
    assert 'name="full_amount" value="30.00"' in page
    assert "Left of what was paid too much: €30.00" in page
    assert "Refundable on this order" not in page


@pytest.mark.parametrize("key", ["0", "-1", "NaN", "٣", "99999", "1e400"])
def test_an_item_that_the_order_does_not_have_opens_nothing(grace_client: Client, overpaid: Order, key: str) -> None:
    assert grace_client.get(f"{refund_url(overpaid)}?item={key}").status_code == 404


@pytest.mark.trap(8, 29)
@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.REQUESTED, State.UNCONFIRMED, State.PENDING])
def test_an_old_link_pays_nothing_of_the_ticket_back(
    grace_client: Client, overpaid: Order, item: OpenItem, state: str
) -> None:
    refund = reserve(overpaid, "80.00", state)
    overpaid.refresh_from_db()
    assert overpaid.refundable_amount == Decimal("80.00")

    page = text_of(grace_client.get(link(item)))
    sent = grace_client.post(refund_url(overpaid), filled(overpaid, amount="80.00", item=str(item.pk)))

    assert f"Nothing of what was paid too much is left to refund. {refund.number} over" in page
    assert 'id="id_amount"' not in page
    assert sent.status_code == 422
    assert overpaid.refunds.count() == 1


@pytest.mark.trap(29)
@pytest.mark.parametrize(
    ("asked", "left"),
    [({"amount": "30.01"}, "30.01"), ({"mode": "full", "full_amount": "110.00"}, "110.00")],
)
def test_more_than_is_left_is_refused(
    grace_client: Client, overpaid: Order, item: OpenItem, asked: dict[str, str], left: str
) -> None:
    reserve(overpaid, "50.00", State.REQUESTED)
    overpaid.refresh_from_db()

    form = filled(overpaid, item=str(item.pk), **asked)
    preview = grace_client.post(reverse("refund_preview", args=[overpaid.reference]), form, headers=HTMX)
    sent = grace_client.post(refund_url(overpaid), form)

    assert preview.status_code == 200
    assert f"Refund €{left}" not in text_of(preview)
    assert "At most €30.00 of what was paid too much is left to refund." in text_of(sent)
    assert overpaid.refunds.count() == 1


@pytest.mark.trap(8, 29)
def test_what_a_colleague_settled_is_not_refunded_any_more(
    grace_client: Client, grace: Any, overpaid: Order, item: OpenItem
) -> None:
    form = filled(overpaid, amount="80.00", item=str(item.pk))
    resolve_item(item, staff_user=grace, resolution="Ada gave it to the travel fund")

    sent = grace_client.post(refund_url(overpaid), form)

    assert sent.status_code == 422
    assert "This item has been settled already. Nothing of it is left to refund." in text_of(sent)
    assert not overpaid.refunds.exists()


def test_the_item_of_another_order_is_refused(
    grace_client: Client, conference: Conference, overpaid: Order, item: OpenItem
) -> None:
    other = make_order(conference, make_user("bea"), paid="80.00")

    sent = grace_client.post(refund_url(other), filled(other, item=str(item.pk)))

    assert sent.status_code == 422
    assert "no longer complete" in text_of(sent)
    assert not other.refunds.exists()


@pytest.mark.trap(8)
def test_a_form_that_a_colleague_overtook_opens_with_what_is_left(
    grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    form = filled(overpaid, amount="80.00", item=str(item.pk))
    reserve(overpaid, "50.00", State.REQUESTED)

    changed = grace_client.post(refund_url(overpaid), form, headers=HTMX)

    assert changed.status_code == 409
    assert 'value="30.00"' in text_of(changed)
    assert f'name="item" value="{item.pk}"' in text_of(changed)


@pytest.mark.trap(29)
def test_the_item_names_the_refund_that_takes_it_back(
    sam_client: Client, grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    overpaid.conference.support_refund_limit = Decimal("50.00")
    overpaid.conference.save()

    sam_client.post(refund_url(overpaid), filled(overpaid, amount="80.00", item=str(item.pk)))

    proposal = overpaid.refunds.get()
    page = text_of(grace_client.get(f"/attention/{item.pk}/"))
    assert proposal.state == State.AWAITING_APPROVAL
    assert f"{proposal.number} over €80.00 waits for a second person." in page
    assert f'href="/refunds/{proposal.pk}/"' in page
    assert "It settles itself once the money went back." in page
    assert "Refund the difference" not in page
    item.refresh_from_db()
    assert item.refund == proposal


def test_what_is_left_beside_a_refund_under_way_stays_offered(
    grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    refund = reserve(overpaid, "50.00", State.PENDING)

    page = text_of(grace_client.get(f"/attention/{item.pk}/"))

    assert f"{refund.number} over €50.00 is on its way." in page
    assert "Refund the difference" in page


@pytest.mark.trap(11, 29)
def test_after_a_failure_the_item_tries_that_refund_again(
    grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    failed = reserve(overpaid, "80.00", State.FAILED)
    item.refund = failed
    item.save()

    page = text_of(grace_client.get(link(item)))
    overpaid.refresh_from_db()
    form = filled(overpaid, amount="80.00", item=str(item.pk), retry_of=str(failed.pk))
    sent = grace_client.post(refund_url(overpaid), form)

    assert f'name="retry_of" value="{failed.pk}"' in page
    assert sent.status_code == 302
    assert overpaid.refunds.latest("pk").retry_of == failed
    item.refresh_from_db()
    assert str(item.resolution) == "It went back."


@pytest.mark.trap(11, 29)
def test_what_a_partial_retry_left_of_a_failure_is_tried_by_the_item_as_well(
    grace_client: Client, overpaid: Order, item: OpenItem
) -> None:
    failed = reserve(overpaid, "50.00", State.FAILED)
    retry = reserve(overpaid, "20.00", State.SUCCEEDED)
    retry.retry_of = failed
    retry.save()
    item.refund = retry
    item.save()

    page = text_of(grace_client.get(link(item)))

    assert f'name="retry_of" value="{failed.pk}"' in page
    assert 'value="30.00"' in page


@pytest.mark.trap(21, 30)
def test_what_was_paid_late_goes_back_from_its_own_payment(
    grace_client: Client, overpaid: Order, sandbox: "SandboxServer"
) -> None:
    late = overpaid.payments.latest("pk")
    item = add(overpaid.conference, Kind.PAID_LATE, f"payment:{late.pk}", "80.00", order=overpaid, payment=late)

    sent = grace_client.post(refund_url(overpaid), filled(overpaid, amount="80.00", item=str(item.pk)))

    assert sent.status_code == 302
    assert [part.payment for part in overpaid.refunds.get().parts.all()] == [late]
    item.refresh_from_db()
    assert str(item.resolution) == "It went back."


def test_the_service_alone_refuses_more_than_is_left(overpaid: Order, item: OpenItem) -> None:
    with pytest.raises(RefundError, match="At most €80.00 of what was paid too much"):
        RefundService.create_refund(overpaid, amount=Decimal("80.01"), destination=CARD, for_item=item)

    assert not overpaid.refunds.exists()


@pytest.mark.trap(8, 29)
def test_two_at_once_pay_the_surplus_back_once(overpaid: Order, item: OpenItem) -> None:
    def pay_back() -> None:
        RefundService.create_refund(overpaid, amount=Decimal("80.00"), destination=CARD, for_item=item)

    losers = at_once(pay_back, pay_back)

    overpaid.refresh_from_db()
    assert (len(losers), overpaid.refundable_amount) == (1, Decimal("80.00"))
    assert overpaid.status == Order.Status.PARTIALLY_REFUNDED


def proposed(item: OpenItem, sam: Any, *, amount: str = "80.00") -> Refund:
    """All of the surplus if nothing else is said, above what support may refund alone."""
    assert item.order is not None
    item.order.conference.support_refund_limit = Decimal("50.00")
    item.order.conference.save()
    with pytest.raises(RefundProposed) as raised:
        RefundService.create_refund(
            item.order, amount=Decimal(amount), destination=CARD, staff_user=sam, propose=True, for_item=item
        )
    return raised.value.refund


@pytest.mark.trap(50)
def test_a_proposal_whose_surplus_went_back_meanwhile_is_not_approved(
    grace: Any, sam: Any, overpaid: Order, item: OpenItem
) -> None:
    proposal = proposed(item, sam)
    other = RefundService.create_refund(overpaid, amount=Decimal("30.00"), destination=CARD, staff_user=grace)

    with pytest.raises(RefundError, match="would pay back the order itself. Reject this proposal."):
        approve_refund(proposal, staff_user=grace)

    overpaid.refresh_from_db()
    assert other.refund is not None
    assert (overpaid.refunded_amount, overpaid.reserved_amount) == (Decimal("30.00"), Decimal("80.00"))


@pytest.mark.trap(50)
def test_a_proposal_is_checked_again_also_after_another_refund_for_the_same_item(
    grace: Any, sam: Any, overpaid: Order, item: OpenItem
) -> None:
    first = proposed(item, sam, amount="60.00")
    RefundService.create_refund(
        overpaid, amount=Decimal("20.00"), destination=CARD, staff_user=sam, propose=True, for_item=item
    )
    RefundService.create_refund(overpaid, amount=Decimal("30.00"), destination=CARD, staff_user=grace)

    with pytest.raises(RefundError, match="would pay back the order itself. Reject this proposal."):
        approve_refund(first, staff_user=grace)

    first.refresh_from_db()
    assert first.state == State.AWAITING_APPROVAL


@pytest.mark.trap(50)
def test_a_proposal_for_a_surplus_that_is_still_there_is_approved(
    grace: Any, sam: Any, overpaid: Order, item: OpenItem
) -> None:
    proposal = proposed(item, sam)
    resolve_item(item, staff_user=sam, resolution="Proposed")

    approve_refund(proposal, staff_user=grace)

    overpaid.refresh_from_db()
    assert (overpaid.status, overpaid.refundable_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("80.00"))


@pytest.mark.trap(11, 29)
def test_trying_again_what_failed_stays_within_the_item(grace_client: Client, overpaid: Order, item: OpenItem) -> None:
    failed = reserve(overpaid, "80.00", State.FAILED)
    item.refund = failed
    item.save()
    overpaid.refresh_from_db()

    page = text_of(grace_client.get(f"{refund_url(overpaid)}?retry_of={failed.pk}"))
    sent = filled(overpaid, mode="full", full_amount="160.00", retry_of=str(failed.pk))
    response = grace_client.post(refund_url(overpaid), sent, headers=HTMX)

    assert 'value="items"' not in page
    assert 'name="full_amount" value="80.00"' in page
    assert response.status_code == 422
    assert "At most €80.00 of what was paid too much is left to refund." in text_of(response)
    assert overpaid.refunds.count() == 1


@pytest.mark.trap(50)
def test_no_line_item_is_refunded_with_what_was_paid_too_much(grace: Any, overpaid: Order, item: OpenItem) -> None:
    line = overpaid.line_items.first() or overpaid.line_items.create(
        description="Ticket", quantity=1, unit_price=Decimal("80.00"), line_total=Decimal("80.00")
    )

    with pytest.raises(RefundError, match="for no line item"):
        RefundService.create_refund(
            overpaid,
            amount=Decimal("80.00"),
            destination=CARD,
            staff_user=grace,
            for_item=item,
            line_amounts={line.pk: Decimal("80.00")},
        )

    assert not overpaid.refunds.exists()


def test_the_preview_speaks_of_no_place_that_is_not_drawn(grace_client: Client, item: OpenItem) -> None:
    assert item.order is not None
    sent = filled(item.order, item=str(item.pk), amount="90.00")

    surplus = text_of(grace_client.post(preview_url(item.order), sent, headers=HTMX))
    ordinary = text_of(grace_client.post(preview_url(item.order), filled(item.order), headers=HTMX))

    assert 'id="id_amount_error"' in surplus
    assert "id_lines_error" not in surplus
    assert 'id="id_lines_error"' in ordinary


def test_what_was_paid_too_much_is_of_no_line_item(grace_client: Client, item: OpenItem) -> None:
    assert item.order is not None
    line = item.order.line_items.create(
        description="Ticket", quantity=1, unit_price=Decimal("80.00"), line_total=Decimal("80.00")
    )
    page = text_of(grace_client.get(link(item)))
    assert 'value="items"' not in page
    assert 'name="lines"' not in page
    assert 'value="items"' in text_of(grace_client.get(refund_url(item.order)))

    sent = filled(item.order, item=str(item.pk), mode="items", lines=[str(line.pk)])
    response = grace_client.post(refund_url(item.order), sent, headers=HTMX)

    assert response.status_code == 422
    assert not item.order.refunds.exists()
