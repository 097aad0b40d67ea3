"""Which of our payments Stripe speaks of: by its intent, or else by its charge, and the oldest of several."""

import pytest

from registration.models import Conference, Payment
from registration.services.payment_lookup import find_payment
from tests.registration.books import make_card_order, make_conference

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


def pay(conference: Conference, intent: str, charge: str) -> Payment:
    payment = make_card_order(conference, intent=intent).payments.get()
    Payment.objects.filter(pk=payment.pk).update(stripe_charge_id=charge)
    return payment


def test_the_intent_comes_before_the_charge(conference: Conference) -> None:
    by_charge, by_intent = pay(conference, "pi_1", "ch_1"), pay(conference, "pi_2", "ch_2")

    assert find_payment(conference, intent_id="pi_2", charge_id="ch_1") == by_intent
    assert find_payment(conference, intent_id="pi_no", charge_id="ch_1") == by_charge
    assert find_payment(conference, charge_id="ch_2") == by_intent


def test_the_oldest_of_several_is_meant(conference: Conference) -> None:
    first, _second = pay(conference, "pi_1", "ch_1"), pay(conference, "pi_1", "ch_1")

    assert find_payment(conference, intent_id="pi_1") == first
    assert find_payment(conference, charge_id="ch_1") == first


def test_no_id_finds_no_payment_without_one(conference: Conference) -> None:
    pay(conference, "", "")

    assert find_payment(conference) is None
    assert find_payment(conference, intent_id="pi_1", charge_id="ch_1") is None


def test_another_conference_is_never_looked_at(conference: Conference) -> None:
    pay(make_conference("djangocon", stripe_secret_key="sk_test_sandbox_other"), "pi_1", "ch_1")

    assert find_payment(conference, intent_id="pi_1", charge_id="ch_1") is None
