"""Walks every address as a stranger, as each role, and as a colleague from another conference."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from dashboard.urls import urlpatterns
from registration.models import (
    ComparisonRun,
    Conference,
    Credit,
    Difference,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundPart,
    StripeEvent,
)
from tests.cast import client_of, make_credit, make_order, make_staff

OPEN_TO_ALL = {"login", "logout", "theme_set", "language_set", "healthz", "readyz", "favicon", "stripe_webhook"}
POST_ONLY = {
    "order_selection",
    "refund_preview",
    "refund_check",
    "refund_undo",
    "part_cancel",
    "refund_send",
    "refund_withdraw",
    "attention_settle",
    "event_replay",
    "event_retry",
    "rejections_forget",
    "webhook_secret_end",
    "comparison_start",
    "comparison_repair",
    "difference_repair",
    "note_create",
    "conference_switch",
    "keys_set",
    "logout",
    "theme_set",
    "language_set",
}
ALL = {"Finance", "Support", "Viewer", "Administrator"}
SETTLE, FINANCE, EVENTS = {"Finance", "Support"}, {"Finance"}, {"Finance", "Administrator"}
MAY = {
    "home": ALL,
    "order_list": ALL,
    "changes": ALL,
    "order_menu": ALL,
    "order_why_not": ALL,
    "order_detail": ALL,
    "order_row": ALL,
    "order_lines": SETTLE,
    "order_export": FINANCE,
    "order_history_export": FINANCE,
    "ledger_export": FINANCE,
    "order_selection": FINANCE,
    "refund_create": SETTLE,
    "refund_preview": SETTLE,
    "credit_apply": SETTLE,
    "note_create": SETTLE,
    "refund_list": ALL,
    "refund_export": FINANCE,
    "credit_export": FINANCE,
    "refund_detail": ALL,
    "refund_check": SETTLE,
    "refund_undo": SETTLE,
    "refund_send": SETTLE,
    "refund_withdraw": SETTLE,
    "refund_decide": FINANCE,
    "manual_confirm": SETTLE,
    "part_cancel": SETTLE,
    "attention_list": ALL,
    "attention_item": ALL,
    "attention_settle": SETTLE,
    "event_list": EVENTS,
    "event_detail": EVENTS,
    "event_replay": EVENTS,
    "event_retry": EVENTS,
    "rejections_forget": EVENTS,
    "webhook_secret": {"Administrator"},
    "webhook_secret_end": {"Administrator"},
    "books": FINANCE,
    "books_export": FINANCE,
    "books_movements": FINANCE,
    "order_account": FINANCE,
    "order_account_export": FINANCE,
    "comparison": FINANCE,
    "comparison_start": FINANCE,
    "comparison_progress": FINANCE,
    "comparison_repair": FINANCE,
    "difference_repair": FINANCE,
    "credit_list": ALL,
    "credit_detail": ALL,
    "credit_issue": FINANCE,
    "credit_adjust": FINANCE,
    "credit_extend": FINANCE,
    "credit_void": FINANCE,
    "attendee_detail": ALL,
    "attendee_search": ALL,
    "overview": FINANCE,
    "conference_switch": ALL,
    "keys_set": ALL,
}
"""Which roles each page of the desk answers to; a new address has to be entered here."""


@dataclass
class Things:
    """One of each, all at one conference."""

    order: Order
    credit: Credit
    refund: Refund
    part: RefundPart
    item: OpenItem
    event: StripeEvent
    difference: Difference

    def url(self, name: str) -> str:
        """The address of a page about these."""
        by_name: dict[str, list[Any]] = {
            "refund_detail": [self.refund.pk],
            "refund_check": [self.refund.pk],
            "refund_undo": [self.refund.pk],
            "refund_send": [self.refund.pk],
            "refund_withdraw": [self.refund.pk],
            "refund_decide": [self.refund.pk],
            "manual_confirm": [self.part.pk],
            "part_cancel": [self.part.pk],
            "attention_item": [self.item.pk],
            "attention_settle": [self.item.pk],
            "event_detail": [self.event.pk],
            "event_replay": [self.event.pk],
            "difference_repair": [self.difference.pk],
            "conference_switch": [self.order.conference.slug],
            "stripe_webhook": [self.order.conference.slug],
        }
        if name in by_name:
            return reverse(name, args=by_name[name])
        if name in ("attendee_detail", "credit_issue", "ledger_export"):
            return reverse(name, args=[self.order.user_id])
        if name in ("credit_detail", "credit_adjust", "credit_extend", "credit_void"):
            return reverse(name, args=[self.credit.pk])
        takes_reference = name in {p.name for p in named_patterns() if "<str:reference>" in str(p.pattern)}
        return reverse(name, args=[self.order.reference] if takes_reference else [])


def named_patterns() -> Iterator[URLPattern]:
    return (pattern for pattern in urlpatterns if isinstance(pattern, URLPattern) and pattern.name)


def make_things(conference: Conference, user: Any) -> Things:
    order = make_order(conference, user, paid="80.00")
    refund = Refund.objects.create(order=order, amount="10.00", state=Refund.State.SUCCEEDED)
    part = RefundPart.objects.create(
        refund=refund,
        payment=order.payments.get(method=Payment.Method.STRIPE),
        channel=RefundPart.Channel.MANUAL,
        amount="10.00",
        state=Refund.State.SUCCEEDED,
    )
    item = OpenItem.objects.create(conference=conference, order=order, kind=OpenItem.Kind.EXTERNAL, subject="re_1")
    event = StripeEvent.objects.create(conference=conference, event_id="evt_1", type="plan.created", payload={})
    run = ComparisonRun.objects.create(conference=conference, until=timezone.now(), state=ComparisonRun.State.FINISHED)
    difference = Difference.objects.create(run=run, subject="refund:re_1", state=Difference.State.GONE)
    return Things(order, make_credit(conference, user, "20.00"), refund, part, item, event, difference)


def visit(client: Client, things: Things, name: str) -> Any:
    ask = client.post if name in POST_ONLY else client.get
    return ask(things.url(name))


@pytest.fixture
def things(conference: Conference, ada: Any) -> Things:
    return make_things(conference, ada)


def test_every_address_has_a_rule() -> None:
    assert {pattern.name for pattern in named_patterns()} == OPEN_TO_ALL | set(MAY)


@pytest.mark.parametrize("name", sorted(MAY))
def test_a_stranger_is_sent_to_sign_in(client: Client, things: Things, name: str) -> None:
    response = visit(client, things, name)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("role", sorted(ALL))
def test_each_role_may_what_its_work_needs_and_no_more(conference: Conference, things: Things, role: str) -> None:
    client = client_of(make_staff("walker", role, conference))
    refused = {name for name in MAY if visit(client, things, name).status_code == 403}
    assert refused == {name for name, roles in MAY.items() if role not in roles}


def test_a_refusal_says_who_one_is_and_that_nothing_was_changed(linus_client: Client, things: Things) -> None:
    page = linus_client.get(things.url("refund_create")).content.decode()
    assert "Your role does not allow this" in page
    assert "You are signed in as Linus Pauling, Viewer. Nothing was changed." in page
    assert "You can find orders and read what happened to them and look up credit." in page


ABOUT_MANY = {
    "order_list",
    "changes",
    "order_export",
    "order_selection",
    "refund_list",
    "refund_export",
    "credit_export",
    "credit_list",
    "attention_list",
    "event_list",
    "event_retry",
    "rejections_forget",
    "webhook_secret",
    "webhook_secret_end",
    "books",
    "books_export",
    "books_movements",
    "comparison",
    "comparison_start",
    "comparison_progress",
    "comparison_repair",
    "overview",
}
ABOUT_ONE = sorted(set(MAY) - ABOUT_MANY - {"home", "attendee_search", "keys_set"})


@pytest.mark.parametrize("name", ABOUT_ONE)
def test_what_belongs_to_another_conference_is_not_there(
    conference: Conference, other_conference: Conference, ada: Any, name: str
) -> None:
    foreign = make_things(other_conference, ada)
    client = client_of(make_staff("walker", "Finance", conference))
    assert visit(client, foreign, name).status_code == 404


def test_lists_never_name_another_conference(
    grace_client: Client, things: Things, other_conference: Conference, ada: Any
) -> None:
    foreign = make_things(other_conference, ada)
    for name in ("order_list", "refund_list", "credit_list"):
        page = grace_client.get(reverse(name)).content.decode()
        assert foreign.order.reference not in page


def test_a_colleague_without_a_role_may_nothing(conference: Conference, things: Things) -> None:
    walker = make_staff("walker", "Viewer", conference)
    walker.groups.clear()
    client = client_of(walker)
    free = {"home", "conference_switch", "keys_set"}
    assert {name for name in MAY if visit(client, things, name).status_code != 403} == free


def test_a_refusal_names_the_roles_that_may_and_leads_back(linus_client: Client, things: Things) -> None:
    page = linus_client.get(things.url("refund_create")).content.decode()

    assert "This needs the role Support or Finance." in page
    assert f"Back to {things.order.reference}" in page
    assert f'<a href="{reverse("order_detail", args=[things.order.reference])}">' in page
    assert "This needs the role Finance." in linus_client.get("/overview/").content.decode()


def test_the_file_of_a_ledger_needs_the_right_to_see_credit(conference: Conference, things: Things) -> None:
    walker = make_staff("walker", "Viewer", conference)
    walker.groups.clear()
    walker.user_permissions.add(Permission.objects.get(codename="export_orders"))

    assert visit(client_of(walker), things, "ledger_export").status_code == 403
