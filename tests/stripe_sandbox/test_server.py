"""What cannot be mistaken for Stripe, who may come in, and what a killed process keeps."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import stripe

from stripe_sandbox.forms import decode
from stripe_sandbox.server import SandboxServer

from .tools import KEY, Control, make_client, raw

ROOT = Path(__file__).resolve().parents[2]


def test_only_this_machine() -> None:
    with pytest.raises(ValueError, match="this machine only"):
        SandboxServer(host="0.0.0.0")  # noqa: S104


@pytest.mark.parametrize("key", ["sk_live_abc1234", "rk_live_abc1234", "sk_test_abc1234", "sk_test_sandbox_", ""])
def test_other_keys_are_refused(server: SandboxServer, key: str) -> None:
    status, body, headers = raw(server.url, "GET", "/v1/refunds", key=key)

    assert status == 401
    assert body["error"]["type"] == "invalid_request_error"
    assert "code" not in body["error"]
    assert "Request-Id" in headers


def test_live_key_is_shouted_about_and_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = SandboxServer(state=tmp_path / "state.sqlite3").start()
    with caplog.at_level(logging.CRITICAL), pytest.raises(stripe.AuthenticationError):
        make_client(server.url, "sk_live_abcdefgh1234").v1.refunds.list()
    server.stop()

    assert "LIVE KEY" in caplog.text
    assert "abcdefgh" not in caplog.text
    assert all(b"abcdefgh" not in path.read_bytes() for path in tmp_path.iterdir())


def test_basic_authentication_works_too(server: SandboxServer) -> None:
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{server.url}/v1/refunds", auth=(KEY, "")).status_code == 200


def test_other_versions_are_refused(server: SandboxServer) -> None:
    status, body, _ = raw(server.url, "GET", "/v1/refunds", Stripe_Version="2024-06-20")

    assert (status, "2024-06-20" in body["error"]["message"]) == (400, True)


def test_headers_and_index_say_what_this_is(server: SandboxServer) -> None:
    _, _, headers = raw(server.url, "GET", "/v1/refunds")
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(server.url).text

    assert headers["Server"].startswith("stripe-sandbox (simulated)")
    assert headers["Stripe-Version"] == stripe.api_version
    assert "SIMULATED" in page


def test_a_key_acts_for_its_own_account_only(server: SandboxServer) -> None:
    own = raw(server.url, "GET", "/v1/account")[1]["id"]

    assert raw(server.url, "GET", "/v1/refunds", Stripe_Account=own)[0] == 200
    assert raw(server.url, "GET", "/v1/refunds", Stripe_Account="acct_other")[0] == 403


def test_web_pages_cannot_control_it(server: SandboxServer, client: stripe.StripeClient) -> None:
    status, _, _ = raw(server.url, "POST", "/_sandbox/faults", '{"fault": "reset"}', Origin="https://example.com")

    assert status == 403
    assert client.v1.refunds.list().data == []


def test_searching_is_left_out(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.search({"query": "amount>5"})

    assert caught.value.http_status == 404


def test_unknown_and_unsimulated_parameters_are_refused(server: SandboxServer) -> None:
    _, unknown, _ = raw(server.url, "POST", "/v1/refunds", "idempotency_key=k&charge=ch")
    _, unsimulated, _ = raw(server.url, "POST", "/v1/refunds", "reverse_transfer=true&charge=ch")

    assert (unknown["error"]["code"], unknown["error"]["param"]) == ("parameter_unknown", "idempotency_key")
    assert unsimulated["error"]["param"] == "reverse_transfer"


def test_brackets_are_decoded() -> None:
    raw_form = "metadata[a]=1&metadata%5Bb%5D=2&expand[0]=x&expand[]=y&created%5Bgte%5D=5&empty="

    assert decode(raw_form) == {
        "metadata": {"a": "1", "b": "2"},
        "expand": {"0": "x", "1": "y"},
        "created": {"gte": "5"},
        "empty": "",
    }


@pytest.mark.parametrize("metadata", [{"k" * 41: "v"}, {"k": "v" * 501}, {f"k{n}": "v" for n in range(51)}])
def test_metadata_has_limits(client: stripe.StripeClient, metadata: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"metadata": metadata})


def test_seeding_is_quiet_quick_and_repeatable(client: stripe.StripeClient, control: Control) -> None:
    payments = [
        {
            "id": f"pi_sim_{number}",
            "charge": f"ch_sim_{number}",
            "amount": 1000 + number,
            "currency": "EUR",
            "created": 1_790_000_000 + number,
            "last4": "1881",
            "refunds": [{"id": f"re_sim_{number}", "amount": 400}, {"amount": 300, "status": "failed"}],
        }
        for number in range(2000)
    ]
    payments[0]["dispute"] = {"id": "dp_sim_0", "status": "under_review", "due_by": 1_795_000_000}
    payments[1]["fault"] = "rate_limit"
    payments[2]["refundable"] = False
    body = {"account_key": KEY, "payments": payments}

    assert control("seed", body) == {"created": 2000, "skipped": 0}
    assert control("seed", body) == {"created": 0, "skipped": 2000}

    charge = client.v1.charges.retrieve("ch_sim_7", {"expand": ["balance_transaction", "payment_intent"]})
    assert (charge.amount_refunded, charge.payment_method_details.card.last4) == (400, "1881")
    assert (charge.balance_transaction.amount, charge.payment_intent.status) == (1007, "succeeded")
    assert client.v1.events.list().data == []
    assert client.v1.disputes.list({"charge": "ch_sim_0"}).data[0].id == "dp_sim_0"
    with pytest.raises(stripe.RateLimitError):
        client.v1.refunds.create({"payment_intent": "pi_sim_1"})
    with pytest.raises(stripe.InvalidRequestError, match="not refundable"):
        client.v1.refunds.create({"payment_intent": "pi_sim_2"})
    assert client.v1.refunds.create({"payment_intent": "pi_sim_3"}).amount == 603


def test_seeded_refund_waits_for_money(client: stripe.StripeClient, control: Control) -> None:
    refund = {"id": "re_sim_a", "amount": 60, "status": "pending", "pending_reason": "insufficient_funds"}
    payment = {"id": "pi_sim_a", "amount": 100, "currency": "eur", "refunds": [refund]}
    control("seed", {"account_key": KEY, "payments": [payment], "available": {"eur": 59}})

    control("tick", {})
    assert client.v1.refunds.retrieve("re_sim_a").pending_reason == "insufficient_funds"

    control("balance", {"account_key": KEY, "available": {"eur": 60}})
    assert client.v1.refunds.retrieve("re_sim_a").status == "succeeded"


def test_seeded_refunds_within_the_charge(control: Control) -> None:
    payment = {"id": "pi_sim_a", "amount": 100, "currency": "eur", "refunds": [{"amount": 101}]}

    with pytest.raises(OSError, match="400"):
        control("seed", {"payments": [payment]})

    assert control("state")["payment_intents"] == []


def test_state_shows_an_account(client: stripe.StripeClient, control: Control) -> None:
    control("seed", {"account_key": KEY, "payments": [{"id": "pi_sim_a", "amount": 100, "currency": "eur"}]})
    refund = client.v1.refunds.create({"payment_intent": "pi_sim_a", "amount": 40})

    state = control(f"state?account_key={KEY}")

    assert [found["id"] for found in state["refunds"]] == [refund.id]
    assert state["charges"][0]["amount_refunded"] == 40
    assert control("health")["simulated"]


def start_process(state: Path) -> tuple[subprocess.Popen[str], str]:
    """Run the sandbox as a program of its own; return it and its address."""
    command = [sys.executable, "-m", "stripe_sandbox", "--port", "0", "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, process.stdout.readline().rpartition(" ")[2].strip()


def end_process(process: subprocess.Popen[str], how: signal.Signals) -> None:
    os.kill(process.pid, how)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_killed_process_keeps_all_it_answered(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    process, url = start_process(state)
    payments = [{"id": "pi_sim_a", "amount": 100, "currency": "eur"}]
    Control(url)("seed", {"account_key": KEY, "payments": payments})
    Control(url)("clock", {"advance_seconds": 5000})
    Control(url).fault("rate_limit")
    with pytest.raises(stripe.RateLimitError):
        make_client(url).v1.refunds.create({"payment_intent": "pi_sim_a", "amount": 10})
    made = [
        make_client(url).v1.refunds.create({"payment_intent": "pi_sim_a", "amount": 10}, {"idempotency_key": f"{n}"}).id
        for n in range(5)
    ]
    end_process(process, signal.SIGKILL)

    process, url = start_process(state)
    client = make_client(url)
    again = client.v1.refunds.create({"payment_intent": "pi_sim_a", "amount": 10}, {"idempotency_key": "4"})
    found = [refund.id for refund in client.v1.refunds.list().data]
    end_process(process, signal.SIGTERM)

    assert again.id == made[-1]
    assert found == made[::-1]
    assert process.returncode == 0
