"""The judge of ``make torture`` can find: each way to break the books is named, and sound books are left alone."""

from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from django.db import connection

from registration.models import OpenItem, Order, Payment, Refund, RefundPart, StripeEvent
from registration.models.refund import State
from registration.services.errors import RefundError, RefundUnconfirmed
from registration.services.events import process_due
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import StripeGateway
from stripe_sandbox.faults import ALL
from stripe_sandbox.webhooks import OPTIONS
from tests.registration.books import (
    KEY,
    control,
    make_card_order,
    make_conference,
    refund_at_stripe,
    seed,
    store_all,
    stripe_post,
)
from tests.registration.desk import fault
from tools.torture import killing, storm
from tools.torture.judge import DIFFERENCE, DOUBLED, LOST, Finding, judge, unheard
from tools.torture.sandbox import Sandbox

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by a card, of which 30.00 went back and 20.00 became credit."""
    seed(sandbox)
    order = make_card_order(make_conference())
    for amount, destination in ((30, "CARD"), (20, "CREDIT")):
        RefundService.create_refund(order, amount=Decimal(amount), destination=destination)
    return order


def found_by_judge(sandbox: "SandboxServer", order: Order) -> list[Finding]:
    return judge(order.conference, Sandbox(sandbox.url, KEY).state())


def assert_named(findings: list[Finding], kind: str, words: str) -> None:
    assert any(finding.kind == kind and words in finding.text for finding in findings), findings


def the_part() -> RefundPart:
    return RefundPart.objects.get(channel=RefundPart.Channel.STRIPE)


def test_sound_books_are_acquitted(sandbox: "SandboxServer", order: Order) -> None:
    assert found_by_judge(sandbox, order) == []


def test_a_second_refund_of_one_part_is_named(sandbox: "SandboxServer", order: Order) -> None:
    part = the_part()

    refund_at_stripe(sandbox, 3000, part=str(part.uuid), refund=str(part.refund.uuid))

    findings = found_by_judge(sandbox, order)
    assert_named(findings, DOUBLED, f"part {part.uuid} has ")
    assert_named(findings, DOUBLED, f"{part.refund} of 30.00 moved 6000")


def test_a_desk_that_forgets_its_key_is_found(sandbox: "SandboxServer", order: Order) -> None:
    """The mistake that all of this is about: after a cut connection, the same decision under a new key."""
    real = StripeGateway.send_refund

    def forgetful(self: StripeGateway, part: RefundPart) -> object:
        create = self.client.v1.refunds.create
        with patch.object(type(self.client.v1.refunds), "create", lambda _self, params, _options: create(params)):
            return real(self, part)

    with patch.object(StripeGateway, "send_refund", forgetful):
        with fault(sandbox, "garbage_after_commit"), pytest.raises(RefundUnconfirmed):
            RefundService.create_refund(order, amount=Decimal(10), destination="CARD")
        resolve_open(at_once=True)

    assert_named(found_by_judge(sandbox, order), DOUBLED, "of 10.00 moved 2000")


def test_more_back_than_was_paid_is_named(sandbox: "SandboxServer", order: Order) -> None:
    seed(sandbox, "pi_sim_2", 10_000)
    Payment.objects.create(
        order=order,
        amount=Decimal(1),
        status="SUCCEEDED",
        stripe_payment_intent_id="pi_sim_2",
        stripe_charge_id="ch_sim_2",
    )

    stripe_post(sandbox, "refunds", "payment_intent=pi_sim_2&amount=9000")

    assert_named(found_by_judge(sandbox, order), DOUBLED, f"order {order} got back more than it paid")


def test_a_refund_that_stripe_never_had_is_named(sandbox: "SandboxServer", order: Order) -> None:
    RefundPart.objects.filter(pk=the_part().pk).update(stripe_refund_id="re_sim_invented")

    assert_named(found_by_judge(sandbox, order), LOST, "succeeded in our books, nothing at Stripe")


def test_a_refund_made_elsewhere_that_we_do_not_know_is_named(sandbox: "SandboxServer", order: Order) -> None:
    refund = refund_at_stripe(sandbox, 500)

    findings = found_by_judge(sandbox, order)

    assert_named(findings, LOST, f"{refund['id']} (succeeded")
    assert_named(findings, DIFFERENCE, "3000 refunded here, 3500 at Stripe")
    assert {refund["id"]} in [finding.about for finding in findings]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("amount", Decimal("29.99"), "29.99 here, 3000 at Stripe"),
        ("state", State.PENDING, "pending here, succeeded at Stripe"),
        ("state", State.UNCONFIRMED, "is still unconfirmed"),
    ],
)
def test_a_part_edited_by_hand_is_named(
    sandbox: "SandboxServer", order: Order, column: str, value: object, words: str
) -> None:
    RefundPart.objects.filter(pk=the_part().pk).update(**{column: value})

    assert_named(found_by_judge(sandbox, order), DIFFERENCE, words)


def test_a_balance_edited_by_hand_is_named(sandbox: "SandboxServer", order: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_order SET refunded_amount = 49.99 WHERE id = %s", [order.pk])

    assert_named(found_by_judge(sandbox, order), DIFFERENCE, f"order {order.reference}")


def test_a_failure_that_nobody_is_shown_is_named(sandbox: "SandboxServer", order: Order) -> None:
    control(sandbox, f"refunds/{the_part().stripe_refund_id}/fail", account_key=KEY)
    store_all(order.conference, sandbox)
    process_due()
    OpenItem.objects.filter(kind=OpenItem.Kind.FAILED).delete()

    assert_named(found_by_judge(sandbox, order), DIFFERENCE, "failed, and no item says so")


def test_a_dispute_that_we_do_not_know_is_named(sandbox: "SandboxServer", order: Order) -> None:
    control(sandbox, "charges/ch_sim_1/dispute", account_key=KEY)

    findings = found_by_judge(sandbox, order)

    assert_named(findings, DIFFERENCE, "None here, needs_response at Stripe")
    assert_named(findings, DIFFERENCE, "its item does not follow")


def test_an_event_that_was_given_up_is_named(sandbox: "SandboxServer", order: Order) -> None:
    store_all(order.conference, sandbox)
    StripeEvent.objects.update(state=StripeEvent.State.FAILED, last_error="KeyError: 'id'")

    assert_named(found_by_judge(sandbox, order), DIFFERENCE, "is FAILED: KeyError: 'id'")


def test_only_what_no_event_told_is_left_to_the_comparison(sandbox: "SandboxServer", order: Order) -> None:
    heard, lost = refund_at_stripe(sandbox, 500), refund_at_stripe(sandbox, 700)
    store_all(order.conference, sandbox)
    StripeEvent.objects.filter(payload__data__object__id=lost["id"]).delete()
    StripeEvent.objects.filter(type="charge.refunded").delete()
    process_due()
    Refund.objects.filter(parts__stripe_refund_id=heard["id"]).get()

    untold = unheard(order.conference, Sandbox(sandbox.url, KEY).events())

    assert lost["id"] in untold
    assert heard["id"] not in untold


def test_a_refund_beyond_the_books_is_excused_only_while_staff_see_it(sandbox: "SandboxServer", order: Order) -> None:
    refund_at_stripe(sandbox, 7000)  # 70.00 at Stripe, though 20.00 of them became credit.
    store_all(order.conference, sandbox)
    process_due()

    assert found_by_judge(sandbox, order) == []
    OpenItem.objects.filter(kind=OpenItem.Kind.EXTERNAL).delete()
    assert_named(found_by_judge(sandbox, order), LOST, "is not in our books")


def test_every_fault_of_the_sandbox_is_used() -> None:
    options = {name for mood in storm.WEBHOOKS for name in mood}

    assert set(storm.FAULTS) == set(ALL)
    assert options | {"retry_seconds", "timeout_seconds"} == set(OPTIONS)


def test_every_boundary_exists() -> None:
    missing = [name for name, (owner, attribute) in killing.places().items() if not callable(getattr(owner, attribute))]

    assert missing == []


def test_a_refusal_is_no_finding(sandbox: "SandboxServer", order: Order) -> None:
    with pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal(90), destination="CARD")

    assert found_by_judge(sandbox, order) == []
