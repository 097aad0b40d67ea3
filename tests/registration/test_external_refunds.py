from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connections

from registration.models import Conference, Credit, HistoryEntry, OpenItem, Order, Refund, RefundPart
from registration.services.events import charge_changed, refund_changed
from registration.services.external import apply_refund
from registration.services.open_items import resolve_item
from registration.stripe_gateway import gateway_for
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
    make_user,
    refund_at_stripe,
    seed,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference, sandbox: "SandboxServer") -> Order:
    """100.00 by card, known at Stripe."""
    seed(sandbox)
    return make_card_order(conference)


@pytest.mark.trap(14)
def test_a_refund_made_at_stripe_lowers_the_balance_and_shows(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    made = refund_at_stripe(sandbox, 4000)

    refund_changed(conference, made)

    order.refresh_from_db()
    refund = Refund.objects.get()
    assert (refund.source, refund.state, refund.amount) == ("EXTERNAL", "succeeded", Decimal("40.00"))
    assert (order.status, order.refundable_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("60.00"))
    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.subject, item.refund, item.order) == ("EXTERNAL", made["id"], refund, order)
    assert HistoryEntry.objects.get().kind == "refund_external"
    assert not Credit.objects.exists()
    assert_books_agree()


@pytest.mark.trap(14)
@pytest.mark.trap(17)
def test_the_same_refund_is_imported_once_and_acknowledged_once(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    refund_changed(conference, made)
    resolve_item(OpenItem.objects.get(), staff_user=make_user("grace"), resolution="Talked to Finance.")

    refund_changed(conference, made)
    charge_changed(conference, {"id": made["charge"], "amount_refunded": 4000})

    assert Refund.objects.count() == 1
    assert not OpenItem.objects.unresolved().exists()


@pytest.mark.trap(1)
@pytest.mark.trap(14)
def test_a_charge_brings_in_each_of_its_refunds(sandbox: "SandboxServer", conference: Conference, order: Order) -> None:
    made = [refund_at_stripe(sandbox, 2000), refund_at_stripe(sandbox, 2000)]

    charge_changed(conference, {"id": made[0]["charge"], "amount_refunded": 4000})

    assert {part.stripe_refund_id for part in RefundPart.objects.all()} == {each["id"] for each in made}
    order.refresh_from_db()
    assert order.refunded_amount == Decimal("40.00")


@pytest.mark.trap(15)
def test_our_own_refund_is_matched_by_metadata_never_by_amount(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    part, twin = make_refund(order, "40.00", "requested"), make_refund(order, "40.00", "requested")
    made = refund_at_stripe(sandbox, 4000, part=twin.uuid)

    refund_changed(conference, made)

    part.refresh_from_db()
    twin.refresh_from_db()
    assert (part.state, part.stripe_refund_id) == ("requested", None)
    assert (twin.state, twin.stripe_refund_id) == ("succeeded", made["id"])
    assert not OpenItem.objects.exists()


@pytest.mark.trap(20)
def test_the_webhook_may_come_before_our_own_commit(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    part = make_refund(order, "40.00", "requested")
    made = refund_at_stripe(sandbox, 4000, part=part.uuid)
    refund_changed(conference, made)

    again = apply_refund(conference, gateway_for(conference).fetch_refund(made["id"]))

    assert again == part
    order.refresh_from_db()
    assert (order.refunded_amount, order.reserved_amount) == (Decimal("40.00"), Decimal("0.00"))
    assert_books_agree()


@pytest.mark.parametrize("key", ["not-a-uuid", "00000000-0000-4000-8000-000000000000", ""])
def test_strange_metadata_makes_it_external(
    key: str, sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    refund_changed(conference, refund_at_stripe(sandbox, 4000, part=key))

    assert Refund.objects.get().source == Refund.Source.EXTERNAL


def test_copied_metadata_does_not_hide_a_second_refund(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    part = make_refund(order, "40.00", "requested")
    refund_changed(conference, refund_at_stripe(sandbox, 4000, part=part.uuid))

    refund_changed(conference, refund_at_stripe(sandbox, 1000, part=part.uuid))

    order.refresh_from_db()
    assert order.refunded_amount == Decimal("50.00")
    assert Refund.objects.filter(source=Refund.Source.EXTERNAL).count() == 1


def test_money_that_moved_for_an_ended_part_shows(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    part = make_refund(order, "40.00", "failed")

    refund_changed(conference, refund_at_stripe(sandbox, 4000, part=part.uuid))

    part.refresh_from_db()
    order.refresh_from_db()
    assert (part.state, order.refunded_amount) == ("failed", Decimal("40.00"))
    assert OpenItem.objects.get().kind == OpenItem.Kind.EXTERNAL


@pytest.mark.trap(11)
def test_an_external_refund_that_fails_gives_the_balance_back(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    made = refund_at_stripe(sandbox, 10_000)
    refund_changed(conference, made)
    order.refresh_from_db()
    assert order.status == Order.Status.REFUNDED

    control(sandbox, f"refunds/{made['id']}/fail")
    refund_changed(conference, made)

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.PAID, Decimal("100.00"))
    assert OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED).exists()
    assert_books_agree()


def test_one_that_failed_before_we_heard_of_it_changes_nothing(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    made = refund_at_stripe(sandbox, 4000)
    control(sandbox, f"refunds/{made['id']}/fail")

    refund_changed(conference, made)

    assert not Refund.objects.exists()
    assert not OpenItem.objects.exists()


def test_a_refund_of_an_unknown_payment_is_an_item_without_order(
    sandbox: "SandboxServer", conference: Conference
) -> None:
    seed(sandbox)

    refund_changed(conference, refund_at_stripe(sandbox, 4000))

    item = OpenItem.objects.get()
    assert (item.kind, item.order, item.facts["amount"]) == ("UNMATCHED", None, "40.00")
    assert not Refund.objects.exists()


@pytest.mark.trap(42)
def test_a_payment_of_another_conference_is_not_touched(sandbox: "SandboxServer", conference: Conference) -> None:
    seed(sandbox)
    foreign = make_card_order(make_conference("europython"))

    refund_changed(conference, refund_at_stripe(sandbox, 4000))

    foreign.refresh_from_db()
    assert foreign.refunded_amount == 0
    assert OpenItem.objects.get().kind == OpenItem.Kind.UNMATCHED


def test_no_room_in_the_books_is_shown_and_tried_again(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    part = make_refund(order, "100.00", "requested")
    made = refund_at_stripe(sandbox, 10_000)

    with pytest.raises(IntegrityError):
        refund_changed(conference, made)

    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.subject, item.refund) == ("EXTERNAL", made["id"], None)

    RefundPart.objects.filter(pk=part.pk).update(state="failed")
    Refund.objects.filter(pk=part.refund_id).update(state="failed")
    refund_changed(conference, made)

    item.refresh_from_db()
    order.refresh_from_db()
    assert item.refund == Refund.objects.get(source=Refund.Source.EXTERNAL)
    assert order.status == Order.Status.REFUNDED
    assert OpenItem.objects.count() == 1


@pytest.mark.trap(17)
@pytest.mark.django_db(transaction=True)
def test_many_events_at_the_same_instant_import_it_once(
    sandbox: "SandboxServer", conference: Conference, order: Order
) -> None:
    made = refund_at_stripe(sandbox, 4000)

    def hear(_index: int) -> None:
        try:
            refund_changed(conference, made)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(hear, range(8)))

    order.refresh_from_db()
    assert order.refunded_amount == Decimal("40.00")
    assert Refund.objects.count() == OpenItem.objects.count() == HistoryEntry.objects.count() == 1
    assert_books_agree()
