"""From the sign-in page to money sent and credit applied without touching a mouse."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from tests.browser.steps import expect_refunds_at_stripe, expect_row, row_of
from tests.cast import PASSWORD, make_credit
from tests.registration.books import assert_books_agree

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MOST_STEPS = 150


@pytest.fixture
def no_mouse(page: Page) -> None:
    """A page on which nothing can be clicked by accident of the test."""
    page.mouse.move(0, 0)


def sign_in_by_keys(page: Page, user: Any) -> None:
    page.goto("/")
    page.keyboard.type(user.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders")


def tab_to(page: Page, is_there: Callable[[], bool], key: str = "Tab") -> None:
    """Press the key until the focus is where it should be, and be seen there."""
    for _step in range(MOST_STEPS):
        if is_there():
            break
        page.keyboard.press(key)
    assert is_there(), "The focus never came there."
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


def focused(page: Page) -> str:
    name: str = page.evaluate(
        "document.activeElement.innerText || document.activeElement.getAttribute('aria-label') || ''"
    )
    return name.strip()


def test_a_refund_and_a_credit(
    page: Page,
    no_mouse: None,
    sandbox: "SandboxServer",
    conference: Conference,
    sam: Any,
    linnea: Any,
    paid_order: Order,
    unpaid_order: Order,
) -> None:
    make_credit(conference, linnea, "50.00")
    sign_in_by_keys(page, sam)

    press_until_row(page, paid_order)
    page.keyboard.press("r")
    expect(page.get_by_role("dialog").get_by_role("radio", name="Full")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect_row(row_of(page, paid_order), refunded="120.00", status="Refunded")
    expect(page.get_by_role("dialog")).to_be_hidden()

    press_until_row(page, unpaid_order, key="k")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_contain_text("€50.00 due")
    page.keyboard.press("Control+Enter")
    expect_row(row_of(page, unpaid_order), paid="50.00", status="Paid")
    expect_refunds_at_stripe(sandbox, paid_order, 12000)
    assert_books_agree()


def press_until_row(page: Page, order: Order, key: str = "j") -> None:
    link = row_of(page, order).get_by_role("link", name=order.reference, exact=True)
    page.keyboard.press(key)
    tab_to(page, lambda: bool(link.evaluate("each => each === document.activeElement")), key=key)


def test_with_tab_and_enter_alone(
    page: Page, no_mouse: None, sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    sign_in_by_keys(page, sam)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    tab_to(page, lambda: page.evaluate("document.activeElement.id") == f"refund-{paid_order.reference}")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("25")
    expect(panel.get_by_role("button", name="Refund €25.00")).to_be_visible()
    tab_to(page, lambda: focused(page) == "Refund €25.00")
    page.keyboard.press("Enter")

    expect_row(row_of(page, paid_order), refunded="25.00", left="95.00")
    expect(row_of(page, paid_order).get_by_role("link", name=paid_order.reference, exact=True)).to_be_focused()
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_escape_leads_back_to_where_it_began(page: Page, no_mouse: None, sam: Any, paid_order: Order) -> None:
    sign_in_by_keys(page, sam)
    press_until_row(page, paid_order)
    tab_to(page, lambda: focused(page).startswith("Refund"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    assert focused(page).startswith("Refund")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_focus_never_leaves_an_open_panel(page: Page, no_mouse: None, sam: Any, paid_order: Order) -> None:
    sign_in_by_keys(page, sam)
    press_until_row(page, paid_order)
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_be_visible()

    for _step in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
