"""Every page of the main job, judged by axe-core in both themes and at the three widths of the design."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order, Refund
from registration.services.errors import RefundUnconfirmed
from registration.services.refund import RefundService
from tests.browser.steps import open_refund, row_of, sign_in
from tests.cast import make_credit, make_order
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = (1440, 820, 390)
# Only colours differ in the dark.
THEMES: dict[Any, tuple[str, ...]] = {"light": (), "dark": ("color-contrast", "link-in-text-block")}


@pytest.fixture
def season(
    conference: Conference, linnea: Any, grace: Any, paid_order: Order, unpaid_order: Order, sandbox: "SandboxServer"
) -> Refund:
    """One of each state that a page can show; returns the refund whose outcome is not known yet."""
    make_credit(conference, linnea, "45.00")
    to_card = {"destination": Refund.Destination.CARD, "staff_user": grace}
    RefundService.create_refund(paid_order, amount=Decimal("30.00"), note="Could not come", **to_card)
    silent = make_order(conference, linnea, paid="90.00", sandbox=sandbox)
    with fault(sandbox, "close", count=9, method="POST"), pytest.raises(RefundUnconfirmed) as raised:
        RefundService.create_refund(silent, amount=Decimal("90.00"), **to_card)
    return raised.value.refund


@pytest.fixture
def judge(page: Page, find_breaches: Callable[..., list[str]]) -> Iterator[Callable[[str], None]]:
    """Looks at the page in every width and theme; what it finds is told at the end, all at once."""
    findings: list[str] = []

    def judge(name: str) -> None:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for theme, rules in THEMES.items():
                page.emulate_media(color_scheme=theme)
                findings.extend(f"{name}, {width} px, {theme}: {each}" for each in find_breaches(page, *rules))
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                findings.append(f"{name}, {width} px: scrolls sideways")
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.emulate_media(color_scheme="light")

    yield judge
    assert not findings, "\n".join(findings)


def test_every_page_in_every_width_and_theme(
    page: Page, judge: Callable[[str], None], season: Refund, grace: Any, linnea: Any, paid_order: Order
) -> None:
    page.goto("/login/")
    judge("login")
    sign_in(page, grace)
    judge("orders")
    open_refund(page, row_of(page, paid_order), "25.00")
    judge("refund panel")
    addresses = {
        "order": f"/orders/{paid_order.reference}/",
        "order being verified": f"/orders/{season.order.reference}/",
        "refund form": f"/orders/{paid_order.reference}/refunds/new/",
        "credits": "/credits/",
        "attendee": f"/attendees/{linnea.pk}/",
        "overview": "/overview/?period=all",
        "refunds": "/refunds/",
        "refund": f"/refunds/{season.pk}/",
        "not found": "/orders/ORD-NONE/",
    }
    for name, address in addresses.items():
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        judge(name)


def test_the_page_that_says_no(page: Page, judge: Callable[[str], None], linus: Any, paid_order: Order) -> None:
    sign_in(page, linus)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your role does not allow this")
    judge("not allowed")
