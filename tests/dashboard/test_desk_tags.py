"""How people, messages, states and moments are said."""

from datetime import datetime, timedelta

import pytest
from django.contrib.messages import SUCCESS
from django.contrib.messages.storage.base import Message
from django.template import engines
from django.utils import timezone
from django.utils.html import format_html

from dashboard.templatetags import desk
from registration.models import Credit, OpenItem, Order, Payment
from registration.models.refund import State


def drawn(source: str, **context: object) -> str:
    return engines["django"].from_string("{% load desk %}" + source).render(context)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("order", Order.Status.values),
        ("payment", Payment.Status.values),
        ("refund", State.values),
        ("credit", Credit.Status.values),
        ("open_item", OpenItem.Kind.values),
    ],
)
def test_every_stored_state_has_a_look(kind: str, states: list[str]) -> None:
    assert [state for state in states if state.lower() not in desk.STATES[kind]] == []


@pytest.mark.parametrize(("kind", "state"), [(kind, state) for kind, looks in desk.STATES.items() for state in looks])
def test_every_badge_has_an_icon_and_words(kind: str, state: str) -> None:
    badge = drawn("{% state_badge kind state %}", kind=kind, state=state)

    assert "<svg" in badge
    assert str(desk.STATES[kind][state][2]) in badge


def test_a_state_nobody_named_says_its_own_name() -> None:
    assert "Half done" in drawn("{% state_badge 'order' 'HALF_DONE' %}")


def test_a_badge_escapes_its_label() -> None:
    assert "<b>" not in drawn("{% state_badge 'order' 'PAID' label=label %}", label="<b>")


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ines Duarte", "ID"),
        ("Anna Maria de Vries", "AV"),
        ("finance", "F"),
        ("", ""),
        ("X", "X"),
        ("(Ada) O’Neil", "AO"),
        ("E\u0301mile Zola", "ÉZ"),
        ("e\u0323\u0302x g\u0303", "ỆG\u0303"),
        ("ßtraub Ängel", "ßÄ"),
        ("李小龙", "李"),
        ("निशा कुमार", "निकु"),
        ("דנה לוי", "\u2068דל\u2069"),
        ("\u2068דנה לוי\u2069", "\u2068דל\u2069"),
        ("🎉 Ada Lovelace 🎉", "AL"),
        ("👩\u200d💻", "👩"),
        ("· —", ""),
    ],
)
def test_initials_are_those_of_the_first_and_last_name(name: str, letters: str) -> None:
    assert desk.initials(name) == letters


def test_the_first_line_of_a_message_is_its_headline() -> None:
    message = "€50.00 refund sent to Stripe\nORD-4F7Q2K, Linnea Sjöberg."

    assert desk.headline(message) == "€50.00 refund sent to Stripe"
    assert desk.details(message) == ["ORD-4F7Q2K, Linnea Sjöberg."]


def at(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=timezone.get_current_timezone())


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (at(2027, 3, 9, 10, 7), "today 10:07"),
        (at(2027, 3, 4, 8, 31), "4 March 08:31"),
        (at(2026, 1, 14), "14 January 2026"),
    ],
)
def test_a_moment_is_said_as_shortly_as_it_is_clear(
    when: datetime, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at(2027, 3, 9, 18))

    assert desk.moment(when) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(seconds=61), "1 min"),
        (timedelta(minutes=38), "38 min"),
        (timedelta(hours=5), "5 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=19), "19 d"),
    ],
)
def test_an_age_uses_the_largest_unit_that_fits(passed: timedelta, words: str) -> None:
    assert f">{words}</time>" in desk.age(timezone.now() - passed)


def test_lines_of_a_message_lead_somewhere_only_where_they_were_meant_to() -> None:
    said = desk.lines_of(["<b>", format_html('<a href="/x/">{}</a>', "<i>")])
    shown = "{{ m|headline }}{% for line in m|details %} {{ line }}{% endfor %}"

    assert drawn(shown, m=Message(SUCCESS, said)) == '&lt;b&gt; <a href="/x/">&lt;i&gt;</a>'
    assert drawn(shown, m=Message(SUCCESS, "<b>\n<i>")) == "&lt;b&gt; &lt;i&gt;"
