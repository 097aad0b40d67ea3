"""While a webhook secret is changed, two count, and no event is lost; what is turned away is counted by cause."""

import io
import json
import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from registration.models import Conference, StripeEvent, WebhookRejection
from registration.services.errors import RefundError
from registration.services.rejections import count_rejection, forget_rejections
from registration.services.webhook_secrets import end_old_secret, rotate_webhook_secret
from tests.registration.books import SECRET, make_conference
from tests.registration.test_webhooks import event, post, signed

pytestmark = pytest.mark.django_db
NEW = "whsec_" + "n3w" * 8


@pytest.fixture
def conference() -> Conference:
    return make_conference()


def deliver(number: int, *secrets: str) -> int:
    """Send an event signed with each of the secrets, as Stripe does while it rolls one."""
    body = json.dumps(event(id=f"evt_{number}"))
    now = int(time.time())
    signatures = [signed(body, secret, now).partition(",")[2] for secret in secrets]
    return post(body, ",".join([f"t={now}", *signatures])).status_code


@pytest.mark.trap(19)
def test_both_secrets_count_during_the_change_and_the_old_one_ends(conference: Conference) -> None:
    rotate_webhook_secret(conference, secret=NEW, overlap=timedelta(hours=24))

    assert [deliver(1, SECRET), deliver(2, NEW), deliver(3, SECRET, NEW)] == [200, 200, 200]
    assert deliver(4, "whsec_of_somebody_else") == 400

    Conference.objects.update(old_webhook_secret_until=timezone.now())
    assert [deliver(5, SECRET), deliver(6, NEW)] == [400, 200]
    assert sorted(StripeEvent.objects.values_list("event_id", flat=True)) == ["evt_1", "evt_2", "evt_3", "evt_6"]


@pytest.mark.trap(19)
def test_a_leaked_secret_stops_at_once(conference: Conference) -> None:
    rotate_webhook_secret(conference, secret=NEW, overlap=timedelta(0))

    assert [deliver(1, SECRET), deliver(2, NEW)] == [400, 200]


@pytest.mark.trap(19)
def test_the_old_secret_is_ended_by_hand(conference: Conference) -> None:
    rotate_webhook_secret(conference, secret=NEW)
    end_old_secret(conference)

    assert [deliver(1, SECRET), deliver(2, NEW)] == [400, 200]


def test_the_first_secret_has_none_before(conference: Conference) -> None:
    Conference.objects.update(stripe_webhook_secret="")

    fresh = rotate_webhook_secret(conference, secret=NEW)

    assert (fresh.webhook_secrets, fresh.old_webhook_secret_until) == ([NEW], None)


@pytest.mark.parametrize(
    ("secret", "hours"), [("pk_1234567890123", 24), ("whsec_short", 24), (SECRET, 24), (NEW, -1), (NEW, 24 * 7 + 1)]
)
def test_what_makes_no_sense_is_refused(conference: Conference, secret: str, hours: int) -> None:
    with pytest.raises(RefundError):
        rotate_webhook_secret(conference, secret=secret, overlap=timedelta(hours=hours))

    assert Conference.objects.get().webhook_secrets == [SECRET]


def test_secrets_are_encrypted_and_never_logged(conference: Conference, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        rotate_webhook_secret(conference, secret=NEW)
        deliver(1, "whsec_of_somebody_else")

    with connection.cursor() as cursor:
        cursor.execute("SELECT stripe_webhook_secret, old_webhook_secret FROM registration_conference")
        stored = " ".join(cursor.fetchone())
    logged = caplog.text + repr([record.args for record in caplog.records if record.name.startswith("registration")])
    assert not any(secret in text for secret in (SECRET, NEW) for text in (stored, logged))


def test_the_command_reads_the_secret_from_standard_input(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEW}\n"))
    call_command("rotate_webhook_secret", conference.slug, overlap=1.0, stdout=out)

    assert Conference.objects.get().webhook_secrets == [NEW, SECRET]
    assert NEW not in out.getvalue()
    call_command("rotate_webhook_secret", conference.slug, end_old=True, stdout=out)
    assert Conference.objects.get().webhook_secrets == [NEW]
    monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n"))
    with pytest.raises(CommandError, match="begins with whsec_"):
        call_command("rotate_webhook_secret", conference.slug)
    with pytest.raises(CommandError, match="no conference nowhere"):
        call_command("rotate_webhook_secret", "nowhere")


@pytest.mark.parametrize(
    ("fields", "cause"),
    [({}, "SIGNATURE"), ({"livemode": True}, "MODE"), ({"account": "acct_1"}, "ACCOUNT"), ({"id": 7}, "BODY")],
)
@pytest.mark.trap(19, 42)
def test_what_is_turned_away_is_counted_by_cause(conference: Conference, fields: dict[str, Any], cause: str) -> None:
    body = json.dumps(event(**fields))
    signature = signed(body, "whsec_of_somebody_else" if cause == "SIGNATURE" else SECRET)

    for _number in range(2):
        assert post(body, signature).status_code == 400

    counted = WebhookRejection.objects.get()
    assert (counted.conference, counted.cause, counted.count) == (conference, cause, 2)
    assert counted.last_at >= counted.first_at
    assert forget_rejections(conference) == 1


def test_a_count_that_cannot_be_kept_costs_no_answer(conference: Conference, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> int:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr("registration.services.rejections._add", broken)

    assert deliver(1, "whsec_of_somebody_else") == 400
    assert not WebhookRejection.objects.exists()


def test_two_that_begin_to_count_at_once_are_two(conference: Conference, monkeypatch: pytest.MonkeyPatch) -> None:
    from registration.services import rejections

    count_rejection(conference, "BODY")
    rejections._begin(conference, "BODY")

    assert WebhookRejection.objects.get().count == 2
