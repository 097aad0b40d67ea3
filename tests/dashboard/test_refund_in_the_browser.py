"""Refunding as it is done: the panel over the list, the result in place, and the same without a script."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from registration.models import Conference, Order, RefundReason
from registration.services.refund import RefundService
from tests.cast import make_order
from tests.registration.desk import fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sign_in(page: Page, client: Client) -> Page:
    page.goto("/healthz")
    page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": page.url}])
    return page


def open_panel(page: Page, client: Client, order: Order) -> Any:
    sign_in(page, client).goto(reverse("order_list"))
    page.locator(f"#order-{order.reference}").get_by_role("link", name="Refund").first.click()
    panel = page.get_by_role("dialog", name=f"Refund {order.reference}")
    expect(panel).to_be_visible()
    return panel


def choose_custom(panel: Any, amount: str) -> None:
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill(amount)


@pytest.fixture
def dinner_order(conference: Conference, ada: Any, sandbox: "SandboxServer") -> Order:
    """120.00 for a ticket and a dinner, paid by a card that Stripe's stand-in knows."""
    items = {"Student ticket": "70.00", "Conference dinner": "50.00"}
    return make_order(conference, ada, paid="120.00", items=items, sandbox=sandbox)


def test_refund_of_a_line_item_changes_the_row_in_place(
    page: Page, sam_client: Client, dinner_order: Order, sandbox: "SandboxServer"
) -> None:
    panel = open_panel(page, sam_client, dinner_order)
    expect(panel.get_by_role("radio", name="Full €120.00")).to_be_focused()

    panel.get_by_text("Line items", exact=True).click()
    panel.get_by_label("Conference dinner").check()
    expect(panel.locator("#preview")).to_contain_text("€50.00 on Visa ending 4242")
    panel.get_by_role("button", name="Refund €50.00").click()

    expect(page.locator("#toasts")).to_contain_text("€50.00 refund sent to Stripe")
    row = page.locator(f"#order-{dinner_order.reference}")
    expect(row).to_contain_text("Partially refunded")
    expect(row).to_contain_text("70.00")
    expect(row.locator("[data-row-link]")).to_be_focused()
    expect(panel).to_be_hidden()
    assert [refund["amount"] for refund in refunds_at_stripe(sandbox, dinner_order)] == [5000]


def test_paying_twice_waits_for_its_tick(page: Page, grace_client: Client, dinner_order: Order) -> None:
    panel = open_panel(page, grace_client, dinner_order)
    choose_custom(panel, "50")
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    button = panel.locator("#refund-submit")
    expect(button).to_have_text("Pay out €100.00")
    expect(button).to_have_attribute("aria-disabled", "true")

    button.click(force=True)
    assert not dinner_order.refunds.exists()
    panel.get_by_label("I want to pay out €100.00 in total").check()
    expect(button).not_to_have_attribute("aria-disabled", "true")
    panel.get_by_label("Internal note").fill("Turned away at the door")
    button.click()

    expect(page.locator("#toasts")).to_contain_text("the same again as credit")
    assert dinner_order.refunds.get().amount == Decimal("50.00")


def test_too_much_is_said_at_its_field_and_stops_the_button(
    page: Page, sam_client: Client, dinner_order: Order, assert_accessible: Callable[[Page], None]
) -> None:
    panel = open_panel(page, sam_client, dinner_order)
    choose_custom(panel, "150")
    field, button = panel.get_by_label("Custom amount"), panel.locator("#refund-submit")
    too_much = "€150.00 is €30.00 more than can be refunded. Enter €120.00 or less."
    expect(panel.locator("#preview .invalid-feedback")).to_have_text(too_much)
    expect(field).to_have_accessible_description(too_much)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_description(too_much)
    assert_accessible(page)

    button.click(force=True)

    expect(field).to_be_focused()
    expect(field).to_have_value("150")
    assert not dinner_order.refunds.exists()
    page.keyboard.press("Backspace")
    expect(button).to_have_text("Refund €15.00")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(panel.locator(".invalid-feedback:not(:empty)")).to_have_count(0)


@pytest.mark.parametrize(
    ("choice", "label", "text", "sentence"),
    [
        ("fixed", "Fee to keep", "200", "Enter a fee that is less than the amount."),
        ("percent", "Percentage to keep", "101", "Enter a percentage below 100: nothing would go back."),
    ],
)
def test_a_wrong_fee_is_said_below_it(
    page: Page, sam_client: Client, dinner_order: Order, choice: str, label: str, text: str, sentence: str
) -> None:
    panel = open_panel(page, sam_client, dinner_order)
    panel.get_by_label("Keep a fee").select_option(choice)
    expect(panel.locator("#preview")).to_contain_text("to keep to see the result.")
    field = panel.get_by_label(label)
    expect(field).not_to_have_attribute("aria-invalid", "true")
    field.fill(text)
    expect(panel.locator("#preview .invalid-feedback")).to_have_text(sentence)
    expect(field).to_have_accessible_description(sentence)
    panel.locator("#refund-submit").click(force=True)
    expect(field).to_be_focused()

    panel.get_by_label("Keep a fee").select_option("")

    expect(panel.locator("#refund-submit")).to_have_text("Refund €120.00")
    panel.get_by_label("Keep a fee").select_option(choice)
    expect(field).to_have_value(text)


def test_what_is_missing_takes_the_focus_to_the_summary(page: Page, grace_client: Client, dinner_order: Order) -> None:
    panel = open_panel(page, grace_client, dinner_order)
    choose_custom(panel, "50")
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    panel.get_by_label("I want to pay out €100.00 in total").check()
    button = panel.locator("#refund-submit")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()

    summary = panel.get_by_role("alert")
    expect(summary).to_contain_text("The refund was not sent")
    expect(summary).to_be_focused()
    summary.get_by_role("link").click()
    expect(panel.get_by_label("Internal note")).to_be_focused()
    expect(panel.get_by_label("Custom amount")).to_have_value("50")
    assert not dinner_order.refunds.exists()


def test_somebody_was_faster(page: Page, sam_client: Client, grace: Any, dinner_order: Order) -> None:
    panel = open_panel(page, sam_client, dinner_order)
    panel.get_by_label("Internal note").fill("Cannot come")
    RefundService.create_refund(dinner_order, amount=Decimal("20.00"), destination="CREDIT", staff_user=grace)
    panel.locator("#refund-submit").click()

    expect(panel).to_contain_text("This order changed while you had it open")
    expect(panel).to_contain_text("Grace Hopper refunded €20.00")
    expect(panel.get_by_label("Internal note")).to_have_value("Cannot come")
    expect(panel.get_by_role("radio", name="Full €100.00")).to_be_visible()
    assert dinner_order.refunds.count() == 1


def test_silence_is_shown_and_checked(
    page: Page, sam_client: Client, dinner_order: Order, sandbox: "SandboxServer"
) -> None:
    panel = open_panel(page, sam_client, dinner_order)
    with fault(sandbox, "close_after_commit", count=9, method="POST"):
        panel.locator("#refund-submit").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Stripe did not answer. We are checking whether €120.00 was refunded.")
    expect(page.locator(f"#order-{dinner_order.reference}")).to_contain_text("being verified")

    dialog.get_by_role("button", name="Check now").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(dinner_order.refunds.get().number)
    expect(page.locator("main")).to_contain_text("Succeeded")
    assert len(refunds_at_stripe(sandbox, dinner_order)) == 1


def test_fraud_is_explained_before_it_is_sent(
    page: Page, sam_client: Client, conference: Conference, dinner_order: Order
) -> None:
    RefundReason.objects.create(conference=conference, label="Fraudulent", stripe_reason="fraudulent", position=9)
    panel = open_panel(page, sam_client, dinner_order)
    warning = panel.get_by_text("This tells Stripe that it was fraud.")
    expect(warning).to_be_hidden()

    panel.get_by_label("Reason").select_option("Fraudulent")

    expect(warning).to_be_visible()


def test_panel_is_accessible_in_every_state(
    page: Page, grace_client: Client, dinner_order: Order, assert_accessible: Callable[[Page], None]
) -> None:
    panel = open_panel(page, grace_client, dinner_order)
    page.wait_for_timeout(400)
    assert_accessible(page)
    panel.get_by_text("Line items", exact=True).click()
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    panel.get_by_label("Conference dinner").check()
    expect(panel.locator("#refund-submit")).to_have_text("Pay out €100.00")
    assert_accessible(page)
    panel.get_by_role("radio", name="Part to the card").check()
    choose_custom(panel, "1,234.56")
    expect(panel.locator("#refund-submit")).to_have_attribute("aria-disabled", "true")
    assert_accessible(page)
    panel.get_by_label("Custom amount").fill("50")
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    panel.get_by_label("I want to pay out €100.00 in total").check()
    panel.locator("#refund-submit").click()
    expect(panel.get_by_role("alert")).to_be_focused()
    assert_accessible(page)


def test_pages_of_refunds_are_accessible(
    page: Page, grace_client: Client, grace: Any, dinner_order: Order, assert_accessible: Callable[[Page], None]
) -> None:
    RefundService.create_refund(dinner_order, amount=Decimal("20.00"), destination="CARD", staff_user=grace)
    sign_in(page, grace_client)
    refund = dinner_order.refunds.get()
    addresses = [
        reverse("refund_create", args=[dinner_order.reference]),
        reverse("refund_list"),
        reverse("refund_detail", args=[refund.pk]),
    ]
    for address in addresses:
        page.goto(address)
        assert_accessible(page)


def test_two_of_three_on_one_line_go_back(
    page: Page, sam_client: Client, dinner_order: Order, sandbox: "SandboxServer"
) -> None:
    dinner_order.line_items.filter(description="Student ticket").update(quantity=3)
    panel = open_panel(page, sam_client, dinner_order)
    panel.get_by_text("Line items", exact=True).click()
    number = panel.get_by_label("How many")
    expect(number).to_be_hidden()

    panel.get_by_label("Student ticket").first.check()
    expect(number).to_have_value("3")
    number.fill("2")
    expect(panel.locator("#preview")).to_contain_text("2 of 3 × Student ticket €46.67")
    number.fill("4")
    expect(panel.locator(f"#{number.get_attribute('id')}_error")).to_contain_text("Enter a number from 1 to 3.")
    number.fill("2")
    panel.get_by_role("button", name="Refund €46.67").click()

    expect(page.locator("#toasts")).to_contain_text("€46.67 refund sent to Stripe")
    assert [refund["amount"] for refund in refunds_at_stripe(sandbox, dinner_order)] == [4667]
