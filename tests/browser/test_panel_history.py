"""A panel is a step of the browser: Back closes it, Forward opens it again, and closing it leaves no dead step."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from registration.models import Conference, Order
from tests.browser.steps import (
    expect_refunds_at_stripe,
    expect_row,
    expect_stayed,
    expect_stepped_back,
    open_refund,
    row_of,
    sign_in,
    stay,
    step,
)
from tests.cast import make_credit, pay

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def panel_of(page: Page, order: Order) -> Locator:
    return page.get_by_role("dialog", name=f"Refund {order.reference}")


def refund_button(page: Page, order: Order) -> Locator:
    return row_of(page, order).get_by_role("link", name="Refund")


def filtered(page: Page, user: Any) -> None:
    """The list, then what a chip leaves of it: two steps of the browser."""
    sign_in(page, user)
    page.locator(".chips").get_by_role("link", name="Paid").click()
    expect(page).to_have_url(re.compile("status=PAID$"))


def closed_by_back(page: Page, colleague: Any, order: Order) -> None:
    """The list, after a refund panel over it was opened and left by Back."""
    filtered(page, colleague)
    stay(page)
    refund_button(page, order).click()
    expect(panel_of(page, order)).to_be_visible()
    step(page, -1)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_back_closes_the_panel_and_stays_on_the_list(page: Page, sam: Any, paid_order: Order) -> None:
    filtered(page, sam)
    stay(page)
    refund_button(page, paid_order).click()
    expect(panel_of(page, paid_order)).to_be_visible()
    expect(page).to_have_url(re.compile(f"status=PAID&refund={paid_order.reference}$"))

    step(page, -1)

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("status=PAID$"))
    expect(refund_button(page, paid_order)).to_be_focused()
    expect_stayed(page)
    step(page, -1)
    expect(page.locator("#chip-1")).to_have_attribute("aria-current", "true")


def test_forward_opens_the_panel_again(page: Page, sam: Any, paid_order: Order) -> None:
    closed_by_back(page, sam, paid_order)

    step(page, 1)

    expect(panel_of(page, paid_order)).to_be_visible()
    expect(page).to_have_url(re.compile(f"refund={paid_order.reference}$"))
    expect_stayed(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(refund_button(page, paid_order)).to_be_focused()
    expect(page).to_have_url(re.compile("status=PAID$"))


LATE_CLOSE = """() => addEventListener("close", (event) => {
  if (!event.isTrusted) return;
  event.stopImmediatePropagation();
  window.tellClosed = () => event.target.dispatchEvent(new Event("close"));
}, true)"""


def forward_before_closing_is_told(page: Page, colleague: Any, order: Order) -> None:
    """Back and at once Forward: the browser tells of the closed panel a frame later, here when the test says so."""
    filtered(page, colleague)
    stay(page)
    page.evaluate(LATE_CLOSE)
    refund_button(page, order).click()
    expect(panel_of(page, order)).to_be_visible()
    step(page, -1)
    page.wait_for_function("() => window.tellClosed")
    step(page, 1)


def test_forward_before_the_browser_has_told_of_closing(page: Page, sam: Any, paid_order: Order) -> None:
    forward_before_closing_is_told(page, sam, paid_order)
    page.wait_for_function("() => history.state?.panel")

    page.evaluate("() => window.tellClosed()")

    expect(panel_of(page, paid_order)).to_be_visible()
    expect(page).to_have_url(re.compile(f"refund={paid_order.reference}$"))
    expect_stayed(page)


def test_closing_told_after_forward_has_opened(page: Page, sam: Any, paid_order: Order) -> None:
    forward_before_closing_is_told(page, sam, paid_order)
    expect(panel_of(page, paid_order)).to_be_visible()

    page.evaluate("() => window.tellClosed()")

    expect(panel_of(page, paid_order).get_by_role("button", name="Refund €120.00")).to_be_visible()
    expect(page).to_have_url(re.compile(f"refund={paid_order.reference}$"))
    page.keyboard.press("Escape")
    page.evaluate("() => window.tellClosed()")
    expect(page).to_have_url(re.compile("status=PAID$"))
    expect(refund_button(page, paid_order)).to_be_focused()


def test_what_forward_opens_is_asked_for_anew_and_works(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    filtered(page, sam)
    open_refund(page, row_of(page, paid_order), "25.00")
    step(page, -1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    pay(paid_order, "30.00", method="MANUAL")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {urlsplit(request.url).path}"))

    step(page, 1)

    panel = panel_of(page, paid_order)
    expect(panel).to_contain_text("€150.00")
    expect(panel.get_by_role("button", name="Refund €150.00")).to_be_visible()
    expect(panel.get_by_role("radio", name="Full")).to_be_focused()
    assert [each for each in asked if "/refunds/" in each] == [f"GET /orders/{paid_order.reference}/refunds/new/"]
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill("10.00")
    panel.get_by_role("button", name="Refund €10.00").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_refunds_at_stripe(sandbox, paid_order, 1000)


def test_forward_after_a_refund_sends_nothing_again(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    filtered(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    panel.get_by_role("button", name="Refund €25.00").click()
    expect_row(row_of(page, paid_order), left="95.00")
    expect_stepped_back(page)

    step(page, 1)

    expect(panel_of(page, paid_order).get_by_role("button", name="Refund €95.00")).to_be_visible()
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_back_before_a_panel_has_come_again_leaves_it_closed(page: Page, sam: Any, paid_order: Order) -> None:
    closed_by_back(page, sam, paid_order)
    page.route("**/refunds/new/", lambda _route: None)
    step(page, 1)
    page.wait_for_function("() => history.state?.panel")

    with page.expect_event("requestfailed", lambda request: request.url.endswith("/refunds/new/")):
        step(page, -1)

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("status=PAID$"))
    page.unroute("**/refunds/new/")
    step(page, 1)
    expect(panel_of(page, paid_order)).to_be_visible()
    expect_stayed(page)


@pytest.mark.parametrize("way", ["Escape", "Cancel", "Close without refunding"])
def test_closing_leaves_no_step_in_which_nothing_happens(page: Page, sam: Any, paid_order: Order, way: str) -> None:
    filtered(page, sam)
    stay(page)
    for _time in range(2):
        refund_button(page, paid_order).click()
        expect(panel_of(page, paid_order)).to_be_visible()
        if way == "Escape":
            page.keyboard.press("Escape")
        else:
            page.get_by_role("dialog").get_by_role("link", name=way, exact=True).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page).to_have_url(re.compile("status=PAID$"))
        expect(refund_button(page, paid_order)).to_be_focused()
    expect_stayed(page)

    step(page, -1)

    expect(page).not_to_have_url(re.compile("status=PAID"))
    expect(page.locator("#chip-1")).to_have_attribute("aria-current", "true")


def test_another_panel_right_after_the_first(page: Page, sam: Any, paid_order: Order, crowd: list[Order]) -> None:
    filtered(page, sam)
    refund_button(page, paid_order).click()
    expect(panel_of(page, paid_order)).to_be_visible()
    page.keyboard.press("Escape")
    refund_button(page, crowd[0]).click()

    expect(panel_of(page, crowd[0])).to_be_visible()
    expect(page).to_have_url(re.compile(f"status=PAID&refund={crowd[0].reference}$"))
    step(page, -1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("status=PAID$"))


def test_a_reload_and_a_bookmark_open_the_list_with_the_panel(
    page: Page, open_page: Callable[..., Page], sam: Any, paid_order: Order
) -> None:
    filtered(page, sam)
    refund_button(page, paid_order).click()
    expect(panel_of(page, paid_order)).to_be_visible()

    page.reload()

    expect(panel_of(page, paid_order)).to_be_visible()
    expect(page.locator("[data-row]")).to_have_count(4)
    bookmark = page.url
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("status=PAID$"))
    expect(refund_button(page, paid_order)).to_be_focused()

    other = open_page()
    sign_in(other, sam)
    other.goto(bookmark)
    expect(panel_of(other, paid_order)).to_be_visible()
    other.keyboard.press("Escape")
    expect(other.get_by_role("dialog")).to_have_count(0)
    expect(other).to_have_url(re.compile("status=PAID$"))
    step(other, -1)
    expect(other).not_to_have_url(re.compile("status=PAID"))


def test_after_a_refund_back_leads_to_what_was_before(page: Page, sam: Any, paid_order: Order) -> None:
    filtered(page, sam)
    stay(page)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    panel.get_by_role("button", name="Refund €25.00").click()
    expect_row(row_of(page, paid_order), left="95.00")
    expect(page).to_have_url(re.compile("status=PAID$"))
    expect(row_of(page, paid_order).locator("[data-row-link]")).to_be_focused()
    expect_stayed(page)

    step(page, -1)

    expect(page).not_to_have_url(re.compile("status=PAID"))
    expect(page.locator("#chip-1")).to_have_attribute("aria-current", "true")
    assert paid_order.refunds.count() == 1


def test_a_link_to_a_field_of_the_panel_is_no_step(page: Page, grace: Any, paid_order: Order) -> None:
    filtered(page, grace)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    panel.get_by_label("I want to pay out €50.00 in total").check()
    button = panel.get_by_role("button", name="Pay out €50.00")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    panel.get_by_role("link", name="Write down why").click()
    expect(panel.get_by_label("Internal note")).to_be_focused()

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("status=PAID$"))
    step(page, -1)
    expect(page.locator("#chip-1")).to_have_attribute("aria-current", "true")


def test_the_order_opens_its_panel_by_the_same_address(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")
    page.locator("#refund-order").click()
    expect(panel_of(page, paid_order)).to_be_visible()
    expect(page).to_have_url(re.compile(f"/orders/{paid_order.reference}/\\?refund={paid_order.reference}$"))
    page.reload()
    expect(panel_of(page, paid_order)).to_be_visible()

    step(page, -1)

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"/orders/{paid_order.reference}/$"))
    expect(page.locator("#refund-order")).to_be_focused()


def test_other_panels_are_steps_too(
    page: Page, sam: Any, conference: Conference, linnea: Any, unpaid_order: Order
) -> None:
    make_credit(conference, linnea, "30.00")
    sign_in(page, sam)
    stay(page)
    row_of(page, unpaid_order).get_by_role("link", name="Apply credit").click()
    panel = page.get_by_role("dialog", name=f"Apply credit to {unpaid_order.reference}")
    expect(panel).to_be_visible()
    step(page, -1)
    expect(panel).to_have_count(0)
    expect_stayed(page)
    step(page, 1)
    expect(panel).to_be_visible()
    page.reload()
    expect(panel).to_be_visible()

    panel.get_by_role("button", name="Apply €30.00").click()

    expect(panel).to_have_count(0)
    expect(row_of(page, unpaid_order)).to_contain_text("Pending")
    page.reload()
    expect(page.get_by_role("dialog")).to_have_count(0)
