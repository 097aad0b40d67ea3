"""The panel of a refund that tries a failed one again: what it repeats, why that failed, what is left of it."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from registration.models import Conference, OpenItem, Order, Refund, RefundReason
from registration.services.events import refund_changed
from registration.services.refund import RefundService
from tests.cast import HTMX, control
from tests.dashboard.open_items import add, refunded
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reason(conference: Conference) -> RefundReason:
    """Offered beside another one."""
    RefundReason.objects.create(conference=conference, label="Fell ill", position=8)
    return RefundReason.objects.create(conference=conference, label="Talk cancelled", position=9)


def fail(sandbox: "SandboxServer", refund: Refund, why: str) -> Refund:
    for part in refund.parts.all():
        control(sandbox, f"refunds/{part.stripe_refund_id}/fail", reason=why)
        refund_changed(refund.order.conference, {"id": part.stripe_refund_id})
    refund.refresh_from_db()
    return refund


def panel(client: Client, failed: Refund, **asked: str) -> str:
    query = {"retry_of": str(failed.pk)} | asked
    return client.get(refund_url(failed.order), query, headers=HTMX).content.decode()


def is_chosen(html: str, way: str) -> bool:
    return f'id="id_destination_{way}" value="{way}" checked' in html


@pytest.mark.trap(11, 37)
def test_it_says_what_it_repeats_and_takes_over_its_reason(
    grace_client: Client, card_order: Order, reason: RefundReason, sandbox: "SandboxServer"
) -> None:
    failed = fail(sandbox, refunded(card_order, "30.00"), "declined")
    Refund.objects.filter(pk=failed.pk).update(reason=reason.label, note="By phone")

    html = panel(grace_client, failed)

    day = date_format(timezone.localtime(failed.created_at), "DATE_FORMAT")
    assert f"Tries again the refund of €30.00 of {day} that failed: the bank declined it." in html
    assert '" selected>Talk cancelled</option>' in html
    assert ("By phone" in html, 'value="30.00"' in html, is_chosen(html, "CARD")) == (True, True, True)


@pytest.mark.trap(37)
@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("expired_or_canceled_card", "the card has expired or was cancelled"),
        ("lost_or_stolen_card", "the card was lost or stolen"),
    ],
)
def test_a_card_that_fails_again_is_marked_and_not_chosen(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", why: str, words: str
) -> None:
    failed = fail(sandbox, refunded(card_order, "30.00"), why)

    html = panel(grace_client, failed)

    assert f"{card_order.payments.get().instrument} failed: {words}" in html
    assert (is_chosen(html, "CARD"), is_chosen(html, "CREDIT")) == (False, True)
    assert is_chosen(panel(grace_client, failed, destination="CARD"), "CARD"), "whoever asks for the card gets it"


@pytest.mark.trap(11)
def test_it_opens_with_what_is_left_and_takes_no_more(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    failed = fail(sandbox, refunded(card_order, "30.00"), "declined")
    RefundService.create_refund(card_order, amount=Decimal("20.00"), destination="CREDIT", retry_of=failed)

    html = panel(grace_client, failed)
    card_order.refresh_from_db()
    form = filled(card_order, amount="10.01", retry_of=str(failed.pk))
    refused = grace_client.post(refund_url(card_order), form, headers=HTMX)

    assert "€10.00 of it is left to try." in html
    assert 'value="10.00"' in html
    assert "Refundable this time: €10.00" in html
    assert "Full €10.00" in " ".join(text_of(grace_client.get(refund_url(card_order), {"retry_of": failed.pk})).split())
    assert refused.status_code == 422
    assert '<a href="#id_amount">' in refused.content.decode()
    assert "€10.01 is €0.01 more than can be refunded. Enter €10.00 or less." in text_of(refused)
    form |= {"amount": "10.00"}
    assert grace_client.post(refund_url(card_order), form).status_code == 302


def test_it_says_what_of_the_credit_was_spent(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    failed = fail(sandbox, refunded(card_order, "30.00"), "declined")
    add(card_order.conference, OpenItem.Kind.CREDIT_SPENT, "credit:1:part:1", "12.00", order=card_order, refund=failed)

    assert "€12.00 of the credit that came with it was spent already" in panel(grace_client, failed)


def test_a_refund_of_its_own_says_nothing_of_another(grace_client: Client, card_order: Order) -> None:
    html = grace_client.get(refund_url(card_order), headers=HTMX).content.decode()

    assert "Tries again" not in html
    assert "failed-before" not in html
