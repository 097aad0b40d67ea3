"""Finding an attendee, and the page of what they hold."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.credits import panels as credit_panels
from registration.models import Conference, Membership, Order
from registration.services.refund import RefundService
from tests.cast import HTMX, make_conference, make_credit, make_order, make_user
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db


def search(client: Client, text: str) -> str:
    return text_of(client.get(reverse("attendee_search"), {"q": text}, headers=HTMX))


def page(client: Client, attendee: Any, **query: str) -> str:
    return text_of(client.get(reverse("attendee_detail", args=[attendee.pk]), query))


def test_the_navigation_shows_that_an_attendee_belongs_to_credits(linus_client: Client, order: Order, ada: Any) -> None:
    assert '<a href="/credits/" aria-current="page"' in page(linus_client, ada)


@pytest.mark.parametrize("text", ["lo", "ADA", "ada love", "love ada", "ada@exa", "example"])
def test_search_finds_beginnings_of_name_and_email(text: str, linus_client: Client, order: Order, ada: Any) -> None:
    assert f'data-href="{reverse("attendee_detail", args=[ada.pk])}"' in search(linus_client, text)


@pytest.mark.parametrize("text", ["", "a", "velace", "ada turing"])
def test_search_finds_nothing_in_the_middle_or_for_one_letter(text: str, linus_client: Client, order: Order) -> None:
    assert "data-href" not in search(linus_client, text)


def test_search_shows_what_is_available(linus_client: Client, conference: Conference, ada: Any, order: Order) -> None:
    assert "No credit" in search(linus_client, "ada")
    make_credit(conference, ada, "45.00")
    make_credit(conference, ada, "100.00")

    assert "€145.00" in search(linus_client, "ada")


def test_search_finds_accents_without_typing_them(linus_client: Client, conference: Conference) -> None:
    zoe = make_user("zoe", "Müller")
    make_order(conference, zoe, paid="10.00")

    assert "<mark>Mülle</mark>r" in search(linus_client, "mulle")


def test_search_stays_at_the_conference(linus_client: Client, other_conference: Conference, ada: Any) -> None:
    make_order(other_conference, ada, paid="10.00")

    assert "Nobody found" in search(linus_client, "ada")


def test_search_answers_whoever_holds_credit_without_an_order(
    linus_client: Client, conference: Conference, ada: Any
) -> None:
    make_credit(conference, ada, "10.00")

    assert "data-href" in search(linus_client, "love")


def test_search_works_as_a_plain_form(linus_client: Client, order: Order, ada: Any) -> None:
    text = text_of(linus_client.get(reverse("credit_list"), {"q": "lov"}))

    assert f'<a href="{reverse("attendee_detail", args=[ada.pk])}"' in text
    assert 'value="lov"' in text


def test_search_escapes_what_was_typed_and_what_is_stored(linus_client: Client, conference: Conference) -> None:
    mallory = make_user("mallory", "<script>alert")
    make_order(conference, mallory, paid="10.00")

    assert "<script>" not in search(linus_client, "<script>alert")
    assert "<script>" not in search(linus_client, "mal")


def test_attendee_shows_balance_credits_and_ledger(
    linus_client: Client, grace: Any, conference: Conference, ada: Any, pending_order: Order
) -> None:
    spent = make_credit(conference, ada, "90.00")
    RefundService.apply_credits([spent], pending_order, staff_user=grace)
    soon = make_credit(conference, ada, "65.00", expires_at=timezone.now() + timedelta(days=22, hours=1))
    make_credit(conference, ada, "30.00", expires_at=timezone.now() - timedelta(days=1))

    text = page(linus_client, ada)

    assert "€105.00 <small>available of €185.00 issued" in text
    assert "Used €50.00" in text
    assert "Expired €30.00" in text
    assert "€65.00 expires on" in text
    assert f"Issued as {soon.number}" in text
    assert f"Applied to {pending_order.reference}" in text
    assert f"From {spent.number}" in text
    assert "−€50.00" in text
    assert "Grace Hopper" in text


def test_running_balance_ends_at_what_all_credits_hold(
    linus_client: Client, grace: Any, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "90.00")
    RefundService.apply_credits([credit], pending_order, staff_user=grace)

    response = linus_client.get(reverse("attendee_detail", args=[ada.pk]))

    assert [row["balance"] for row in response.context["ledger"]] == ["€40.00", "€90.00"]


def test_pending_orders_are_offered_with_their_hold(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "20.00")
    held_until = timezone.now() + timedelta(hours=2, minutes=14, seconds=30)
    Order.objects.filter(pk=pending_order.pk).update(hold_expires_at=held_until)
    lapsed = make_order(conference, ada, total="70.00", hold_expires_at=timezone.now() - timedelta(minutes=1))

    response = sam_client.get(reverse("attendee_detail", args=[ada.pk]))

    text = text_of(response)
    assert "Held for 2 h 14 min" in text
    assert f'href="{reverse("credit_apply", args=[pending_order.reference])}"' in text
    assert [row["order"] for row in response.context["pending"]] == [pending_order]
    assert lapsed.reference in text


def test_a_viewer_is_offered_nothing_to_press(
    linus_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "20.00")

    text = page(linus_client, ada)

    assert "Apply credit…" not in text
    assert "Issue credit…" not in text


def test_support_applies_but_does_not_issue(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "20.00")

    text = page(sam_client, ada)

    assert "Apply credit…" in text
    assert "Issue credit…" not in text


def test_an_attendee_without_anything_here_does_not_exist(
    linus_client: Client, other_conference: Conference, ada: Any
) -> None:
    make_credit(other_conference, ada, "20.00")

    assert linus_client.get(reverse("attendee_detail", args=[ada.pk])).status_code == 404
    assert linus_client.get(reverse("attendee_detail", args=[2**63])).status_code == 404


def test_each_conference_has_its_own_statement(linus_client: Client, linus: Any, order: Order, ada: Any) -> None:
    second = make_conference("pyday", "USD")
    Membership.objects.create(user=linus, conference=second)
    make_credit(second, ada, "33.00")

    assert "$33.00" in page(linus_client, ada, conference="pyday")
    assert "$33.00" not in page(linus_client, ada, conference="djangocon")
    assert 'href="?conference=pyday"' in page(linus_client, ada)


def test_a_conference_that_may_not_be_seen_does_not_exist(
    linus_client: Client, other_conference: Conference, order: Order, ada: Any
) -> None:
    url = reverse("attendee_detail", args=[ada.pk])

    assert linus_client.get(url, {"conference": other_conference.slug}).status_code == 404


def test_page_costs_the_same_for_many_credits(
    linus_client: Client, conference: Conference, ada: Any, order: Order, django_assert_max_num_queries: Any
) -> None:
    for _number in range(15):
        make_credit(conference, ada, "10.00", source_order=order)

    with django_assert_max_num_queries(24):
        page(linus_client, ada)


def test_many_credits_and_movements_page(
    linus_client: Client, conference: Conference, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credit_panels, "PAGE", 2)
    for amount in ("10.00", "20.00", "30.00", "40.00", "50.00"):
        make_credit(conference, ada, amount)
    url = reverse("attendee_detail", args=[ada.pk])

    first = linus_client.get(url).context
    assert [row["amount"] for row in first["credits"]] == ["50.00", "40.00"]
    assert [row["balance"] for row in first["ledger"]] == ["€150.00", "€100.00"]

    second = linus_client.get(url + first["older_moves"].partition("#")[0]).context
    assert [row["balance"] for row in second["ledger"]] == ["€60.00", "€30.00"]
    assert [row["amount"] for row in second["credits"]] == ["50.00", "40.00"]

    last = linus_client.get(url, {"credits": "4", "ledger": "4"}).context
    assert [row["amount"] for row in last["credits"]] == ["10.00"]
    assert (last["older_credits"], last["older_moves"]) == ("", "")
    assert len(linus_client.get(url, {"credits": "x", "ledger": "-1"}).context["credits"]) == 2
