"""The comparison with Stripe in a browser: begun, watched to its end, repaired in place, and without a script."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from registration.models import ComparisonRun, Order
from registration.services.comparison import nightly as compare_nightly
from registration.services.comparison import run as compare
from registration.services.comparison.asking import Asker
from tests.browser.steps import expect_stayed, sign_in, stay
from tests.registration.books import stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def refunds(paid_order: Order, crowd: list[Order], sandbox: "SandboxServer") -> list[str]:
    """Two refunds made at Stripe that no event told of; the crowd's payments are not there either."""
    for order in crowd:
        order.payments.all().delete()
    intent = paid_order.payments.get().stripe_payment_intent_id
    amounts = (1000, 2500)
    made = [stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={amount}") for amount in amounts]
    run = compare.begin(paid_order.conference, until=timezone.now() + timedelta(seconds=2))
    assert compare.claim(run)
    assert compare.carry_on(run, Asker(paid_order.conference, pauses=()), second_look=timedelta(0))
    return [str(each["id"]) for each in made]


def test_a_difference_is_repaired_in_place(page: Page, grace: Any, paid_order: Order, refunds: list[str]) -> None:
    sign_in(page, grace)
    page.get_by_role("navigation", name="Queues").get_by_role("link", name="Comparison").click()
    expect(page.locator("#comparison-head")).to_contain_text("2 differences")
    stay(page)
    row = page.locator("li", has_text="€10.00 was refunded at Stripe")
    expect(row).to_contain_text(refunds[0])
    row.get_by_role("button", name="Repair").click()

    expect(row).to_contain_text("Repaired")
    expect(page.locator("#comparison-head")).to_contain_text("1 difference")
    expect(page.locator("#toasts")).to_contain_text("Our books now say what Stripe says.")
    expect_stayed(page)
    page.get_by_role("button", name="Repair 1 difference").click()
    expect(page.locator("#comparison-head")).to_contain_text("Ledger and Stripe agree to the cent.")
    paid_order.refresh_from_db()
    assert str(paid_order.refunded_amount) == "35.00"


def test_a_comparison_is_begun_and_followed_to_its_end(
    page: Page, grace: Any, paid_order: Order, refunds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "UNDER_WAY", -timedelta(seconds=2))
    monkeypatch.setattr(compare, "SECOND_LOOK_AFTER", timedelta(0))
    sign_in(page, grace)
    page.goto("/stripe/comparison/")
    page.get_by_role("button", name="Compare now").click()
    expect(page.locator("#comparison-progress")).to_contain_text("Refunds at Stripe")

    assert compare_nightly.continue_due() == 1

    expect(page.locator("#comparison-progress")).to_have_count(0)
    assert ComparisonRun.objects.filter(state=ComparisonRun.State.FINISHED, requested_by=grace).exists()
    expect(page.locator("#comparison-head")).to_contain_text("2 differences")


def test_it_works_without_a_script(
    open_page: Callable[..., Page], grace: Any, paid_order: Order, refunds: list[str]
) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, grace)
    page.goto("/stripe/comparison/")
    page.locator("li", has_text="€10.00 was refunded at Stripe").get_by_role("button", name="Repair").click()
    expect(page.locator("#toasts")).to_contain_text("Our books now say what Stripe says.")
    page.get_by_role("link", name="Repaired").click()
    expect(page.locator("li", has_text="€10.00 was refunded at Stripe")).to_be_visible()
    page.get_by_role("button", name="Compare now").click()
    expect(page.locator("#comparison-progress")).to_contain_text("Reload to see how far it is")

    page.goto("/books/")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("main")).to_contain_text("From 1 January 2026")
