"""Credit as it is worked with: typing a name, opening the panel, seeing the page follow."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from registration.models import Conference, Credit, Order
from tests.cast import make_credit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sign_in(page: Page, client: Client) -> Page:
    page.goto("/healthz")
    page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": page.url}])
    return page


def test_find_an_attendee_with_the_keyboard(
    page: Page, sam_client: Client, conference: Conference, ada: Any, order: Order
) -> None:
    make_credit(conference, ada, "45.00")
    sign_in(page, sam_client).goto(reverse("credit_list"))

    page.get_by_role("combobox").press_sequentially("lov")
    expect(page.get_by_role("option")).to_contain_text("€45.00")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace")


def test_apply_from_the_attendee_page(
    page: Page, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "30.00", expires_at=timezone.now() + timedelta(days=9))
    make_credit(conference, ada, "100.00")
    sign_in(page, sam_client).goto(reverse("attendee_detail", args=[ada.pk]))

    page.get_by_role("link", name="Apply credit").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("button", name="Apply €50.00")).to_be_visible()
    panel.get_by_role("checkbox").nth(1).uncheck()
    expect(panel.get_by_label("Amount")).to_have_value("30.00")
    panel.get_by_label("Amount").fill("12.50")
    panel.get_by_role("button", name="Apply €12.50").click()

    expect(page.locator("#toasts")).to_contain_text("€12.50 credit applied to")
    expect(panel).to_be_hidden()
    expect(page.locator(".balance")).to_contain_text("€117.50")
    expect(page.locator(".rail")).to_contain_text("€37.50")


def test_apply_from_the_order_page(
    page: Page, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "100.00")
    sign_in(page, sam_client).goto(reverse("order_detail", args=[pending_order.reference]))

    page.get_by_role("link", name="Apply credit").first.click()
    page.get_by_role("button", name="Apply €50.00").click()

    expect(page.locator("#toasts")).to_contain_text("€50.00 credit applied to")
    expect(page.locator(".title-row")).to_contain_text("Paid")


def test_apply_from_the_list_brings_the_row_and_the_focus_to_it(
    page: Page, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "100.00")
    sign_in(page, sam_client).goto(reverse("order_list"))
    row = page.locator(f"#order-{pending_order.reference}")

    row.get_by_role("link", name="Apply credit").click()
    page.get_by_role("button", name="Apply €50.00").click()

    expect(row).to_contain_text("Paid")
    expect(row.locator("[data-row-link]")).to_be_focused()


def test_too_much_is_said_in_the_panel(
    page: Page, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "30.00")
    sign_in(page, sam_client).goto(reverse("attendee_detail", args=[ada.pk]))

    page.get_by_role("link", name="Apply credit").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Amount").fill("31")
    sentence = "Enter €30.00 or less: that is what these credits and the order allow."
    expect(panel.locator("#preview .invalid-feedback")).to_have_text(sentence)
    expect(panel.get_by_label("Amount")).to_have_accessible_description(re.compile(sentence))
    button = panel.get_by_role("button", name="Apply")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)

    expect(panel.get_by_label("Amount")).to_be_focused()
    expect(panel.get_by_label("Amount")).to_have_value("31")
    panel.get_by_label("Amount").fill("3")
    expect(button).to_have_text("Apply €3.00")
    expect(button).not_to_have_attribute("aria-disabled", "true")


def test_an_amount_that_was_typed_stays_when_another_credit_is_ticked(
    page: Page, sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "30.00", expires_at=timezone.now() + timedelta(days=9))
    make_credit(conference, ada, "100.00")
    sign_in(page, sam_client).goto(reverse("attendee_detail", args=[ada.pk]))
    page.get_by_role("link", name="Apply credit").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Amount").fill("12.50")
    expect(panel.get_by_role("button", name="Apply €12.50")).to_be_visible()

    panel.get_by_role("checkbox").nth(0).uncheck()

    expect(panel.locator("#preview")).to_contain_text("€87.50")
    expect(panel.get_by_label("Amount")).to_have_value("12.50")
    panel.get_by_role("checkbox").nth(1).uncheck()
    expect(panel.locator("#preview")).to_contain_text("Choose a credit and an amount to see the result.")
    expect(panel.get_by_label("Amount")).to_have_value("12.50")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("$5", "Amounts here are in EUR. Enter it in EUR, without $."), ("abc", "Enter an amount like 12.50.")],
)
def test_what_cannot_be_given_is_said_below_the_amount(
    page: Page, grace_client: Client, ada: Any, order: Order, text: str, sentence: str
) -> None:
    sign_in(page, grace_client).goto(reverse("attendee_detail", args=[ada.pk]))
    page.get_by_role("link", name="Issue credit").first.click()
    panel = page.get_by_role("dialog")

    panel.get_by_label("Amount").fill(text)

    expect(panel.locator("#preview .invalid-feedback")).to_have_text(sentence)
    expect(panel.get_by_label("Amount")).to_have_accessible_description(sentence)
    expect(panel.locator("#change-submit")).to_have_attribute("aria-disabled", "true")


def test_more_cannot_be_taken_off_than_is_left(
    page: Page, grace_client: Client, conference: Conference, ada: Any
) -> None:
    credit = make_credit(conference, ada, "80.00")
    sign_in(page, grace_client).goto(reverse("credit_detail", args=[credit.pk]))
    page.get_by_role("link", name="Adjust").click()
    panel = page.get_by_role("dialog")
    panel.get_by_text("Take off", exact=True).click()

    panel.get_by_label("Amount").fill("80.01")

    expect(panel.locator("#preview .invalid-feedback")).to_have_text(
        "There is less left on this credit than you want to take."
    )
    expect(panel.locator("#change-submit")).to_have_attribute("aria-disabled", "true")
    expect(panel.locator("#preview dl")).to_have_count(0)


def test_adjust_and_void_from_the_credit(page: Page, grace_client: Client, conference: Conference, ada: Any) -> None:
    credit = make_credit(conference, ada, "80.00")
    sign_in(page, grace_client).goto(reverse("credit_detail", args=[credit.pk]))

    page.get_by_role("link", name="Adjust").click()
    page.get_by_label("Amount").fill("20")
    page.get_by_label("Reason").fill("Miscounted")
    page.get_by_role("button", name="Add €20.00").click()
    expect(page.locator(".balance")).to_contain_text("€100.00")
    page.get_by_role("link", name="Void").click()
    page.get_by_label("Reason").fill("Issued twice")
    page.get_by_role("button", name="Void €100.00").click()

    expect(page.get_by_role("main")).to_contain_text("Voided")
    credit.refresh_from_db()
    assert credit.status == Credit.Status.VOIDED


def test_pages_and_panels_are_accessible(
    page: Page,
    assert_accessible: Callable[[Page], None],
    grace_client: Client,
    conference: Conference,
    ada: Any,
    pending_order: Order,
) -> None:
    credit = make_credit(conference, ada, "30.00", expires_at=timezone.now() + timedelta(days=9))
    sign_in(page, grace_client)
    for address in (
        reverse("credit_list"),
        reverse("credit_list") + "?q=lov",
        reverse("credit_detail", args=[credit.pk]),
        reverse("credit_adjust", args=[credit.pk]),
        reverse("credit_issue", args=[ada.pk]),
        reverse("attendee_detail", args=[ada.pk]),
    ):
        page.goto(address)
        assert_accessible(page)
    page.get_by_role("link", name="Apply credit").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)


def test_everything_works_without_a_script(
    open_page: Callable[..., Page],
    sam_client: Client,
    conference: Conference,
    ada: Any,
    pending_order: Order,
) -> None:
    make_credit(conference, ada, "30.00")
    page = sign_in(open_page(java_script_enabled=False), sam_client)

    page.goto(reverse("credit_list"))
    page.get_by_label("Find an attendee").fill("lov")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Ada Lovelace").first.click()
    page.get_by_role("link", name="Apply credit").click()
    page.get_by_label("Amount").fill("10")
    page.get_by_role("button", name="Show what happens").click()
    expect(page.locator("#preview")).to_contain_text("€40.00")
    page.get_by_role("button", name="Apply €10.00").click()

    expect(page.locator("#toasts")).to_contain_text("€10.00 credit applied to")
