import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from dashboard.environment import flag, secret_key, words
from dashboard.settings import database


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("True", True), ("on", True), ("0", False), ("", False)])
def test_a_switch_reads_plain_words(monkeypatch: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    monkeypatch.setenv("SWITCH", text)

    assert flag("SWITCH") is expected


def test_an_unclear_switch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", "maybe")

    with pytest.raises(ImproperlyConfigured, match="SWITCH must be 1 or 0"):
        flag("SWITCH")


def test_a_switch_left_alone_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCH", raising=False)

    assert flag("SWITCH", default=True)
    assert not flag("SWITCH")


def test_words_are_parted_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS", "a.example, b.example,")

    assert words("HOSTS") == ["a.example", "b.example"]


def test_a_given_key_is_used_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "given")

    assert secret_key(tmp_path, may_be_generated=True) == "given"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_key_is_an_error_where_machines_must_share_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY")

    with pytest.raises(ImproperlyConfigured, match="Set SECRET_KEY"):
        secret_key(tmp_path, may_be_generated=False)


def test_processes_that_start_together_agree_on_a_private_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECRET_KEY")

    with ThreadPoolExecutor(8) as executor:
        keys = set(executor.map(lambda _number: secret_key(tmp_path / "var", may_be_generated=True), range(8)))

    assert len(keys) == 1
    assert len(keys.pop()) > 50
    assert stat.S_IMODE((tmp_path / "var" / "secret-key").stat().st_mode) == 0o600


def test_sqlite_takes_its_lock_first_and_postgresql_needs_no_such_thing() -> None:
    assert database("sqlite:////tmp/x.sqlite3")["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "transaction_mode" not in database("postgres://desk:secret@db.example:5432/desk").get("OPTIONS", {})


def test_every_page_carries_the_content_security_policy(client: Client) -> None:
    policy = client.get("/healthz").headers["Content-Security-Policy"]

    assert sorted(policy.split("; ")) == [
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
    ]
