"""A form that was refused takes its reader to the first field that is wrong, and to no other."""

from django import forms

from dashboard.forms.period import PeriodForm


def test_only_the_first_wrong_field_takes_the_focus() -> None:
    both = PeriodForm({"since": "x", "until": "y"})
    last = PeriodForm({"since": "2026-03-02", "until": "2026-03-01"})

    assert ["autofocus" in str(both[name]) for name in both.fields] == [True, False]
    assert ["autofocus" in str(last[name]) for name in last.fields] == [False, True]


def test_nothing_takes_the_focus_while_nothing_is_wrong() -> None:
    for form in (PeriodForm(), PeriodForm({"since": "2026-03-01", "until": ""})):
        assert "autofocus" not in str(form)


def test_what_nobody_sees_takes_no_focus() -> None:
    class Hidden(forms.Form):
        seen = forms.CharField(widget=forms.HiddenInput)

    assert "autofocus" not in str(Hidden({})["seen"])
