"""Two people at once: one acts, the other's open page shows it within seconds, without losing what is being typed."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Order, Refund
from registration.services.refund import RefundService

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/")


def test_the_list_and_the_order_follow_a_colleague(
    open_page: Callable[..., Page], linus: Any, order: Order, sandbox: Any
) -> None:
    linus.set_password("only-in-tests")
    linus.save()
    listed, opened = open_page(), open_page()
    sign_in(listed, linus.username, "only-in-tests")
    sign_in(opened, linus.username, "only-in-tests")
    opened.goto(f"/orders/{order.reference}/")
    listed.fill("#q", "half-typ")

    RefundService.create_refund(order, amount=Decimal("5.00"), destination=Refund.Destination.CREDIT)

    expect(opened.locator("#order-title")).to_contain_text("Partially refunded", timeout=8000)
    listed.fill("#q", "")
    expect(listed.locator(f"#order-{order.reference}")).to_contain_text("Partially refunded", timeout=8000)
