import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import stripe
from django.db import DatabaseError, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from registration import webhooks
from registration.models import Conference, RefundPart, StripeEvent, WebhookRejection
from registration.services import events
from tests.registration.books import KEY, SECRET, control, make_card_order, make_conference, seed, stripe_post
from tests.registration.desk import wait_until

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


def event(**fields: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "type": "customer.updated",
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    } | fields


def signed(body: str, secret: str = SECRET, timestamp: int | None = None) -> str:
    return stripe.WebhookSignature.generate_signature_header(body, secret, timestamp or int(time.time()))


def post(body: str | bytes, signature: str | None, slug: str = "pycon", client: Client | None = None) -> HttpResponse:
    headers = {} if signature is None else {"Stripe-Signature": signature}
    url = reverse("stripe_webhook", args=[slug])
    answer = (client or Client()).post(url, body, content_type="application/json", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


def deliver(**fields: Any) -> HttpResponse:
    body = json.dumps(event(**fields))
    return post(body, signed(body))


def test_a_signed_event_is_stored_and_answered(conference: Conference) -> None:
    assert deliver().status_code == 200

    stored = StripeEvent.objects.get()
    assert (stored.conference, stored.event_id, stored.type) == (conference, "evt_1", "customer.updated")
    assert stored.state == StripeEvent.State.IGNORED


def test_needs_no_login_and_no_csrf_token(conference: Conference) -> None:
    body = json.dumps(event())

    assert post(body, signed(body), client=Client(enforce_csrf_checks=True)).status_code == 200


def test_takes_posts_only(conference: Conference, client: Client) -> None:
    assert client.get(reverse("stripe_webhook", args=["pycon"])).status_code == 405


def test_an_unknown_conference_is_not_found() -> None:
    assert post("{}", "t=1,v1=0", slug="nowhere").status_code == 404


GOOD = json.dumps(event())


@pytest.mark.trap(19)
@pytest.mark.trap(49)
@pytest.mark.parametrize(
    ("body", "signature"),
    [
        pytest.param(GOOD, None, id="missing"),
        pytest.param(GOOD, "", id="empty"),
        pytest.param(GOOD, "nonsense", id="not a signature"),
        pytest.param(GOOD, "t=abc,v1=00", id="time is not a number"),
        pytest.param(GOOD, f"t={int(time.time())},v1=ü", id="not ascii"),
        pytest.param(GOOD, signed(GOOD, "whsec_of_another_conference"), id="foreign secret"),
        pytest.param(GOOD, signed(GOOD, timestamp=int(time.time()) - 3600), id="old"),
        pytest.param(GOOD.replace("evt_1", "evt_2"), signed(GOOD), id="body changed"),
        pytest.param(b"\xff\xfe", signed(GOOD), id="not utf-8"),
        *(
            pytest.param(body, signed(body), id=f"signed but {name}")
            for name, body in {
                "empty": "",
                "not json": "{",
                "a list": "[]",
                "a string": '"evt_1"',
                "null": "null",
                "thin": json.dumps({"object": "v2.core.event", "id": "evt_1"}),
                "without id": json.dumps(event(id="")),
                "without object": json.dumps(event(data={})),
                "without data": json.dumps(event(data=None)),
                "id is a number": json.dumps(event(id=1)),
            }.items()
        ),
    ],
)
def test_what_is_not_a_signed_event_is_refused_and_counted(
    body: str | bytes, signature: str | None, conference: Conference
) -> None:
    assert post(body, signature).status_code == 400

    assert not StripeEvent.objects.exists()
    assert WebhookRejection.objects.get().count == 1


@pytest.mark.trap(19)
def test_a_conference_without_a_secret_takes_nothing(conference: Conference) -> None:
    Conference.objects.update(stripe_webhook_secret="")

    assert post(GOOD, signed(GOOD, "")).status_code == 400
    assert WebhookRejection.objects.get().cause == "NO_SECRET"


@pytest.mark.trap(42)
@pytest.mark.parametrize("fields", [{"livemode": True}, {"account": "acct_of_somebody"}])
def test_an_event_of_another_mode_or_account_is_refused(fields: dict[str, Any], conference: Conference) -> None:
    assert deliver(**fields).status_code == 400
    assert not StripeEvent.objects.exists()


def test_another_api_version_is_taken_and_noted(conference: Conference, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(webhooks.logger, "warning", lambda text, *values: notes.append(text % values))

    assert deliver(api_version="2020-08-27").status_code == 200

    assert StripeEvent.objects.count() == 1
    assert "version=2020-08-27 expected=2026-10-28.endive" in notes[0]


@pytest.mark.trap(17)
def test_a_second_delivery_is_answered_and_does_nothing(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver()
    monkeypatch.setattr(events, "process", lambda event: pytest.fail("processed twice"))

    assert deliver().status_code == 200
    assert StripeEvent.objects.count() == 1


def test_one_event_may_reach_two_conferences(conference: Conference) -> None:
    make_conference("europython")
    body = json.dumps(event())

    for slug in ("pycon", "europython"):
        assert post(body, signed(body), slug).status_code == 200
    assert StripeEvent.objects.count() == 2


@pytest.mark.trap(18)
def test_what_cannot_be_stored_is_not_answered_with_success(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr(StripeEvent.objects, "get_or_create", fail)
    client = Client(raise_request_exception=False)

    assert post(GOOD, signed(GOOD), client=client).status_code == 500


@pytest.mark.trap(18)
def test_a_handler_that_fails_leaves_the_event_in_the_queue(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("A defect.")

    monkeypatch.setitem(events.HANDLERS, "customer.updated", fail)

    assert deliver().status_code == 200
    stored = StripeEvent.objects.get()
    assert (stored.state, stored.attempts, stored.last_error) == ("STORED", 1, "RuntimeError: A defect.")


@pytest.mark.trap(17)
@pytest.mark.django_db(transaction=True)
def test_deliveries_at_the_same_instant_are_processed_once(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[str] = []
    monkeypatch.setitem(events.HANDLERS, "customer.updated", lambda conference, hint: handled.append(hint["id"]))

    def deliver_once(_index: int) -> int:
        try:
            return deliver().status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(deliver_once, range(16)))

    assert answers == [200] * 16
    assert handled == ["cus_1"]


@pytest.mark.trap(14)
@pytest.mark.django_db(transaction=True)
def test_the_sandbox_is_heard(conference: Conference, sandbox: "SandboxServer", live_server: "LiveServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    address = f"{live_server.url}{reverse('stripe_webhook', args=['pycon'])}"
    control(sandbox, "webhook_endpoints", url=address, secret=SECRET, account_key=KEY)
    control(sandbox, "webhooks", duplicate=True)

    stripe_post(sandbox, "refunds", "payment_intent=pi_sim_1&amount=2500")
    wait_until(lambda: StripeEvent.objects.filter(state="PROCESSED").count() >= 2)

    order.refresh_from_db()
    assert RefundPart.objects.count() == 1
    assert str(order.refunded_amount) == "25.00"
