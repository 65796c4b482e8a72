"""What a sweep finds, what it costs, and that it makes no difference how often events came."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from engine import service
from engine.errors import TransientError
from engine.state.sweep_order import SweepOrder
from simulator.wire import Request
from tests.shared.collected import Collected
from tests.shared.heard import Log
from tests.shared.many_vaults import rig_of
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FAR = 80.0


def order(rig: Rig, **changes: Any) -> str:
    """Return a sweep's order; by itself it has no room for any audit."""
    now = rig.clock.now()
    usual = SweepOrder(rig.vault.url, now, now, HOUR)
    return json.dumps({**json.loads(usual.to_json()), **changes})


async def sweep(rig: Rig, **changes: Any) -> list[dict[str, Any]]:
    await rig.service().sweep_vault(order(rig, **changes))
    return rig.messages("rotations")


def populated(due: int, others: int) -> Rig:
    """Return a rig with so many secrets that are due and so many that are not."""
    rig = Rig()
    account = rig.account("appdata")
    for number in range(due):
        rig.secret(f"due-{number}", account)
    for number in range(others):
        rig.secret(f"other-{number}", account, days_left=FAR)
    return rig


async def first_record(rig: Rig) -> None:
    """Let a sweep have been recorded, which makes the container."""
    await rig.service().watch.swept(
        SweepOrder(rig.vault.url, rig.clock.now(), rig.clock.now(), HOUR)
    )
    rig.calls()


@pytest.mark.parametrize(("due", "others"), [(60, 0), (0, 60), (3, 57), (0, 0), (1, 24), (1, 25)])
async def test_a_sweep_costs_one_call_for_25_secrets_and_one_message_for_each_that_is_due(
    due: int, others: int, caplog: Log
) -> None:
    """And one call for the records of all sources, one to note that it came to its end."""
    rig = populated(due, others)
    service = rig.service()
    rig.queue("rotations")
    await first_record(rig)
    with caplog.at_level(logging.INFO, "rekey.audit"):
        await service.sweep_vault(order(rig))
    assert {message["secret"] for message in rig.messages("rotations")} == {
        f"due-{number}" for number in range(due)
    }
    pages = max(1, -(-(due + others) // 25))
    expected = {"vault": pages, "host queue": due, "host blob": 2}
    assert rig.calls() == {key: count for key, count in expected.items() if count}
    seen = {"seen": due + others, "posted": due, "broken": 0}
    logged = {"result": "swept", "vault": rig.vault.url, **seen}
    assert json.loads(caplog.records[-1].message) == logged


async def test_pages_without_items_are_passed_over() -> None:
    rig = populated(30, 30)
    rig.vault.empty_pages = True
    assert len(await sweep(rig)) == 30


async def test_messages_are_posted_before_the_last_page_is_read() -> None:
    """A vault may be larger than memory or a function's time allow.

    So nothing is gathered first.
    """
    rig = populated(60, 0)
    await sweep(rig)
    requests = [exchange.request for exchange in rig.world.exchanges]
    posts = [
        place
        for place, request in enumerate(requests)
        if request.method == "POST" and ".queue." in request.host
    ]
    lists = [
        place
        for place, request in enumerate(requests)
        if request.path == "/secrets" and request.header("authorization")
    ]
    assert len(lists) == 3
    assert posts[0] < lists[1] < posts[-1]


async def test_a_message_tells_why_and_spares_the_worker_a_look_at_the_source(rig: Rig) -> None:
    (message,) = await sweep(rig)
    assert message["trigger"] == "sweep"
    assert message["action"] == "rotate"
    assert message["reason"].startswith("expires 2026-11-12")
    assert message["source"] == source_of(rig)
    assert message["version"] is None


async def test_only_secrets_of_the_vault_that_are_managed_enabled_and_due_are_sent_on() -> None:
    rig = scene(days_left=FAR)
    account = rig.world.accounts["appdata"]
    rig.secret("disabled", account, enabled=False)
    rig.secret("unmanaged", account, tags={"ProviderAddress": None})
    rig.secret("no-expiry", account, days_left=None)
    rig.secret("old", account, days_left=400, created=rig.clock.now() - 91 * DAY)
    rig.vault.put("deleted", "x")
    rig.vault.delete("deleted")
    assert {message["secret"] for message in await sweep(rig)} == {"no-expiry", "old"}


async def test_broken_secrets_do_not_stop_the_others_and_are_sent_on_to_be_parked(rig: Rig) -> None:
    account = rig.world.accounts["appdata"]
    broken = {
        "a-validity": {"ValidityPeriodDays": "sixty"},
        "b-address": {"ProviderAddress": "nowhere"},
        "c-retire": {"RekeyRetire": "soon"},
        "d-template": {"ValueTemplate": "{"},
        "e-kind": {"Rotator": "magic"},
        "f-foreign": {
            "ProviderAddress": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/other"
        },
    }
    for name, tags in broken.items():
        rig.secret(name, account, tags=tags)
    assert {message["secret"] for message in await sweep(rig)} == {NAME, *broken}


@pytest.mark.parametrize(("status", "code"), [(503, "ServerBusy"), (403, "AuthorizationFailure")])
async def test_a_queue_that_fails_midway_fails_the_sweep_and_a_repetition_does_no_harm(
    status: int, code: str
) -> None:
    """A refusal says nothing of the secret, so the sweep is tried again and nobody is blamed."""
    rig = populated(3, 0)
    rig.queue("rotations")
    posted = 0

    def second(request: Request) -> bool:
        nonlocal posted
        posted += request.method == "POST" and ".queue." in request.host
        return posted == 2

    refuse(rig, status, code, second)
    with pytest.raises(TransientError, match=code):
        await sweep(rig)
    assert len(await sweep(rig)) == 4


async def test_a_sweep_that_cannot_list_the_records_does_not_count_as_complete(caplog: Log) -> None:
    """Only tags are known then.

    The alert for sweeps that do not come to their end tells a person.
    """
    rig = populated(1, 1)
    refuse(rig, 403, "AuthorizationFailure", lambda request: request.query.get("comp") == "list")
    with caplog.at_level(logging.INFO):
        assert len(await sweep(rig)) == 1
    swept = [json.loads(record.message) for record in caplog.records if '"swept"' in record.message]
    assert [(summary["seen"], summary["broken"]) for summary in swept] == [(2, 1)]
    assert "the records of the sources cannot be listed" in caplog.text


async def test_a_sweep_that_cannot_list_the_records_counts_no_states(sent: Collected) -> None:
    """Tags alone do not tell what was dropped. A count of 0 would end its alert."""
    rig = populated(1, 1)
    refuse(rig, 403, "AuthorizationFailure", lambda request: request.query.get("comp") == "list")
    await sweep(rig)
    assert sent.metric("rekey.secrets") == {}
    await sweep(rig)
    assert sum(sent.metric("rekey.secrets").values()) == 2


@pytest.mark.parametrize("vault", ["https://foreign.vault.azure.net", "foreign", None, 7])
async def test_a_vault_that_is_not_listed_is_not_swept(vault: object, caplog: Log) -> None:
    rig = scene()
    rig.world.add_vault("foreign").put(NAME, "x")
    await rig.service().sweep_vault(json.dumps({"vault": vault}))
    assert "not in REKEY_VAULTS" in caplog.text
    assert rig.world.exchanges == []


@pytest.mark.parametrize("past_due", [False, True])
async def test_the_timer_orders_a_sweep_for_each_vault_measures_what_waits_and_says_if_it_is_late(
    rig: Rig, caplog: Log, sent: Collected, *, past_due: bool
) -> None:
    await rig.service().sweep({}, past_due=past_due)
    assert [message["vault"] for message in rig.messages("sweeps")] == [rig.vault.url]
    assert ("this sweep is late" in caplog.text) is past_due
    assert sent.metric("rekey.queue.messages")


async def test_a_vault_whose_sweep_cannot_be_ordered_keeps_no_other_from_it(
    sent: Collected,
) -> None:
    rig = rig_of(3)
    refuse(rig, 503, "ServerBusy", lambda sent: sent.path.endswith("/sweeps/messages"))
    with pytest.raises(TransientError, match="ServerBusy"):
        await rig.service().sweep({}, past_due=False)
    assert [message["vault"] for message in rig.messages("sweeps")] == [
        "https://team-0.vault.azure.net",
        "https://team-1.vault.azure.net",
    ]
    assert sent.metric("rekey.queue.messages")


async def test_a_sweep_makes_up_for_all_since_the_last_that_came_to_its_end(rig: Rig) -> None:
    """One that fails covers nothing, although the timer has ordered it."""
    covered = rig.clock.now()
    await first_record(rig)
    rig.clock.advance(5 * HOUR.total_seconds())
    last = (rig.clock.now() - HOUR).isoformat()
    await rig.service().sweep({"Last": last}, past_due=False)
    assert [message["since"] for message in rig.messages("sweeps")] == [covered.isoformat()]


async def test_a_sweep_whose_first_part_could_not_list_the_records_counts_no_states(
    sent: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SWEEP_SECONDS", -1.0)
    rig = Rig()
    rig.secret("a-first", rig.account("appdata"))
    await rig.work("a-first")
    rig.clock.advance(60)
    rig.vault.put("a-first", "by hand", tags={})  # Rekey's tags are gone: dropped, by its record
    for number in range(30):
        rig.vault.put(f"z-{number}", "x")
    refuse(rig, 403, "AuthorizationFailure", lambda it: it.query.get("comp") == "list")
    await rig.service().sweep_vault(order(rig))
    (more,) = rig.messages("sweeps")
    await rig.service().sweep_vault(json.dumps(more))
    counts = {dict(k)["state"]: v for k, v in sent.metric("rekey.secrets").items()}
    assert counts == {}


async def test_a_sweep_in_two_parts_counts_the_states_of_both(
    sent: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.0)
    rig = populated(1, 25)
    await rig.service().sweep_vault(order(rig))
    assert sent.metric("rekey.secrets") == {}
    (more,) = rig.messages("sweeps")
    await rig.service().sweep_vault(json.dumps(more))
    assert sum(sent.metric("rekey.secrets").values()) == 26


async def test_a_sweep_that_another_message_continues_is_not_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The alert on a late sweep goes by those that are."""
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.0)
    rig, ended = Rig(), []
    for number in range(26):
        rig.vault.put(f"plain-{number}", "x")
    now = rig.clock.now()
    text = SweepOrder(rig.vault.url, now, now, timedelta(hours=1)).to_json()
    for _ in range(2):
        await rig.service().sweep_vault(text)
        ended += [swept.ended for swept in await rig.service().watch.sweeps()]
        text = json.dumps(rig.messages("sweeps")[0])
    assert ended == [None, now]
