"""What staff do at the desk in a browser, and what Stripe's stand-in says came of it."""

from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator, Page, expect

from registration.models import Order
from tests.cast import PASSWORD
from tests.registration.desk import refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer


def sign_in(page: Page, user: Any) -> None:
    """Sign in as a person does, and land on the orders."""
    page.goto("/")
    page.get_by_label("Email or user name").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    # Before its scripts have run, a page follows links as a page without scripts does.
    page.wait_for_load_state()


def search_orders(page: Page, words: str, found: Order) -> Locator:
    """Type into the search; returns the row of the one order that is left."""
    page.get_by_role("searchbox", name="Search orders").press_sequentially(words)
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(row_of(page, found)).to_be_visible()
    return row_of(page, found)


def row_of(page: Page, order: Order) -> Locator:
    return page.locator(f"#order-{order.reference}")


def expect_row(row: Locator, **cells: str) -> None:
    """Read cells of an order's row by their column: ``expect_row(row, refunded="25.00", status="Paid")``."""
    for column, text in cells.items():
        expect(row.locator(f"td.c-{column}")).to_contain_text(text)


def stay(page: Page) -> None:
    """Leave a mark that a reload would wipe away."""
    page.evaluate("window.stayed = true")


def expect_stayed(page: Page) -> None:
    assert page.evaluate("window.stayed === true"), "The page was loaded again."


def open_refund(page: Page, row: Locator, amount: str) -> Locator:
    """Open the panel from the row and ask for an amount; returns the panel, its consequence already shown."""
    row.get_by_role("link", name="Refund").click()
    panel = page.get_by_role("dialog")
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill(amount)
    expect(panel.get_by_role("button", name=f"Refund €{amount}")).to_be_visible()
    return panel


def expect_refunds_at_stripe(sandbox: "SandboxServer", order: Order, *amounts_minor: int) -> None:
    """Compare with Stripe's own books, of this order and of the whole account."""
    assert [refund["amount"] for refund in refunds_at_stripe(sandbox, order)] == list(amounts_minor)


def expect_stepped_back(page: Page) -> None:
    """The panel is closed, and the history back where it was; who leaves before loses the next page."""
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.wait_for_function("() => !history.state?.panel")


def step(page: Page, by: int) -> None:
    """Back (-1) or Forward (1) as a person does: at once, whatever comes of it; the next ``expect`` waits for that.

    ``Page.go_back`` waits for one page to load, and fails where a second load of ours takes its place.
    """
    page.evaluate("by => history.go(by)", by)


def leave_for(page: Page, by: int) -> None:
    """Back or Forward to what comes anew from the server, and until it is there."""
    page.evaluate("by => { window.left = true; history.go(by); }", by)
    page.wait_for_function("() => !window.left && document.readyState === 'complete'")
