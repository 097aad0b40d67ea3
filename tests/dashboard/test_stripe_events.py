"""What Stripe told us: the list, the raw facts without secrets, and processing again."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, StripeEvent
from registration.services.events import process_due
from tests.cast import HTMX, client_of, make_staff
from tests.dashboard.reading import text_of
from tests.registration.books import stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/stripe/events/"
State = StripeEvent.State


def add(conference: Conference, number: int = 1, state: str = State.STORED, **fields: Any) -> StripeEvent:
    """An event as the webhook stores it."""
    thing = fields.pop("thing", {"id": f"plan_{number}"})
    values = {"type": "plan.created", "payload": {"id": f"evt_{number}", "data": {"object": thing}}} | fields
    return StripeEvent.objects.create(conference=conference, event_id=f"evt_{number}", state=state, **values)


def test_no_events_yet(grace_client: Client) -> None:
    assert "No events yet" in text_of(grace_client.get(LIST))


def test_the_newest_is_first_and_chips_narrow_it_down(
    grace_client: Client, conference: Conference, other_conference: Conference
) -> None:
    add(conference, 1, State.FAILED, last_error="RuntimeError: A defect.")
    add(conference, 2, State.PROCESSED)
    add(other_conference, 3)

    every = text_of(grace_client.get(LIST))
    failed = text_of(grace_client.get(LIST, {"state": "FAILED"}, headers=HTMX))

    assert every.index("evt_2") < every.index("evt_1")
    assert "evt_3" not in every
    assert 'Failed <span class="count">1</span>' in every
    assert "RuntimeError: A defect." in failed
    assert "evt_2" not in failed
    assert "<html" not in failed
    assert "No event in this state" in text_of(grace_client.get(LIST, {"state": "IGNORED"}))
    assert "evt_1" in text_of(grace_client.get(LIST, {"state": "NOPE", "after": "x"}))


def test_many_events_take_pages_and_few_queries(
    grace_client: Client, conference: Conference, django_assert_max_num_queries: Any
) -> None:
    for number in range(100, 130):
        add(conference, number)

    with django_assert_max_num_queries(16):
        page = text_of(grace_client.get(LIST))

    assert "evt_105" in page
    assert "evt_104" not in page
    assert "after=" in page


def test_failed_events_are_counted_in_the_sidebar_of_those_who_can_help(
    grace_client: Client, sam_client: Client, conference: Conference
) -> None:
    add(conference, 1, State.FAILED)
    add(conference, 2, State.STORED)

    ours, theirs = (text_of(client.get("/attention/")) for client in (grace_client, sam_client))

    assert '<span>Stripe events</span><span class="count">1</span>' in ours
    assert "Stripe events" not in theirs


def test_requests_that_were_turned_away_are_counted(
    grace_client: Client, client: Client, conference: Conference
) -> None:
    assert "turned away" not in text_of(grace_client.get(LIST))

    client.post(reverse("stripe_webhook", args=[conference.slug]), b"{}", content_type="application/json")

    page = text_of(grace_client.get(LIST))
    assert "Not signed with the conference's webhook secret, or too old: 1, last today" in page.replace("&#x27;", "'")
    grace_client.post(reverse("rejections_forget"))
    assert "turned away" not in text_of(grace_client.get(LIST))


def test_the_raw_facts_are_shown_without_secrets(grace_client: Client, conference: Conference) -> None:
    thing = {
        "id": "pi_1",
        "client_secret": "pi_1_secret_x",
        "notes": ["whsec_abc", "<script>", None],
        "nested": {"key": "sk_test_abc", "amount": 5000},
    }
    event = add(conference, type="payment_intent.succeeded", thing=thing)

    page = text_of(grace_client.get(reverse("event_detail", args=[event.pk])))

    assert "<dd>pi_1</dd>" in page
    assert "&quot;amount&quot;: 5000" in page
    assert "&lt;script&gt;" in page
    for secret in ("pi_1_secret_x", "whsec_abc", "sk_test_abc", "<script>"):
        assert secret not in page.partition("<pre")[2].partition("</pre>")[0]


@pytest.mark.trap(18)
def test_a_failed_event_is_processed_again_and_its_refund_imported(
    grace_client: Client, conference: Conference, card_order: Order, sandbox: "SandboxServer"
) -> None:
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=3000")
    event = add(conference, 1, State.FAILED, type="refund.created", thing=made, attempts=8, last_error="Boom")

    response = grace_client.post(reverse("event_replay", args=[event.pk]), follow=True)

    assert "Processed again." in text_of(response)
    assert "Boom" not in text_of(response)
    event.refresh_from_db()
    card_order.refresh_from_db()
    assert event.state == State.PROCESSED
    assert card_order.refunded_amount == Decimal("30.00")
    grace_client.post(reverse("event_replay", args=[event.pk]))
    assert card_order.refunds.count() == 1


def test_an_event_that_still_cannot_be_processed_says_so(
    grace_client: Client, conference: Conference, sandbox: "SandboxServer"
) -> None:
    event = add(conference, 1, State.FAILED, type="refund.created", thing={"id": "re_nowhere"})

    page = text_of(grace_client.post(reverse("event_replay", args=[event.pk]), follow=True))

    assert "It could not be processed. It stays in the queue and is tried again." in page
    assert "StripeRefused" in page


def test_an_event_of_no_use_stays_ignored(grace_client: Client, conference: Conference) -> None:
    event = add(conference, 1, State.IGNORED)

    page = text_of(grace_client.post(reverse("event_replay", args=[event.pk]), follow=True))

    assert "no use for events of this type" in page


def test_an_administrator_may_replay_and_support_may_not_look(conference: Conference, sam_client: Client) -> None:
    event = add(conference, 1, State.FAILED)
    admin = client_of(make_staff("alan", "Administrator", conference))

    assert sam_client.get(LIST).status_code == 403
    assert admin.post(reverse("event_replay", args=[event.pk])).status_code == 302
    assert admin.get(reverse("event_replay", args=[event.pk])).status_code == 405


@pytest.mark.trap(18)
def test_all_that_failed_goes_back_into_the_queue(
    grace_client: Client, sam_client: Client, conference: Conference, other_conference: Conference
) -> None:
    failed = add(conference, 1, State.FAILED, attempts=8, last_error="RuntimeError: A defect.")
    done, foreign = add(conference, 2, State.PROCESSED), add(other_conference, 3, State.FAILED)
    assert "Retry all failed" in text_of(grace_client.get(LIST))
    assert sam_client.post(reverse("event_retry")).status_code == 403

    page = text_of(grace_client.post(reverse("event_retry"), follow=True))

    for event in (failed, done, foreign):
        event.refresh_from_db()
    assert (failed.state, failed.attempts, failed.last_error) == (State.STORED, 0, "")
    assert (done.state, foreign.state) == (State.PROCESSED, State.FAILED)
    assert "1 event is processed again within seconds." in page
    assert "Retry all failed" not in page
    assert process_due() == {State.IGNORED: 1}


def test_events_are_found_by_id_type_and_what_they_are_about(grace_client: Client, conference: Conference) -> None:
    add(conference, 1, type="refund.failed", thing={"id": "re_7"})
    add(conference, 2, State.FAILED, type="charge.refunded", thing={"id": "ch_7"})

    def found(**query: str) -> list[str]:
        page = text_of(grace_client.get(LIST, query))
        return [name for name in ("evt_1", "evt_2") if f">{name}<" in page]

    assert found(q="evt_1") == found(q="refund.") == found(q=" re_7 ") == ["evt_1"]
    assert found(q="charge") == found(q="c", state="FAILED") == ["evt_2"]
    assert found(q="re_8") == found(q="re_7", state="FAILED") == []
