"""The switch of single-key shortcuts, kept for the user and not for the browser."""

from typing import Any

import pytest
from django.test import Client

from registration.models import Preference
from tests.cast import HTMX, PASSWORD

pytestmark = pytest.mark.django_db
OFF = 'data-keys="off"'


def sign_in(user: Any) -> Client:
    client = Client()
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    return client


def test_the_switch_holds_wherever_the_user_signs_in(linus: Any, grace: Any) -> None:
    client = sign_in(linus)
    assert OFF not in client.get("/orders/").content.decode()

    assert client.post("/keys/", headers=HTMX).status_code == 204

    assert OFF in client.get("/orders/").content.decode()
    assert OFF in sign_in(linus).get("/orders/").content.decode()
    assert OFF not in sign_in(grace).get("/orders/").content.decode()


def test_it_can_be_switched_on_again(linus: Any) -> None:
    Preference.objects.create(user=linus, single_keys=False)
    client = sign_in(linus)

    answer = client.post("/keys/", {"single_keys": "on", "next": "/refunds/"})

    assert answer["Location"] == "/refunds/"
    assert OFF not in client.get("/orders/").content.decode()
    assert Preference.objects.get().single_keys


def test_it_is_no_link(linus_client: Client) -> None:
    assert linus_client.get("/keys/").status_code == 405
    assert not Preference.objects.exists()
