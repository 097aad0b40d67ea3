"""A choice that is made up is asked for again in words of this house, in every form that offers few."""

from typing import Any

import pytest
from django import forms
from django.utils import translation

from dashboard.forms.comparison import ComparisonForm
from dashboard.forms.credit import AdjustForm, ApplyForm, ExtendForm, IssueForm, ReasonForm
from dashboard.forms.refund import RefundForm
from dashboard.forms.webhook_secret import SecretForm
from dashboard.orders.filter import OrderFilter
from registration.models import Conference, Order
from tests.cast import make_credit

pytestmark = pytest.mark.django_db

OFFERED = (forms.ChoiceField, forms.ModelChoiceField, forms.MultipleChoiceField)


def forms_of(order: Order, conference: Conference) -> list[forms.Form]:
    """Every form of the dashboard that offers choices, with one made up wherever it does."""
    credit = make_credit(conference, order.user, "5.00")
    made: dict[type[forms.Form], dict[str, Any]] = {
        RefundForm: {"order": order},
        ApplyForm: {"order": order},
        IssueForm: {"conference": conference},
        AdjustForm: {"credit": credit},
        ExtendForm: {"credit": credit},
        ReasonForm: {},
        SecretForm: {},
        ComparisonForm: {},
    }
    bound = [form(_made_up(form(**more)), **more) for form, more in made.items()]
    asked = dict.fromkeys(("status", "attention", "method", "since", "until"), "made up")
    return [*bound, OrderFilter(asked, queryset=Order.objects.all(), conference=conference).form]


def _made_up(form: forms.Form) -> dict[str, Any]:
    lists = (forms.MultipleChoiceField, forms.ModelMultipleChoiceField)
    values = {name: ["0"] if isinstance(field, lists) else "made up" for name, field in form.fields.items()}
    return values | ({"mode": "items"} if "lines" in values else {})


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_form_speaks_in_the_frameworks_words(order: Order, conference: Conference, language: str) -> None:
    with translation.override(language):
        frameworks = [forms.ChoiceField().error_messages["invalid_choice"], forms.DateField().error_messages["invalid"]]
        begins = tuple(str(message).partition("%")[0] for message in frameworks)
        said = {
            f"{type(form).__name__}.{name}": message
            for form in forms_of(order, conference)
            for name, messages in form.errors.items()
            if isinstance(form.fields.get(name), (*OFFERED, forms.DateField))
            for message in map(str, messages)
        }

    assert len(said) >= 10
    assert {name: message for name, message in said.items() if message.startswith(begins)} == {}
