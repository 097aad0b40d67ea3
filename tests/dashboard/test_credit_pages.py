"""The list of credits, one credit, and correcting or withdrawing it."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference, Credit, Order
from registration.services.credit import CreditService
from registration.services.refund import RefundService
from tests.cast import HTMX, make_credit
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def credit(conference: Conference, ada: Any) -> Credit:
    """Ada's credit of 80.00."""
    return make_credit(conference, ada, "80.00", note="Late visa letter")


def from_credit(credit: Credit) -> dict[str, str]:
    return HTMX | {"HX-Current-URL": f"http://testserver{reverse('credit_detail', args=[credit.pk])}"}


def adjust(client: Client, credit: Credit, **given: str) -> Any:
    data = {"direction": "more", "amount": "5", "reason": "Miscounted", "left_seen": str(credit.remaining_amount)}
    return client.post(reverse("credit_adjust", args=[credit.pk]), data | given, headers=from_credit(credit))


def test_list_shows_the_latest_credits_with_their_state(linus_client: Client, credit: Credit) -> None:
    text = text_of(linus_client.get(reverse("credit_list")))

    assert "<h1>Credits</h1>" in text
    assert credit.number in text
    assert "Available" in text
    assert 'role="combobox"' in text


def test_list_of_one_state_is_a_piece_for_htmx(linus_client: Client, conference: Conference, ada: Any) -> None:
    kept, gone = make_credit(conference, ada, "10.00"), make_credit(conference, ada, "20.00")
    CreditService.void(gone, reason="Typo", staff_user=ada)

    text = text_of(linus_client.get(reverse("credit_list"), {"state": "voided"}, headers=HTMX))

    assert "<html" not in text
    assert 'id="credits"' in text
    assert gone.number in text
    assert kept.number not in text


@pytest.mark.parametrize("state", ["", "available", "expiring", "used", "expired", "voided", "paid_out", "nonsense"])
def test_every_state_can_be_listed(state: str, linus_client: Client, credit: Credit) -> None:
    assert linus_client.get(reverse("credit_list"), {"state": state}).status_code == 200


def test_notes_of_card_refunds_are_listed_apart(linus_client: Client, conference: Conference, ada: Any) -> None:
    note = make_credit(conference, ada, "9.00", remaining_amount=Decimal("0.00"), status=Credit.Status.PAID_OUT)

    assert note.number not in text_of(linus_client.get(reverse("credit_list")))
    assert note.number in text_of(linus_client.get(reverse("credit_list"), {"state": "paid_out"}))


def test_expiring_soon_lists_the_next_thirty_days(linus_client: Client, conference: Conference, ada: Any) -> None:
    now = timezone.now()
    soon = make_credit(conference, ada, "10.00", expires_at=now + timedelta(days=20))
    later = make_credit(conference, ada, "10.00", expires_at=now + timedelta(days=40))

    text = text_of(linus_client.get(reverse("credit_list"), {"state": "expiring"}))

    assert soon.number in text
    assert "20 d" in text
    assert later.number not in text


def test_expiring_soon_says_how_much_and_of_how_many(
    linus_client: Client, conference: Conference, ada: Any, grace: Any
) -> None:
    now = timezone.now()
    for user, days in ((ada, 5), (ada, 20), (grace, 29), (grace, 40)):
        make_credit(conference, user, "10.50", expires_at=now + timedelta(days=days))

    assert "€31.50 held by 2 attendees" in text_of(linus_client.get(reverse("credit_list"), {"state": "expiring"}))


def test_list_pages_by_key(linus_client: Client, conference: Conference, ada: Any) -> None:
    credits = [make_credit(conference, ada, "10.00") for _number in range(27)]

    first = linus_client.get(reverse("credit_list"))
    second = linus_client.get(first.context["older_url"])

    assert credits[-1].number in text_of(first)
    assert credits[0].number not in text_of(first)
    assert credits[0].number in text_of(second)
    assert linus_client.get(second.context["newer_url"]).context["credits"][0]["credit"] == credits[-1]


def test_list_costs_the_same_for_many(
    linus_client: Client, conference: Conference, ada: Any, django_assert_max_num_queries: Any
) -> None:
    for _number in range(20):
        make_credit(conference, ada, "10.00")

    with django_assert_max_num_queries(14):
        linus_client.get(reverse("credit_list"))


def test_credits_of_other_conferences_stay_out(linus_client: Client, other_conference: Conference, ada: Any) -> None:
    foreign = make_credit(other_conference, ada, "33.00")

    assert foreign.number not in text_of(linus_client.get(reverse("credit_list")))
    assert linus_client.get(reverse("credit_detail", args=[foreign.pk])).status_code == 404


def test_credit_shows_every_movement_with_its_balance(
    linus_client: Client, grace: Any, credit: Credit, pending_order: Order
) -> None:
    RefundService.apply_credits([credit], pending_order, staff_user=grace)
    CreditService.adjust(credit, amount=Decimal("-5.00"), reason="Miscounted", staff_user=grace)

    text = text_of(linus_client.get(reverse("credit_detail", args=[credit.pk])))

    assert "€25.00 <small>left of €80.00 issued" in text
    assert f"Applied to {pending_order.reference}" in text
    assert "−€50.00" in text
    assert "€30.00" in text
    assert "Miscounted" in text
    assert "Grace Hopper" in text
    assert "Partly used" in text
    assert "Adjust…" not in text


def test_adjusting_adds_to_the_ledger_and_swaps_the_credit(grace_client: Client, grace: Any, credit: Credit) -> None:
    response = adjust(grace_client, credit, direction="less", amount="30,00")

    text = text_of(response)
    assert f'id="credit-{credit.pk}" hx-swap-oob="true"' in text
    assert f"{credit.number} adjusted" in text
    assert json.loads(response.headers["HX-Trigger-After-Settle"]) == {"refund:done": {"row": f"credit-{credit.pk}"}}
    entry = credit.entries.get(kind="ADJUSTED")
    assert (entry.amount, entry.reason, entry.actor) == (Decimal("-30.00"), "Miscounted", grace)


def test_adjusting_up_from_the_page_returns_to_it(grace_client: Client, credit: Credit) -> None:
    data = {"direction": "more", "amount": "5", "reason": "Miscounted", "left_seen": "80.00"}

    response = grace_client.post(reverse("credit_adjust", args=[credit.pk]), data, follow=True)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("85.00")
    assert "€85.00 is left now." in text_of(response)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"reason": " "}, "Enter a reason."),
        ({"amount": "nothing"}, "Enter an amount like 12.50."),
        ({"direction": ""}, "Say whether to add or to take off."),
        ({"direction": "less", "amount": "80.01"}, "There is less left"),
    ],
)
def test_an_adjustment_that_cannot_be_changes_nothing(
    given: dict[str, str], sentence: str, grace_client: Client, credit: Credit
) -> None:
    response = adjust(grace_client, credit, **given)

    assert response.status_code == 422
    assert sentence in text_of(response)
    assert credit.entries.count() == 1


def test_the_adjustment_is_shown_before_it_is_made(grace_client: Client, credit: Credit) -> None:
    text = text_of(adjust(grace_client, credit, direction="less", amount="30", reason="", preview="1"))

    assert "€80.00" in text
    assert "€50.00" in text
    assert "Take off €30.00" in text
    assert credit.entries.count() == 1


def test_extending_keeps_the_amount_and_moves_the_day(grace_client: Client, conference: Conference, ada: Any) -> None:
    credit = make_credit(conference, ada, "80.00", expires_at=timezone.now() + timedelta(days=2))
    day = timezone.localdate() + timedelta(days=60)

    response = grace_client.post(
        reverse("credit_extend", args=[credit.pk]),
        {"expires_on": day.isoformat(), "reason": "Talk moved to autumn"},
        headers=from_credit(credit),
    )

    credit.refresh_from_db()
    assert credit.expires_at is not None
    assert credit.expires_at.date() == day
    assert credit.remaining_amount == Decimal("80.00")
    assert f"{credit.number} extended" in text_of(response)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"expires_on": "2020-01-01", "reason": "x"}, "Choose today or a later day."),
        ({"expires_on": "2999-01-01", "reason": ""}, "Enter a reason."),
    ],
)
def test_an_extension_that_cannot_be_changes_nothing(
    given: dict[str, str], sentence: str, grace_client: Client, conference: Conference, ada: Any
) -> None:
    ends = timezone.now() + timedelta(days=2)
    credit = make_credit(conference, ada, "80.00", expires_at=ends)

    response = grace_client.post(reverse("credit_extend", args=[credit.pk]), given, headers=HTMX)

    credit.refresh_from_db()
    assert response.status_code == 422
    assert sentence in text_of(response)
    assert credit.expires_at == ends


def test_a_form_sent_twice_adjusts_once(grace_client: Client, credit: Credit) -> None:
    adjust(grace_client, credit)

    again = adjust(grace_client, credit)

    assert again.status_code == 409
    assert "€85.00 is left now" in text_of(again)
    assert credit.entries.filter(kind="ADJUSTED").count() == 1


def test_voiding_takes_what_is_left_and_says_how_much(grace_client: Client, grace: Any, credit: Credit) -> None:
    url = reverse("credit_void", args=[credit.pk])
    assert "Void €80.00" in text_of(grace_client.get(url, headers=HTMX))

    response = grace_client.post(url, {"reason": "Issued twice"}, headers=from_credit(credit))

    credit.refresh_from_db()
    assert (credit.status, credit.remaining_amount) == (Credit.Status.VOIDED, Decimal("0.00"))
    assert "€80.00 was withdrawn." in text_of(response)
    assert credit.entries.get(kind="VOIDED").reason == "Issued twice"


def test_voiding_needs_a_reason(grace_client: Client, credit: Credit) -> None:
    response = grace_client.post(reverse("credit_void", args=[credit.pk]), {"reason": ""}, headers=HTMX)

    credit.refresh_from_db()
    assert response.status_code == 422
    assert "Enter a reason." in text_of(response)
    assert credit.status == Credit.Status.AVAILABLE


def test_voiding_twice_is_refused(grace_client: Client, credit: Credit) -> None:
    url = reverse("credit_void", args=[credit.pk])
    grace_client.post(url, {"reason": "Issued twice"})

    response = grace_client.post(url, {"reason": "Issued twice"})

    assert response.status_code == 422
    assert "nothing left to void" in text_of(response)


@pytest.mark.parametrize("name", ["credit_adjust", "credit_extend", "credit_void"])
def test_support_may_not_change_a_credit(name: str, sam_client: Client, credit: Credit) -> None:
    url = reverse(name, args=[credit.pk])

    assert sam_client.get(url).status_code == 403
    assert sam_client.post(url, {"reason": "x", "amount": "1"}).status_code == 403
    assert credit.entries.count() == 1


@pytest.mark.parametrize("name", ["credit_adjust", "credit_extend", "credit_void"])
def test_forms_are_pages_of_their_own_without_a_script(name: str, grace_client: Client, credit: Credit) -> None:
    text = text_of(grace_client.get(reverse(name, args=[credit.pk])))

    assert "<h1" in text
    assert credit.number in text
    assert 'name="reason"' in text


def test_an_empty_list_says_whether_there_are_others(linus_client: Client, conference: Conference) -> None:
    whole = text_of(linus_client.get(reverse("credit_list")))
    used = text_of(linus_client.get(reverse("credit_list"), {"state": "used"}))

    assert "No credits yet" in whole
    assert "Show all credits" not in whole
    assert "No credit is in this state." in used
    assert f'href="{reverse("credit_list")}">Show all credits' in used
