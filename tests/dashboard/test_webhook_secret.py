"""Administrators change the webhook's secret here; nobody reads one."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference
from tests.cast import WEBHOOK_SECRET, client_of, make_staff
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db
PAGE = "/stripe/secret/"
NEW = "whsec_" + "n3w" * 8


@pytest.fixture
def admin_client(conference: Conference) -> Client:
    return client_of(make_staff("ken", "Administrator", conference))


def send(client: Client, secret: str, hours: str = "24") -> Any:
    return client.post(PAGE, {"secret": secret, "overlap_hours": hours})


def test_the_page_says_how_stripe_is_set_up_and_shows_no_secret(admin_client: Client, conference: Conference) -> None:
    page = text_of(admin_client.get(PAGE))

    assert f"/stripe/webhooks/{conference.slug}/" in page
    assert "2026-10-28.endive" in page
    assert "Set; it is never shown" in page
    assert WEBHOOK_SECRET not in page
    assert "Webhook secret" in text_of(admin_client.get(reverse("event_list")))


def test_a_new_secret_is_taken_and_the_old_one_counts_for_a_day(admin_client: Client, conference: Conference) -> None:
    page = text_of(admin_client.post(PAGE, {"secret": f" {NEW} ", "overlap_hours": "24"}, follow=True))

    conference.refresh_from_db()
    assert conference.webhook_secrets == [NEW, WEBHOOK_SECRET]
    assert "Two secrets count." in page
    assert (NEW in page, WEBHOOK_SECRET in page) == (False, False)

    page = text_of(admin_client.post(reverse("webhook_secret_end"), follow=True))
    conference.refresh_from_db()
    assert (conference.webhook_secrets, conference.old_webhook_secret) == ([NEW], "")
    assert "Two secrets count." not in page


def test_a_secret_that_leaked_stops_at_once(admin_client: Client, conference: Conference) -> None:
    send(admin_client, NEW, "0")

    conference.refresh_from_db()
    assert (conference.webhook_secrets, conference.old_webhook_secret_until) == ([NEW], None)


@pytest.mark.parametrize("secret", ["", "sk_live_1234567890", "whsec_", "whsec_with space in it", WEBHOOK_SECRET])
def test_what_is_no_new_secret_changes_nothing_and_is_not_shown(
    admin_client: Client, conference: Conference, secret: str
) -> None:
    response = send(admin_client, secret)

    assert response.status_code == 422
    assert f'value="{secret}"' not in response.content.decode() or not secret
    conference.refresh_from_db()
    assert conference.webhook_secrets == [WEBHOOK_SECRET]


def test_only_administrators_may(grace_client: Client, conference: Conference) -> None:
    assert grace_client.get(PAGE).status_code == 403
    assert send(grace_client, NEW).status_code == 403
    assert "Webhook secret" not in text_of(grace_client.get(reverse("event_list")))


def test_a_conference_without_a_secret_is_told_so(admin_client: Client, conference: Conference) -> None:
    Conference.objects.update(stripe_webhook_secret="", old_webhook_secret_until=timezone.now() + timedelta(hours=1))

    assert "No secret is set." in text_of(admin_client.get(PAGE))
