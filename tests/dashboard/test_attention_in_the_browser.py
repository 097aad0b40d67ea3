"""The needs-attention queue as it is worked with: by mouse, with and without a script, and read aloud."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from registration.models import Conference, OpenItem, Order, StripeEvent
from tests.cast import STRIPE_KEY, control
from tests.dashboard.test_attention import add
from tests.dashboard.test_credit_in_the_browser import sign_in

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Kind = OpenItem.Kind


def test_a_note_settles_the_row_in_place_and_the_counts_follow(
    page: Page, sam_client: Client, conference: Conference, order: Order
) -> None:
    item = add(conference, Kind.EXTERNAL, "re_1", order=order)
    add(conference, Kind.DISPUTED, "dp_1", order=order)
    sign_in(page, sam_client).goto(reverse("attention_list"))
    row = page.locator(f"#item-{item.pk}")

    row.get_by_text("Settle with a note").click()
    row.get_by_role("button", name="Settle", exact=True).click()
    expect(row).to_contain_text("Say what was done about it")
    wrong = row.locator(".invalid-feedback strong")
    red = page.evaluate("getComputedStyle(document.querySelector('.is-invalid')).borderTopColor")
    expect(wrong).to_have_css("color", red)
    expect(row.locator(".invalid-feedback svg")).to_be_visible()
    row.get_by_label("What was done about it").fill("Finance made it.")
    row.get_by_role("button", name="Settle", exact=True).click()

    expect(row).to_contain_text("Settled by Sam Gamgee")
    expect(page.locator("#toasts")).to_contain_text("Settled")
    expect(page.locator("#queues .count-hot")).to_have_text("1")
    expect(page.locator("#waiting-chips")).not_to_contain_text("Refunded at Stripe")
    assert page.evaluate("document.activeElement !== document.body")


def test_a_failed_refund_given_as_credit_in_the_drawer_leaves_the_list(
    page: Page, sam_client: Client, conference: Conference, card_order: Order
) -> None:
    refund = card_order.refunds.create(amount="10.00", state="failed", destination="CARD")
    part = refund.parts.create(
        payment=card_order.payments.get(), channel="STRIPE", amount="10.00", state="failed", stripe_refund_id="re_1"
    )
    add(conference, Kind.FAILED, f"part:{part.pk}", "10.00", order=card_order, refund=refund)
    sign_in(page, sam_client).goto(reverse("attention_list"))

    page.get_by_role("link", name="Give as credit instead").click()
    page.get_by_role("dialog").get_by_role("button", name="€10.00").click()

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("€10.00 given as store credit")


def test_a_note_settles_without_a_script(
    open_page: Callable[..., Page], sam_client: Client, conference: Conference
) -> None:
    add(conference, Kind.EXTERNAL)
    page = sign_in(open_page(java_script_enabled=False), sam_client)
    page.goto(reverse("attention_list"))

    page.get_by_text("Settle with a note").click()
    page.get_by_label("What was done about it").fill("Finance made it.")
    page.get_by_role("button", name="Settle", exact=True).click()

    expect(page.get_by_role("heading", name="All is well")).to_be_visible()


@pytest.mark.trap(14)
@pytest.mark.parametrize("has_script", [True, False])
def test_a_payment_is_matched_after_its_order_was_shown(
    open_page: Callable[..., Page],
    sam_client: Client,
    conference: Conference,
    pending_order: Order,
    sandbox: "SandboxServer",
    has_script: bool,
) -> None:
    payment = {"id": "pi_lost", "charge": "ch_lost", "amount": 5000, "currency": "eur"}
    control(sandbox, "seed", account_key=STRIPE_KEY, payments=[payment])
    item = add(conference, Kind.UNMATCHED, "pi_lost")
    page = sign_in(open_page(java_script_enabled=has_script), sam_client)
    page.goto(reverse("attention_list"))
    row = page.locator(f"#item-{item.pk}")

    row.get_by_text("Match to an order").click()
    row.get_by_label("Reference of the order").fill(pending_order.reference.lower())
    row.get_by_role("button", name="Show what happens").click()
    shown = row.locator("section.preview")
    expect(shown).to_contain_text("€50.00")
    assert not pending_order.payments.exists()
    row.get_by_role("button", name=f"Match to {pending_order.reference}").click()

    expect(page.locator("#toasts")).to_contain_text(f"Matched to {pending_order.reference}.")
    assert pending_order.payments.get().amount == 50


@pytest.mark.parametrize("width", [1440, 360])
def test_the_queue_and_the_events_can_be_read_aloud(
    open_page: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    grace_client: Client,
    conference: Conference,
    order: Order,
    width: int,
) -> None:
    refund = order.refunds.create(amount="5.00", state="failed")
    for number, kind in enumerate(Kind):
        add(conference, kind, f"part:{number}", order=order if number % 3 else None, refund=refund)
    event = StripeEvent.objects.create(
        conference=conference, event_id="evt_1", type="refund.failed", state="FAILED", payload={"a": 1}, last_error="X"
    )
    page = sign_in(open_page(viewport={"width": width, "height": 900}), grace_client)

    for url in (reverse("attention_list"), reverse("event_list"), reverse("event_detail", args=[event.pk])):
        page.goto(url)
        for unfold in page.locator("details.settle-form > summary").all()[:2]:
            unfold.click()
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
