"""Undo in time, or the tab closed and the worker sends; one person proposes and another approves."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from registration.models import Conference, Order, Refund
from tests.browser.steps import (
    expect_refunds_at_stripe,
    expect_row,
    expect_stayed,
    open_refund,
    row_of,
    sign_in,
    stay,
)
from tests.registration.books import assert_books_agree

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def seconds(conference: Conference, number: int) -> None:
    conference.undo_seconds = number
    conference.save()


def send(page: Page, order: Order, amount: str = "25.00") -> None:
    panel = open_refund(page, row_of(page, order), amount)
    panel.get_by_role("button", name=f"Refund €{amount}").click()
    expect(page.locator(".toast[data-hold]")).to_contain_text(f"€{amount} is about to be sent")


def test_undo_in_time(
    page: Page,
    sandbox: "SandboxServer",
    conference: Conference,
    sam: Any,
    paid_order: Order,
    assert_accessible: Callable[[Page], None],
) -> None:
    seconds(conference, 60)
    sign_in(page, sam)
    stay(page)
    send(page, paid_order)
    row = row_of(page, paid_order)
    expect_row(row, left="95.00", status="25.00 about to be sent")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row.get_by_role("link", name=paid_order.reference, exact=True)).to_be_focused()
    assert_accessible(page)
    counted = page.locator(".toast [data-seconds]")
    expect(counted).not_to_have_text("60")

    page.locator(".toast[data-hold]").get_by_role("button", name="Undo").click()

    expect(page.locator("#toasts")).to_contain_text("was taken back")
    expect(page.locator(".toast[data-hold]")).to_have_count(0)
    expect_row(row, left="120.00", refunded="0.00", status="Paid")
    expect(row.get_by_role("link", name="Refund")).to_be_visible()
    expect_stayed(page)
    expect_refunds_at_stripe(sandbox, paid_order)
    assert_books_agree()


@pytest.mark.parametrize("place", ["the list", "the refund's page"])
def test_the_end_of_the_seconds_leads_nobody_elsewhere(
    page: Page, conference: Conference, sam: Any, paid_order: Order, place: str
) -> None:
    seconds(conference, 4)
    sign_in(page, sam)
    send(page, paid_order)
    refund = paid_order.refunds.get()
    if place == "the refund's page":
        page.goto(f"/refunds/{refund.pk}/")
    page.route("**/credits/", lambda route: (page.wait_for_timeout(5_000), route.continue_()))

    page.get_by_role("navigation").get_by_role("link", name="Credits").first.click(no_wait_after=True)

    page.wait_for_url("**/credits/", timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Credits")


def test_undo_with_the_row_by_keyboard(
    page: Page, sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order
) -> None:
    seconds(conference, 60)
    sign_in(page, sam)
    send(page, paid_order)
    undo = row_of(page, paid_order).get_by_role("link", name="Undo")

    undo.focus()
    page.keyboard.press("Enter")

    expect_row(row_of(page, paid_order), left="120.00", status="Paid")
    expect(page.locator(".toast[data-hold]")).to_have_count(0)
    expect_refunds_at_stripe(sandbox, paid_order)


def test_the_open_page_sends_when_the_seconds_are_over(
    page: Page, sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order
) -> None:
    seconds(conference, 2)
    sign_in(page, sam)
    send(page, paid_order)
    page.get_by_role("searchbox", name="Search orders").focus()

    expect(page.locator("#toasts")).to_contain_text("€25.00 refund sent to Stripe", timeout=15_000)

    expect_row(row_of(page, paid_order), refunded="25.00", left="95.00", status="Partially refunded")
    expect(page.locator(".toast[data-hold]")).to_have_count(0)
    expect(page.get_by_role("searchbox", name="Search orders")).to_be_focused()
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_whoever_works_on_the_next_refund_is_left_alone_when_the_first_is_sent(
    page: Page, sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order, crowd: list[Order]
) -> None:
    seconds(conference, 4)
    sign_in(page, sam)
    send(page, paid_order)
    panel = open_refund(page, row_of(page, crowd[0]), "10.00")
    panel.get_by_label("Internal note").fill("Half of a sent")

    expect_row(row_of(page, paid_order), refunded="25.00", status="Partially refunded")

    expect(panel.get_by_label("Internal note")).to_be_focused()
    expect(panel.get_by_label("Internal note")).to_have_value("Half of a sent")
    expect(panel.get_by_label("Custom amount")).to_have_value("10.00")
    expect(page.locator(".toast[data-hold]")).to_have_count(0)
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_another_page_of_the_desk_goes_on_counting(
    page: Page, sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order
) -> None:
    seconds(conference, 5)
    sign_in(page, sam)
    send(page, paid_order)

    page.goto(f"/orders/{paid_order.reference}/")

    expect(page.locator(".toast[data-hold]")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("€25.00 refund sent to Stripe", timeout=15_000)
    expect(page.locator("#order-refunds")).to_contain_text("Sent to the attendee's bank")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_on_a_phone_the_toast_steps_aside_for_who_types(
    page: Page, grace: Any, paid_order: Order, conference: Conference
) -> None:
    seconds(conference, 60)
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, grace)
    send(page, paid_order)
    page.goto(f"/orders/{paid_order.reference}/")
    toasts, note = page.locator("#toasts"), page.locator("#id_note")
    note.evaluate("note => scrollTo(0, note.getBoundingClientRect().bottom + scrollY - innerHeight + 80)")
    assert covers(toasts, note)

    note.focus()
    note.press_sequentially("Called")

    assert not covers(toasts, note)
    expect(toasts.get_by_role("button", name="Undo")).to_be_in_viewport()


def test_on_a_phone_the_toast_covers_neither_the_form_nor_what_submits_it(
    page: Page, grace: Any, paid_order: Order, crowd: list[Order], conference: Conference
) -> None:
    seconds(conference, 60)
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, grace)
    send(page, paid_order)
    page.goto(f"/orders/{crowd[0].reference}/refunds/new/")
    toasts, note, bar = page.locator("#toasts"), page.get_by_label("Internal note"), page.locator(".drawer-foot")

    for height in (844, 520):
        page.set_viewport_size({"width": 390, "height": height})
        note.focus()
        assert not covers(toasts, note)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(bar.get_by_role("button", name="Refund")).to_be_in_viewport()
        assert not covers(toasts, bar)
        expect(toasts.get_by_role("button", name="Undo")).to_be_in_viewport()


def test_in_the_panel_a_toast_has_a_row_of_its_own(
    page: Page, sam: Any, paid_order: Order, complaints: list[str]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    note, bar, toasts = panel.get_by_label("Internal note"), panel.locator(".drawer-foot"), page.locator("#toasts")
    note.focus()
    page.route("**/refunds/new/", lambda route: route.fulfill(status=503))

    page.keyboard.press("Control+Enter")
    expect(panel.locator(".toast")).to_be_visible()
    complaints.clear()

    for height in (844, 620):
        page.set_viewport_size({"width": 390, "height": height})
        for each in (note, panel.get_by_label("Custom amount"), panel.get_by_role("radio", name="Custom")):
            each.focus()
            assert not covers(toasts, each)
            assert not covers(toasts, bar)
        expect(bar.get_by_role("button", name="Refund")).to_be_in_viewport()
        expect(toasts).to_be_in_viewport()


def test_a_toast_steps_aside_when_the_window_is_made_smaller(page: Page, grace: Any, paid_order: Order) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, grace)
    page.goto(f"/orders/{paid_order.reference}/")
    toasts, note = page.locator("#toasts"), page.locator("#id_note")
    note.evaluate("note => scrollTo(0, note.getBoundingClientRect().top + scrollY - 300)")
    note.focus()
    # One that counts no seconds: nothing but the window changes.
    page.evaluate("document.dispatchEvent(new Event('key:unused'))")
    expect(toasts.locator(".toast")).to_be_visible()
    assert not covers(toasts, note)
    below = note.evaluate("note => note.getBoundingClientRect().bottom")

    page.set_viewport_size({"width": 390, "height": int(below) + 90})

    expect(toasts).to_have_attribute("data-aside", "")
    assert not covers(toasts, note)


def covers(over: Locator, under: Locator) -> bool:
    """Whether one lies over a part of the other; both are as wide as the page."""
    first, second = over.bounding_box(), under.bounding_box()
    assert first is not None
    assert second is not None
    return first["y"] < second["y"] + second["height"] and second["y"] < first["y"] + first["height"]


def test_the_tab_is_closed_and_the_worker_sends(
    page: Page, sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order
) -> None:
    seconds(conference, 60)
    sign_in(page, sam)
    send(page, paid_order)
    page.close()
    call_command("run_worker", once=True)
    expect_refunds_at_stripe(sandbox, paid_order)

    Refund.objects.update(hold_until=timezone.now() - timedelta(seconds=5))
    call_command("run_worker", once=True)

    expect_refunds_at_stripe(sandbox, paid_order, 2500)
    assert paid_order.refunds.get().state == Refund.State.SUCCEEDED
    assert_books_agree()


def test_undo_without_a_script(
    open_page: Callable[..., Page], sandbox: "SandboxServer", conference: Conference, sam: Any, paid_order: Order
) -> None:
    seconds(conference, 60)
    page = open_page(java_script_enabled=False)
    sign_in(page, sam)
    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    page.get_by_role("button", name="Refund").click()
    main = page.get_by_role("main")
    expect(main.get_by_role("button", name="Send now")).to_be_visible()

    main.get_by_role("button", name="Undo").click()

    expect(main).to_contain_text("The refund was undone")
    expect_refunds_at_stripe(sandbox, paid_order)


def test_one_proposes_and_another_approves(
    open_page: Callable[..., Page],
    sandbox: "SandboxServer",
    conference: Conference,
    sam: Any,
    grace: Any,
    paid_order: Order,
    assert_accessible: Callable[[Page], None],
) -> None:
    conference.support_refund_limit = Decimal("20.00")
    conference.save()
    support, finance = open_page(), open_page()
    sign_in(support, sam)
    row = row_of(support, paid_order)
    row.get_by_role("link", name="Refund").click()
    panel = support.get_by_role("dialog")
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill("25")
    expect(panel.locator("#preview")).to_contain_text("A second person decides")
    panel.get_by_role("button", name="Propose €25.00").click()
    expect(support.locator("#toasts")).to_contain_text("€25.00 waits for approval")
    expect_row(row, left="95.00", status="25.00 waits for approval")
    support.get_by_role("searchbox", name="Search orders").focus()
    expect_refunds_at_stripe(sandbox, paid_order)

    sign_in(finance, grace)
    finance.goto("/attention/")
    finance.get_by_role("link", name="Decide…").click()
    drawer = finance.get_by_role("dialog")
    expect(drawer).to_contain_text("Sam Gamgee")
    expect(drawer.locator("#preview")).to_contain_text("€25.00 on Visa ending 4242")
    assert_accessible(finance)
    drawer.get_by_role("button", name="Approve €25.00").click()

    expect(finance.locator("#toasts")).to_contain_text("€25.00 refund sent to Stripe")
    expect(finance.get_by_role("main")).to_contain_text("All is well")
    expect_row(row, refunded="25.00", left="95.00", status="Partially refunded")  # Without a reload.
    expect_refunds_at_stripe(sandbox, paid_order, 2500)
    assert_books_agree()


def test_the_preview_follows_every_keystroke_and_keeps_the_focus(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "1.00")
    field = panel.get_by_label("Custom amount")
    field.fill("")

    for typed, shown in (("2", "2.00"), ("5", "25.00"), (".5", "25.50"), ("1", "25.51")):
        field.press_sequentially(typed)
        expect(panel.get_by_role("button", name=f"Refund €{shown}")).to_be_visible()
        expect(panel.locator("#preview")).to_contain_text(f"€{shown} on Visa ending 4242")
        expect(field).to_be_focused()
    field.press_sequentially("1")  # Three places: no euro has them.
    expect(panel.locator("#preview")).to_contain_text("25.511 can be read in two ways")
    expect(field).to_have_value("25.511")
