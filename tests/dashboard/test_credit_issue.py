"""Giving goodwill credit from the attendee's page."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference, Credit, Order
from tests.cast import HTMX
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db


def issue_url(attendee: Any) -> str:
    return reverse("credit_issue", args=[attendee.pk])


def given(**fields: str) -> dict[str, str]:
    return {"amount": "25.00", "reason": "Late visa letter", "expires_on": "", "nonce": "first"} | fields


def from_attendee(attendee: Any) -> dict[str, str]:
    return HTMX | {"HX-Current-URL": f"http://testserver{reverse('attendee_detail', args=[attendee.pk])}"}


def test_issuing_swaps_the_statement_and_says_so(grace_client: Client, grace: Any, ada: Any, order: Order) -> None:
    response = grace_client.post(issue_url(ada), given(), headers=from_attendee(ada))

    credit = Credit.objects.get()
    assert (credit.user, credit.amount, credit.kind, credit.issued_by) == (ada, Decimal("25.00"), "GOODWILL", grace)
    assert (credit.note, credit.expires_at) == ("Late visa letter", None)
    text = text_of(response)
    assert "€25.00 credit issued to Ada Lovelace" in text
    assert f'id="attendee-{ada.pk}" hx-swap-oob="true"' in text
    assert credit.number in text


def test_issuing_leaves_what_can_be_refunded(grace_client: Client, ada: Any, order: Order) -> None:
    grace_client.post(issue_url(ada), given())

    order.refresh_from_db()
    assert order.refundable_amount == Decimal("80.00")


def test_the_last_day_counts_to_its_end(grace_client: Client, ada: Any, order: Order, conference: Conference) -> None:
    Conference.objects.filter(pk=conference.pk).update(timezone="America/New_York")
    day = timezone.localdate() + timedelta(days=30)

    grace_client.post(issue_url(ada), given(expires_on=day.isoformat()))

    ends = Credit.objects.get().expires_at
    assert ends is not None
    assert timezone.localtime(ends).date() == day + timedelta(days=1)


def test_the_usual_expiry_is_offered(grace_client: Client, ada: Any, order: Order, conference: Conference) -> None:
    Conference.objects.filter(pk=conference.pk).update(credit_validity_days=365)

    text = text_of(grace_client.get(issue_url(ada), headers=HTMX))

    assert f'value="{(timezone.localdate() + timedelta(days=365)).isoformat()}"' in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": ""}, "Enter an amount like 12.50."),
        ({"amount": "0.00"}, "Enter an amount greater than zero."),
        ({"reason": ""}, "Enter a reason."),
        ({"expires_on": "2020-01-01"}, "Choose today or a later day."),
        ({"expires_on": "soon"}, "Enter a day like 2027-12-31."),
    ],
)
def test_what_cannot_be_issued_is_said_and_nothing_changes(
    fields: dict[str, str], sentence: str, grace_client: Client, ada: Any, order: Order
) -> None:
    response = grace_client.post(issue_url(ada), given(**fields), headers=from_attendee(ada))

    assert response.status_code == 422
    assert sentence in text_of(response)
    assert not Credit.objects.exists()


def test_the_gift_is_shown_before_it_is_made(grace_client: Client, ada: Any, order: Order) -> None:
    response = grace_client.post(issue_url(ada), given(reason="", preview="1"), headers=from_attendee(ada))

    assert response.status_code == 200
    assert "Issue €25.00" in text_of(response)
    assert not Credit.objects.exists()


def test_a_form_sent_twice_issues_once(grace_client: Client, ada: Any, order: Order) -> None:
    grace_client.post(issue_url(ada), given())

    again = grace_client.post(issue_url(ada), given(), headers=HTMX)

    assert again.status_code == 409
    assert "This form was sent before" in text_of(again)
    assert Credit.objects.count() == 1


def test_issuing_without_a_script_returns_to_the_attendee(grace_client: Client, ada: Any, order: Order) -> None:
    response = grace_client.post(issue_url(ada), given(), follow=True)

    assert response.redirect_chain[0][0].startswith(reverse("attendee_detail", args=[ada.pk]))
    assert "€25.00 credit issued to Ada Lovelace" in text_of(response)


def test_the_form_is_a_page_of_its_own_without_a_script(grace_client: Client, ada: Any, order: Order) -> None:
    text = text_of(grace_client.get(issue_url(ada)))

    assert ">Issue goodwill credit</h1>" in text
    assert "Ada Lovelace" in text


@pytest.mark.parametrize("client_name", ["sam_client", "linus_client"])
def test_only_finance_issues(client_name: str, request: pytest.FixtureRequest, ada: Any, order: Order) -> None:
    client = request.getfixturevalue(client_name)

    assert client.get(issue_url(ada)).status_code == 403
    assert client.post(issue_url(ada), given()).status_code == 403
    assert not Credit.objects.exists()


def test_an_attendee_of_another_conference_does_not_exist(grace_client: Client, grace: Any, ada: Any) -> None:
    assert grace_client.get(issue_url(ada)).status_code == 404
