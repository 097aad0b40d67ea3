"""What an attendee holds: the parts add up to what was issued, whatever happened to the credits."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from registration.attendee_search import find_attendees
from registration.credit_ledger import movements
from registration.models import Conference, Credit, Order
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.refund import RefundService
from registration.statement import held_by, in_state, payable_orders, plan_of
from tests.cast import make_credit, make_order, make_user

pytestmark = pytest.mark.django_db


def credits_of(attendee: Any) -> QuerySet[Credit]:
    return Credit.objects.filter(user=attendee).order_by("pk")


def test_the_parts_add_up_to_what_was_issued(
    conference: Conference, grace: Any, ada: Any, pending_order: Order
) -> None:
    used = make_credit(conference, ada, "70.00")
    RefundService.apply_credits([used], pending_order, staff_user=grace)
    CreditService.void(make_credit(conference, ada, "20.00"), reason="Twice", staff_user=grace)
    make_credit(conference, ada, "30.00", expires_at=timezone.now() - timedelta(days=1))
    CreditService.adjust(used, amount=Decimal("-5.00"), reason="Miscounted", staff_user=grace)

    balance = held_by(ada, conference).balance

    assert (balance.available, balance.used) == (Decimal("15.00"), Decimal("50.00"))
    assert (balance.expired, balance.voided) == (Decimal("30.00"), Decimal("20.00"))
    assert balance.issued == Decimal("115.00")


def test_the_nightly_job_changes_no_part(conference: Conference, ada: Any) -> None:
    make_credit(conference, ada, "30.00", expires_at=timezone.now() - timedelta(days=1))
    before = held_by(ada, conference).balance

    CreditService.expire_due()

    assert held_by(ada, conference).balance == before


def test_what_a_released_order_gives_back_is_not_used(
    conference: Conference, grace: Any, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "70.00")
    RefundService.apply_credits([credit], pending_order, staff_user=grace, amount=Decimal("20.00"))
    release_order(pending_order, staff_user=grace)

    balance = held_by(ada, conference).balance

    assert (balance.available, balance.used) == (Decimal("70.00"), Decimal("0.00"))


def test_a_note_of_a_card_refund_was_never_there_to_spend(conference: Conference, ada: Any) -> None:
    make_credit(conference, ada, "70.00", remaining_amount=Decimal("0.00"), status=Credit.Status.PAID_OUT)

    assert held_by(ada, conference).balance.issued == Decimal("0.00")


def test_movements_run_from_nothing_to_what_is_held(
    conference: Conference, grace: Any, ada: Any, pending_order: Order
) -> None:
    credits = [make_credit(conference, ada, "30.00"), make_credit(conference, ada, "40.00")]
    RefundService.apply_credits(credits, pending_order, staff_user=grace)

    rows = movements(credits_of(ada))

    assert [row.balance for row in rows] == [Decimal(text) for text in ("20.00", "40.00", "70.00", "30.00")]


def test_a_plan_leaves_what_the_service_leaves(
    conference: Conference, grace: Any, ada: Any, pending_order: Order
) -> None:
    credits = [make_credit(conference, ada, "30.00"), make_credit(conference, ada, "40.00")]
    plan = plan_of(credits, pending_order, Decimal("45.00"))
    promised = (plan.due_after, plan.credit_after, plan.pays_in_full)

    RefundService.apply_credits(credits, pending_order, staff_user=grace, amount=Decimal("45.00"))

    pending_order.refresh_from_db()
    left = sum(credit.remaining_amount for credit in credits_of(ada))
    assert promised == (pending_order.due_amount, left, False)


def test_orders_to_pay_come_most_pressing_first(conference: Conference, ada: Any) -> None:
    now = timezone.now()
    patient = make_order(conference, ada, total="10.00")
    later = make_order(conference, ada, total="10.00", hold_expires_at=now + timedelta(hours=2))
    soon = make_order(conference, ada, total="10.00", hold_expires_at=now + timedelta(hours=1))
    make_order(conference, ada, total="10.00", hold_expires_at=now - timedelta(hours=1))
    make_order(conference, ada, paid="10.00")

    assert payable_orders(ada, conference) == [soon, later, patient]


def test_nobody_is_hidden_by_one_persons_many_orders(conference: Conference, ada: Any) -> None:
    for _number in range(3):
        make_order(conference, ada, paid="10.00")
    adam = make_user("adam", "Smith")
    make_order(conference, adam, paid="10.00")

    assert [user for user, _held in find_attendees(conference, "ada", 8)] == [ada, adam]


def test_a_name_on_the_account_is_found_where_the_bill_names_a_company(conference: Conference, ada: Any) -> None:
    make_order(conference, ada, paid="10.00", billing_name="Analytical Ltd", billing_email="office@analytical.example")

    assert [user for user, _held in find_attendees(conference, "lovelace", 8)] == [ada]
    assert [user for user, _held in find_attendees(conference, "analytical", 8)] == [ada]


def test_a_credit_whose_time_is_over_is_listed_as_expired_before_the_nightly_job(
    conference: Conference, ada: Any
) -> None:
    lapsed = make_credit(conference, ada, "30.00", expires_at=timezone.now() - timedelta(minutes=1))

    assert list(in_state(conference, "expired")) == [lapsed]
    assert not in_state(conference, "available").exists()


def test_who_holds_credit_comes_first_and_is_not_cut_off(conference: Conference, ada: Any) -> None:
    holder = make_user("zadie", "Lovelace")
    spent = make_user("aaron", "Lovelace")
    for person in (ada, spent, holder):
        make_order(conference, person, paid="10.00", billing_name=person.get_full_name())
    make_credit(conference, holder, "30.00")
    make_credit(conference, spent, "30.00", expires_at=timezone.now() - timedelta(minutes=1))

    assert find_attendees(conference, "lovelace", 2) == [(holder, Decimal("30.00")), (spent, Decimal("0.00"))]


@pytest.mark.parametrize(("first", "last"), [("anneliese", "Lovelace"), ("ada", "Anneliese")])
def test_of_a_name_that_many_have_holders_are_shown(conference: Conference, first: str, last: str) -> None:
    people = [make_user(f"{first}{number}", last, first_name=first.title()) for number in range(60)]
    for person in people:
        make_order(conference, person, paid="10.00")
    holders = people[-5:]
    for person in holders:
        make_credit(conference, person, "30.00")

    shown = find_attendees(conference, "anneliese", 8)

    assert sorted(user.pk for user, held in shown[:5] if held) == [user.pk for user in holders]
    assert len(shown) == 8


def test_a_holder_is_found_by_the_company_on_a_bill_that_many_share(conference: Conference) -> None:
    people = [make_user(f"ada{number}", "Lovelace") for number in range(40)]
    for person in people:
        make_order(conference, person, paid="10.00", billing_name="Analytical Ltd")
    make_credit(conference, people[-1], "30.00")

    assert find_attendees(conference, "analytical", 3)[0] == (people[-1], Decimal("30.00"))


def test_who_is_called_so_comes_before_who_has_it_in_the_mail_domain(conference: Conference, ada: Any) -> None:
    for number in range(12):
        colleague = make_user(f"c{number}", "Aaronson", email=f"c{number}@okafor.example")
        make_order(conference, colleague, paid="10.00")
        make_credit(conference, colleague, "30.00")
    first = make_user("okafor", "Baker")
    surname = make_user("zoe", "Okafor")
    for person in (first, surname):
        make_order(conference, person, paid="10.00")

    shown = [user for user, _held in find_attendees(conference, "okafor", 3)]

    assert shown[0] == surname
    assert [user for user, _held in find_attendees(conference, "okafor", 20)][:2] == [surname, first]


@pytest.mark.parametrize("asked", ["schoenbrueck", "Schönbrück", "schonbruck", "ada schoenbr"])
def test_an_account_is_found_however_its_umlaut_is_written(conference: Conference, asked: str) -> None:
    person = make_user("ada", "Schönbrück")
    make_order(conference, person, paid="10.00")

    assert [user for user, _held in find_attendees(conference, asked, 8)] == [person]
