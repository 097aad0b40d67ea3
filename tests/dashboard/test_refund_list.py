"""The list of refunds: what it can be narrowed by, what its chips count, and the same rows as a file."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Payment, Refund
from registration.models.refund import State
from registration.refund_search import with_reference
from registration.services.refund import RefundService
from tests.cast import HTMX, make_order, make_staff
from tests.dashboard.reading import text_of

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)

NewOrder = Callable[..., Order]
REFUNDS = "/refunds/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def refund_of(order: Order, amount: str, **more: Any) -> Refund:
    """A refund of the order to store credit, unless another way is asked for."""
    RefundService.create_refund(order, amount=Decimal(amount), **{"destination": "CREDIT"} | more)
    return order.refunds.latest("pk")


def set_state(refund: Refund, state: str) -> Refund:
    """A refund in a state that a plain test does not lead it to."""
    Refund.objects.filter(pk=refund.pk).update(state=state)
    return refund


def numbers_in_file(client: Client, **query: str) -> list[str]:
    return [row["refund"] for row in rows_of(client.get(reverse("refund_export"), query))]


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    # As a server does: the request has ended, and with it the reader's language and clock.
    return list(csv.DictReader(StringIO(response.getvalue().decode("utf-8-sig"))))


def assert_lists(client: Client, query: dict[str, str], *refunds: Refund) -> None:
    """The page and the file hold these refunds, newest first, and no others."""
    shown = [row["refund"].pk for row in client.get(reverse("refund_list"), query).context["refunds"].rows]
    assert shown == [refund.pk for refund in refunds]
    assert numbers_in_file(client, **query) == [refund.number for refund in refunds]


@pytest.fixture
def by_hand(new_order: NewOrder) -> Refund:
    """A refund of a payment that no card stands behind; somebody has to transfer it."""
    order = new_order(paid="40.00")
    Payment.objects.filter(order=order).update(method=Payment.Method.MANUAL)
    return refund_of(order, "40.00", destination="CARD")


def test_refunds_are_found_by_the_days_of_the_conferences_place(
    grace_client: Client, conference: Conference, new_order: NewOrder
) -> None:
    Conference.objects.filter(pk=conference.pk).update(timezone="America/New_York")
    refunds = [refund_of(new_order(paid="20.00"), "20.00") for _day in range(3)]
    moments = (datetime(2026, 3, 2, 4, 59, tzinfo=UTC), datetime(2026, 3, 2, 5, tzinfo=UTC))
    for refund, moment in zip(refunds, moments, strict=False):
        Refund.objects.filter(pk=refund.pk).update(created_at=moment)
    early, late, now = refunds

    assert_lists(grace_client, {"until": "2026-03-01"}, early)
    assert_lists(grace_client, {"since": "2026-03-02", "until": "2026-03-02"}, late)
    assert_lists(grace_client, {"since": "2026-03-02"}, now, late)
    assert_lists(grace_client, {"since": "0001-01-01", "until": "9999-12-31"}, now, late, early)


def test_what_many_lead_to_is_found_as_well(grace_client: Client, grace: Any, new_order: NewOrder) -> None:
    ours = [refund_of(new_order(paid="20.00"), "20.00", staff_user=grace) for _refund in range(3)]
    refund_of(new_order(paid="20.00"), "20.00")
    query = {"by": str(grace.pk), "since": "2026-01-01"}

    with mock.patch("dashboard.refunds.filter.COUNT_CAP", 2), mock.patch("dashboard.refunds.list.MOST_GATHERED", 3):
        assert_lists(grace_client, query, *reversed(ours))
        chips = grace_client.get(reverse("refund_list"), query).context["refunds"].chips

    assert {chip.count for chip in chips} == {""}


def test_refunds_are_found_by_amount_both_ends_included(grace_client: Client, new_order: NewOrder) -> None:
    small, middle, large = (refund_of(new_order(paid="90.00"), amount) for amount in ("10.00", "20.00", "30.00"))

    assert_lists(grace_client, {"least": "20"}, large, middle)
    assert_lists(grace_client, {"most": "20,00"}, middle, small)
    assert_lists(grace_client, {"least": "20", "most": "20"}, middle)


def test_refunds_are_found_by_where_they_went(
    grace_client: Client, by_hand: Refund, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    credit = refund_of(make_order(conference, ada, paid="30.00"), "10.00")
    order = make_order(conference, ada, paid="30.00", sandbox=sandbox)
    card, split = (
        refund_of(order, "5.00", destination="CARD"),
        refund_of(order, "20.00", destination="SPLIT", credit_amount=Decimal("10.00")),
    )
    external = refund_of(order, "1.00", destination="CARD")
    Refund.objects.filter(pk=external.pk).update(source=Refund.Source.EXTERNAL)

    assert_lists(grace_client, {"to": "card"}, external, split, card)
    assert_lists(grace_client, {"to": "credit"}, split, credit)
    assert_lists(grace_client, {"to": "manual"}, by_hand)
    assert_lists(grace_client, {"to": "external"}, external)


def test_refunds_are_found_by_reason_of_the_house_or_what_stripe_was_told(
    grace_client: Client, new_order: NewOrder
) -> None:
    changed = refund_of(new_order(paid="20.00"), "5.00", internal_reason="Programme changed")
    twice = refund_of(new_order(paid="20.00"), "5.00", reason="duplicate")

    assert_lists(grace_client, {"reason": "Programme changed"}, changed)
    assert_lists(grace_client, {"reason": "stripe:duplicate"}, twice)
    page = text_of(grace_client.get(reverse("refund_list"), headers={"accept-language": "de"}))
    assert '<option value="Programme changed">Programm geändert</option>' in page


def test_refunds_are_found_by_who_requested_them(
    grace_client: Client, grace: Any, sam: Any, new_order: NewOrder
) -> None:
    hers = refund_of(new_order(paid="20.00"), "5.00", staff_user=grace)
    his = refund_of(new_order(paid="20.00"), "5.00", staff_user=sam)
    nobodys = refund_of(new_order(paid="20.00"), "5.00")

    assert_lists(grace_client, {"by": str(grace.pk)}, hers)
    assert_lists(grace_client, {"by": str(sam.pk), "state": "succeeded"}, his)
    assert_lists(grace_client, {"by": str(sam.pk), "state": "failed"})
    assert_lists(grace_client, {"by": "nobody"}, nobodys)


def test_refunds_are_found_by_the_name_and_email_that_their_order_is_found_by(
    grace_client: Client, new_order: NewOrder
) -> None:
    ada = refund_of(new_order(paid="20.00", billing_name="Ada Müller", billing_email="ada@lovelace.example"), "5.00")
    second = refund_of(ada.order, "5.00")
    refund_of(new_order(paid="20.00", billing_name="Bob Babbage", billing_email="bob@post.example"), "5.00")
    new_order(paid="20.00", billing_name="Ada Muller")

    for words in ("ada", "MULLER ad", "lovelace.example", ada.order.reference, ada.order.reference[:7]):
        assert_lists(grace_client, {"q": words, "until": "2199-01-01"}, second, ada)
    assert_lists(grace_client, {"q": "ada bob"})
    assert chip_counts(grace_client, q="ada")["All"] == "2"


def test_a_name_that_very_many_orders_have_is_looked_for_along_the_list(
    grace_client: Client, new_order: NewOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registration.order_search.COMMON", -1)
    ada = refund_of(new_order(paid="20.00", billing_name="Ada Müller"), "5.00")
    refund_of(new_order(paid="20.00", billing_name="Bob Babbage"), "5.00")

    assert_lists(grace_client, {"q": "muller"}, ada)
    assert_lists(grace_client, {"q": "muller", "state": "failed"})


@pytest.mark.parametrize("common", [1024, -1])
def test_beside_a_name_a_number_is_the_refunds_amount_or_the_orders(
    grace_client: Client, new_order: NewOrder, monkeypatch: pytest.MonkeyPatch, common: int
) -> None:
    monkeypatch.setattr("registration.order_search.COMMON", common)
    part = refund_of(new_order(paid="600.00", billing_name="Ada Müller"), "160.00")
    cents = refund_of(part.order, "160.50")
    refund_of(part.order, "16.00")
    refund_of(new_order(paid="600.00", billing_name="Bob Babbage"), "160.00")

    assert_lists(grace_client, {"q": "müller 160"}, cents, part)
    assert_lists(grace_client, {"q": "160,50 mueller"}, cents)
    assert_lists(grace_client, {"q": "müller 161"})


def test_beside_a_name_a_number_is_still_the_orders_total(grace_client: Client, new_order: NewOrder) -> None:
    refund = refund_of(new_order(paid="240.00", billing_name="Ada Müller"), "160.00")

    assert_lists(grace_client, {"q": "müller 240"}, refund)


def test_a_transfer_is_found_by_its_reference_or_the_beginning_of_it(
    grace_client: Client, by_hand: Refund, new_order: NewOrder
) -> None:
    by_hand.parts.update(trace_reference="SEPA 77-1")
    other = refund_of(new_order(paid="20.00"), "5.00")
    other.parts.update(trace_reference="SEPA 78-1")

    for words in ("SEPA 77-1", "sepa 77-1", "SEPA 77"):
        assert_lists(grace_client, {"q": words}, by_hand)
    assert_lists(grace_client, {"q": "SEPA 7"}, other, by_hand)
    assert_lists(grace_client, {"q": "SEPA"})
    with mock.patch("registration.refund_search.MOST_BY_REFERENCE", 1):
        assert_lists(grace_client, {"q": "SEPA 7"})
        assert_lists(grace_client, {"q": "SEPA 77-1"}, by_hand)


@pytest.mark.parametrize("text", ["SEPA 77-1", "77"])
def test_an_index_leads_to_a_reference(text: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1) as asked:
        assert with_reference(text) == []

    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{asked[0]['sql']}")
        assert "refund_part_by_reference" in str(cursor.fetchall())


def test_a_number_or_a_refunds_id_at_stripe_finds_it_alone_and_digits_a_card_as_well(
    grace_client: Client, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, paid="60.00", sandbox=sandbox)
    first, second = (refund_of(order, amount, destination="CARD") for amount in ("5.00", "6.00"))
    payment = order.payments.get()

    assert_lists(grace_client, {"q": second.number.lower()}, second)
    assert_lists(grace_client, {"q": str(first.parts.get().stripe_refund_id)}, first)
    assert_lists(grace_client, {"q": payment.stripe_charge_id}, second, first)
    assert_lists(grace_client, {"q": payment.card_last4}, second, first)
    assert first.number in numbers_in_file(grace_client, q=str(first.pk))


def test_a_refund_without_parts_is_found_by_its_day(grace_client: Client, order: Order) -> None:
    bare = Refund.objects.create(order=order, amount=Decimal("5.00"), currency="EUR", state=State.SUCCEEDED)
    Refund.objects.filter(pk=bare.pk).update(created_at=NOON)

    assert_lists(grace_client, {"since": "2026-03-02", "until": "2026-03-02"}, bare)


def test_colleagues_who_left_can_still_be_chosen_and_those_of_other_conferences_not(
    grace_client: Client, grace: Any, sam: Any, new_order: NewOrder, other_conference: Conference, ada: Any
) -> None:
    his = refund_of(new_order(paid="20.00"), "5.00", staff_user=sam)
    sam.memberships.all().delete()
    stranger = make_staff("stranger", "Finance", other_conference, last_name="Elsewhere")
    refund_of(make_order(other_conference, ada, paid="30.00"), "10.00", staff_user=stranger)

    offered = [value for value, _name in grace_client.get(REFUNDS).context["refunds"].filter.offers("by")]

    assert {str(grace.pk), str(sam.pk)} <= set(offered)
    assert str(stranger.pk) not in offered
    assert_lists(grace_client, {"by": str(sam.pk)}, his)


def test_what_waits_for_a_hand_is_told_apart_from_what_is_at_stripe(
    grace_client: Client, by_hand: Refund, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    at_stripe = refund_of(make_order(conference, ada, paid="30.00", sandbox=sandbox), "5.00", destination="CARD")
    set_state(at_stripe, State.PENDING).parts.update(state=State.PENDING)

    assert_lists(grace_client, {"state": "awaiting_transfer"}, by_hand)
    assert_lists(grace_client, {"state": "pending"}, at_stripe)
    counts = chip_counts(grace_client)
    assert (counts["Pay back by hand"], counts["Pending at Stripe"]) == ("1", "1")


def chip_counts(client: Client, **query: str) -> dict[str, str]:
    return {chip.label: chip.count for chip in client.get(reverse("refund_list"), query).context["refunds"].chips}


def test_each_state_is_a_chip_with_what_it_finds_beside_the_other_filters(
    grace_client: Client, grace: Any, new_order: NewOrder, other_conference: Conference, ada: Any
) -> None:
    small, large = (refund_of(new_order(paid="90.00"), amount) for amount in ("10.00", "30.00"))
    for state in (State.REJECTED, State.CANCELED):
        set_state(refund_of(new_order(paid="90.00"), "10.00"), state).parts.update(sent_at=NOON)
    Refund.objects.filter(state=State.REJECTED).update(decided_by=grace)
    refund_of(make_order(other_conference, ada, paid="30.00"), "10.00")

    counts = chip_counts(grace_client)
    of_one = chip_counts(grace_client, q=large.number, state="failed")

    assert counts == dict.fromkeys(counts, "0") | {"All": "4", "Succeeded": "2", "Rejected": "1", "Cancelled": "1"}
    assert len(counts) == 13
    assert of_one == dict.fromkeys(counts, "0") | {"All": "1", "Succeeded": "1"}
    assert small.number not in text_of(grace_client.get(reverse("refund_list"), {"state": "rejected"}))


def test_a_count_that_might_be_of_others_is_left_out_and_one_above_the_cap_says_so(
    grace_client: Client, new_order: NewOrder, other_conference: Conference, ada: Any
) -> None:
    for _refund in range(4):
        refund_of(new_order(paid="90.00"), "10.00")
    with mock.patch("dashboard.refunds.list.COUNT_CAP", 3), mock.patch("dashboard.lists.counts.COUNT_CAP", 3):
        assert chip_counts(grace_client)["Succeeded"] == "over 3"
        refund_of(make_order(other_conference, ada, paid="30.00"), "10.00")
        refund_of(make_order(other_conference, ada, paid="30.00"), "10.00")
    with mock.patch("dashboard.refunds.list.COUNT_CAP", 5):
        assert chip_counts(grace_client)["Succeeded"] == ""


def test_chips_count_beside_an_amount_a_way_and_a_reason_while_there_are_few_refunds(
    grace_client: Client, new_order: NewOrder
) -> None:
    refund_of(new_order(paid="90.00"), "10.00", internal_reason="Programme changed")
    set_state(refund_of(new_order(paid="90.00"), "30.00"), State.FAILED)

    for query in ({"least": "20"}, {"to": "credit", "least": "20"}, {"reason": "stripe:requested_by_customer"}):
        counts = chip_counts(grace_client, **query)
        assert (counts["All"], counts["Failed"], counts["Succeeded"]) == ("1", "1", "0")
    with mock.patch("dashboard.refunds.list.MOST_GATHERED", 1):
        assert set(chip_counts(grace_client, least="20").values()) == {""}


def test_the_list_that_a_filter_swaps_brings_its_count_its_errors_and_its_file_along(
    grace_client: Client, order: Order
) -> None:
    refund = refund_of(order, "10.00")

    response = grace_client.get(reverse("refund_list"), {"q": "", "to": "credit", "least": "x"}, headers=HTMX)
    swap = text_of(response)

    assert response["HX-Push-Url"] == f"{reverse('refund_list')}?to=credit&least=x"

    assert refund.number in swap
    assert "<html" not in swap
    assert '<span class="count" id="filter-count" hx-swap-oob="true">1</span>' in swap
    assert f'{reverse("refund_export")}?to=credit&amp;least=x" hx-swap-oob="true"' in swap
    assert "Amount from: “x” was left out." in swap


def test_the_file_tells_each_refund_with_what_finds_it_at_stripe(
    grace_client: Client, grace: Any, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, paid="60.00", sandbox=sandbox, billing_name="=Ada")
    refund = refund_of(
        order, "20.00", destination="CARD", internal_reason="Programme changed", note="-note", staff_user=grace
    )
    part, payment = refund.parts.get(), order.payments.get()

    (row,) = rows_of(grace_client.get(reverse("refund_export"), headers={"accept-language": "de"}))

    assert (row["refund"], row["order"], row["name"]) == (refund.number, order.reference, "'=Ada")
    assert (row["amount"], row["fee"], row["currency"]) == ("20.00", "0.00", "EUR")
    assert (row["state"], row["state_in_words"]) == ("succeeded", "Erfolgreich")
    assert (row["destination"], row["source"]) == ("CARD", "DESK")
    assert (row["reason"], row["note"], row["requested_by"]) == ("Programm geändert", "'-note", "Grace Hopper")
    assert row["stripe_refunds"] == part.stripe_refund_id
    assert (row["payment_intents"], row["charges"]) == (payment.stripe_payment_intent_id, payment.stripe_charge_id)
    assert row["store_credits"] == refund.credits.get().number


def test_support_sees_the_list_and_is_offered_no_file(sam_client: Client, order: Order) -> None:
    refund = refund_of(order, "10.00")

    page = text_of(sam_client.get(reverse("refund_list")))

    assert refund.number in page
    assert reverse("refund_export") not in page
    assert sam_client.get(reverse("refund_export")).status_code == 403
