"""What every answer tells the browser, whatever it is an answer to."""

from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from registration.models import Order
from tests.cast import HTMX, PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = {
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "img-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
}


def assert_closed(response: Any) -> None:
    headers = response.headers
    assert set(headers["Content-Security-Policy"].split("; ")) == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


ANSWERS: dict[str, tuple[int, Callable[[Client, str], Any]]] = {
    "page": (200, lambda client, order: client.get("/orders/")),
    "piece": (200, lambda client, order: client.get(f"/orders/{order}/row/", headers=HTMX)),
    "refused form": (422, lambda client, order: client.post(f"/orders/{order}/refunds/new/", headers=HTMX)),
    "file": (200, lambda client, order: client.get("/orders/export/")),
    "style sheet": (200, lambda client, order: client.get("/static/css/tokens.css")),
    "redirect": (302, lambda client, order: Client().get("/orders/")),
    "sign in": (200, lambda client, order: Client().get("/login/")),
    "bad host": (400, lambda client, order: Client().get("/login/", headers={"host": "elsewhere.example"})),
    "old form": (403, lambda client, order: Client(enforce_csrf_checks=True).post("/theme/")),
    "wrong method": (405, lambda client, order: client.get("/theme/")),
    "not found": (404, lambda client, order: client.get("/orders/ORD-NONE/")),
    "webhook": (400, lambda client, order: Client().post("/stripe/webhooks/djangocon/")),
    "health": (200, lambda client, order: client.get("/healthz")),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_every_answer_is_closed_to_others(grace_client: Client, order: Order, what: str) -> None:
    status, ask = ANSWERS[what]

    response = ask(grace_client, order.reference)

    assert response.status_code == status
    assert_closed(response)


def test_so_are_what_is_not_allowed_and_what_broke(
    linus_client: Client, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = linus_client.get(f"/orders/{order.reference}/refunds/new/")
    assert refused.status_code == 403
    assert_closed(refused)

    def broken(*_args: Any) -> None:
        raise RuntimeError

    linus_client.raise_request_exception = False
    monkeypatch.setattr("dashboard.views.orders.current_conference", broken)
    answer = linus_client.get("/orders/")
    assert answer.status_code == 500
    assert_closed(answer)


def flags_of(cookie: "Morsel[str]") -> tuple[bool, bool, str]:
    return bool(cookie["httponly"]), bool(cookie["secure"]), str(cookie["samesite"])


def test_cookies_stay_with_the_desk(client: Client, grace: Any, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client.get("/login/", secure=True)
    client.post("/login/", {"username": grace.username, "password": PASSWORD}, secure=True)
    client.post("/language/", {"language": "de"}, secure=True)
    client.post("/theme/", {"theme": "dark"}, secure=True)

    for name in ("sessionid", "csrftoken", "django_language", "theme"):
        assert flags_of(client.cookies[name]) == (True, True, "Lax"), name
