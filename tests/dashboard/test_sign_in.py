from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Membership, Order
from tests.cast import HTMX, PASSWORD, make_user

LOGIN = "/login/"


def sign_in(client: Client, name: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"username": name, "password": password, **more})


@pytest.mark.parametrize("name", ["grace", "grace@example.com", "GRACE@Example.com"])
def test_a_name_or_an_email_address_signs_in(client: Client, grace: Any, name: str) -> None:
    response = sign_in(client, name)
    assert (response.status_code, response["Location"]) == (302, "/orders/")
    assert client.get("/orders/").status_code == 200


def test_a_wrong_password_keeps_the_name_and_says_no_more(client: Client, grace: Any) -> None:
    response = sign_in(client, "grace", "wrong")
    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="grace"' in page
    assert "wrong" not in page


def test_two_accounts_with_one_address_sign_in_by_name_only(client: Client, grace: Any) -> None:
    make_user("double", email=grace.email)
    assert sign_in(client, grace.email).status_code == 422
    assert sign_in(client, "grace").status_code == 302


def test_an_account_that_is_switched_off_stays_out(client: Client, grace: Any) -> None:
    grace.is_active = False
    grace.save(update_fields=["is_active"])
    assert sign_in(client, "grace").status_code == 422
    assert sign_in(client, "grace@example.com").status_code == 422


def test_too_many_wrong_passwords_pause_signing_in(client: Client, grace: Any) -> None:
    for _attempt in range(5):
        response = sign_in(client, "grace", "wrong")
    assert response.status_code == 429
    assert "paused" in response.content.decode()
    assert sign_in(client, "grace").status_code == 429


@pytest.mark.parametrize("name", ["grace", "grace@example.com", "nobody"])
def test_a_refusal_says_how_many_tries_are_left(client: Client, grace: Any, name: str) -> None:
    for left in ("4 tries", "3 tries", "2 tries", "1 try"):
        page = sign_in(client, name, "wrong").content.decode()
        assert f"{left} left before a pause of 15 minutes." in page
    assert sign_in(client, name, "wrong").status_code == 429


def test_tries_are_counted_anew_after_signing_in(client: Client, grace: Any) -> None:
    sign_in(client, "grace", "wrong")
    sign_in(client, "grace")
    client.post("/logout/")
    assert "4 tries left" in sign_in(client, "grace", "wrong").content.decode()


def test_a_form_without_a_password_was_no_try(client: Client, grace: Any) -> None:
    assert "left before a pause" not in sign_in(client, "grace", "").content.decode()
    assert "4 tries left" in sign_in(client, "grace", "wrong").content.decode()


def test_signing_in_returns_to_where_one_was(client: Client, grace: Any) -> None:
    assert client.get("/orders/?q=ada")["Location"] == "/login/?next=/orders/%3Fq%3Dada"
    assert sign_in(client, "grace", next="/orders/?q=ada")["Location"] == "/orders/?q=ada"


def test_signing_in_never_leads_elsewhere(client: Client, grace: Any) -> None:
    assert sign_in(client, "grace", next="https://evil.example/")["Location"] == "/orders/"


@pytest.mark.parametrize(
    ("shown", "back"),
    [("http://testserver/orders/?q=ada", "%2Forders%2F%3Fq%3Dada"), ("https://evil.example//x", "%2Forders%2F")],
)
def test_a_piece_for_an_expired_session_sends_the_whole_page_to_sign_in(
    client: Client, order: Order, shown: str, back: str
) -> None:
    headers = {**HTMX, "HX-Current-URL": shown}
    piece = client.get(reverse("order_row", args=[order.reference]), headers=headers, follow=True)
    assert piece["HX-Redirect"] == f"/login/?next={back}"
    assert b"<form" not in piece.content


def test_signing_out_takes_a_post(grace_client: Client) -> None:
    assert grace_client.get("/logout/").status_code == 405
    assert grace_client.post("/logout/")["Location"] == LOGIN
    assert grace_client.get("/orders/").status_code == 302


def test_the_theme_is_kept_in_a_cookie(client: Client, db: None) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/orders/"})
    assert response.cookies["theme"].value == "dark"
    assert response["Location"] == "/orders/"
    assert 'data-theme="dark"' in client.get(LOGIN).content.decode()
    assert client.post("/theme/", {"theme": "auto"}).cookies["theme"].value == ""


def test_switching_the_conference_changes_what_is_listed(
    grace_client: Client, grace: Any, other_conference: Conference
) -> None:
    assert grace_client.post("/conferences/pycon/switch/").status_code == 404
    Membership.objects.create(user=grace, conference=other_conference)
    assert grace_client.post("/conferences/pycon/switch/")["Location"] == "/orders/"
    assert grace_client.get("/orders/").context["desk"].conference == other_conference


def test_a_member_of_no_conference_gets_a_page_that_says_so(client: Client, grace: Any) -> None:
    Membership.objects.all().delete()
    client.force_login(grace, backend="dashboard.permissions.OneQuestionBackend")
    assert client.get("/orders/").status_code == 404


def test_a_page_too_old_is_told_so_and_reloaded(grace: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(grace, backend="dashboard.permissions.OneQuestionBackend")
    assert "open too long" in client.post("/theme/", {"theme": "dark"}).content.decode()
    piece = client.post("/theme/", {"theme": "dark"}, headers=HTMX)
    assert (piece.status_code, piece["HX-Refresh"]) == (403, "true")


def test_the_picture_a_browser_asks_for_on_its_own_changes_no_token(grace_client: Client) -> None:
    response = grace_client.get("/favicon.ico")
    assert (response.status_code, response["Location"]) == (302, "/static/brand.svg")
    assert not response.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_machines_may_ask_how_it_is_without_signing_in(client: Client, db: None, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.content) == (200, b"ok")
