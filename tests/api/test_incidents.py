"""An incident rotates and cuts off a scope once, at Azure's pace, and tells its progress."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from api import incidents
from api.access import BY_KEY
from api.answers import Answer
from api.app import Api
from engine.state.incident import MOST_NAMED, UNSERVED
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.inventory import Inventory
from tests.engine.sweep.test_unserved import replaced
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import refuse, send, to_vault
from tests.unchanged import unchanged

REASON = "a laptop was stolen"


def scattered() -> Rig:
    """Return a rig with secrets of three accounts, and two that are none of Rekey's business."""
    rig = Rig()
    for name in ("app-one", "app-two", "batch"):
        rig.secret(name, rig.account(name.replace("-", "")), days_left=80)
    rig.secret("plain", rig.world.accounts["batch"], tags={"ProviderAddress": None})
    rig.secret("off", rig.world.accounts["batch"], enabled=False)
    rig.clock.advance(60)
    return rig


async def begin(
    api: Api, query: dict[str, str] | None = None, key: str = "one", **body: Any
) -> Answer:
    text = json.dumps({"reason": REASON, **body}).encode()
    headers = {"idempotency-key": key} if key else {}
    return await send(api, "http_incident", query=query, body=text, headers=headers)


async def progress(api: Api, accepted: Answer) -> dict[str, Any]:
    path = {"incident": accepted.headers["Location"].rpartition("/")[2]}
    answer = await send(api, "http_incident_progress", path)
    assert answer.status == 200
    body: dict[str, Any] = answer.body
    return body


async def deliver_orders(rig: Rig, *, keep: bool = False) -> None:
    """Let the app work on the orders that wait on the queue `sweeps`."""
    service, queue = rig.service(), rig.queue("sweeps")
    for message in list(queue):
        await service.sweep_vault(base64.b64decode(message.body))
        if not keep:
            queue.remove(message)


async def carry_out(rig: Rig) -> None:
    await deliver_orders(rig)
    # What is hidden comes back every quarter of an hour.
    await Delivery(rig, rig.service).run(within=timedelta(hours=2))


@pytest.fixture
def rig() -> Rig:
    return scattered()


async def test_everything_in_scope_is_replaced_and_cut_off_and_nothing_else_is_touched() -> None:
    rig = scattered()
    api = rig.api()
    accounts = rig.world.accounts
    old = {name: {key.value for key in accounts[name].keys.values()} for name in accounts}
    accepted = await begin(api, name="app-*")
    assert accepted.status == 202
    await carry_out(rig)
    new = {name: {key.value for key in accounts[name].keys.values()} for name in accounts}
    for name in ("appone", "apptwo"):
        assert not new[name] & old[name], "a credential that was held still works"
    assert new["batch"] == old["batch"]
    assert await progress(api, accepted) == {
        "id": accepted.body["id"],
        "since": accepted.body["since"],
        "requested_by": BY_KEY,
        "reason": REASON,
        "vaults": ["prod"],
        "name": "app-*",
        "source": "",
        "version": "",
        "secrets": 2,
        "rotated": 2,
        "waiting": 0,
        "needs_a_person": 0,
        "named": [],
        "waiting_for": [],
        "lingers": [],
        "status": "ended",
    }


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ({"everything": True}, {"app-one", "app-two", "batch", "off"}),
        ({"vault": "prod"}, {"app-one", "app-two", "batch", "off"}),
        ({"name": "BATCH"}, {"batch"}),
        ({"source": "{appone}"}, {"app-one"}),
        ({"source": "{appone}/"}, {"app-one"}),
        ({"source": "{group}"}, {"app-one", "app-two", "batch", "off"}),
        ({"source": "{appone}", "name": "batch"}, set()),
    ],
)
async def test_a_scope_is_a_vault_a_pattern_of_names_or_a_source(
    rig: Rig, scope: dict[str, Any], names: set[str]
) -> None:
    account = rig.world.accounts["appone"].resource_id
    source = scope.get("source", "").format(appone=account, group=account.split("/providers/")[0])
    await begin(rig.api(), **(scope | ({"source": source} if source else {})))
    await deliver_orders(rig)
    items = rig.messages("rotations")
    assert {item["secret"] for item in items} == names
    assert all(item["compromised"] and item["reason"] == REASON for item in items)
    # Of what is disabled the vault does not say which version it is.
    assert {item["secret"] for item in items if not item["version"]} == names & {"off"}


async def test_progress_is_told_while_it_runs_and_names_who_needs_a_person(rig: Rig) -> None:
    api = rig.api()
    accepted = await begin(api, everything=True)
    waiting = await progress(api, accepted)
    assert (waiting["secrets"], waiting["waiting"], waiting["status"]) == (4, 3, "running")
    rig.world.remove_account("batch")
    await carry_out(rig)
    ended = await progress(api, accepted)
    assert (ended["rotated"], ended["needs_a_person"], ended["status"]) == (2, 2, "needs a person")
    named = {row["secret"]: row["reason"] for row in ended["named"]}
    assert set(named) == {"batch", "off"}
    assert all(named.values())


async def test_a_dry_run_counts_names_what_would_be_cut_off_and_changes_nothing(rig: Rig) -> None:
    with unchanged(rig):
        answer = await begin(rig.api(), {"dry_run": "true"}, key="", everything=True)
    assert (answer.status, answer.body["secrets"], answer.body["waiting"]) == (200, 4, 3)
    named = {row["secret"]: row for row in answer.body["waiting_for"]}
    assert set(named) == {"app-one", "app-two", "batch"}
    assert named["batch"]["vault"] == "prod"
    assert named["batch"]["source"] == rig.world.accounts["batch"].resource_id.lower()
    assert (await listed(rig.api())) == []


async def listed(api: Api) -> list[dict[str, Any]]:
    answer = await send(api, "http_incidents")
    assert answer.status == 200
    incidents: list[dict[str, Any]] = answer.body["incidents"]
    return incidents


async def test_incidents_are_listed_newest_first_with_who_why_and_what(rig: Rig) -> None:
    api = rig.api()
    first = await begin(api, name="app-*")
    rig.clock.advance(60)
    second = await begin(api, key="two", vault=rig.vault.url)
    again = await begin(api, key="two", vault=rig.vault.url)
    assert again.body == second.body
    assert [row["id"] for row in await listed(api)] == [second.body["id"], first.body["id"]]
    newest = (await listed(api))[0]
    assert newest["since"] == f"{rig.clock.now():%Y-%m-%dT%H:%M:%SZ}", "dated as it was reported"
    assert newest["id"].startswith(f"{rig.clock.now():%Y%m%dT%H%M%SZ}-")
    counts = ("secrets", "rotated", "waiting", "needs_a_person")
    assert [newest[name] for name in counts] == [4, 0, 3, 1]
    shown = {name: text for name, text in newest.items() if name not in counts}
    assert {**shown, "named": [], "status": "queued"} == second.body
    assert second.headers["Location"] == f"/api/incidents/{newest['id']}"


async def test_an_incident_is_asked_for_by_its_id_and_tells_only_of_its_own_scope(rig: Rig) -> None:
    api = rig.api()
    first, other = await begin(api, name="app-one"), await begin(api, key="two", name="batch")
    assert first.body["id"] != other.body["id"]
    assert [row["secret"] for row in (await progress(api, first))["waiting_for"]] == ["app-one"]
    assert [row["secret"] for row in (await progress(api, other))["waiting_for"]] == ["batch"]


@pytest.mark.parametrize(
    "incident", ["20260101T000000Z-00000000", "..", "", "x" * 500, "2026%2F", "\ud800"]
)
async def test_an_incident_that_never_was_is_a_404_and_tells_of_no_other(incident: str) -> None:
    rig = scattered()
    api = rig.api()
    await begin(api, everything=True)
    answer = await send(api, "http_incident_progress", {"incident": incident})
    assert answer.status == 404
    assert "GET /api/incidents" in answer.body["fix"]


async def test_an_incident_of_a_process_that_died_early_is_left_to_the_repetition(rig: Rig) -> None:
    refuse(
        rig, 503, "Busy", lambda request: "/incidents/" in request.path and request.method == "PUT"
    )
    assert (await begin(rig.api(), everything=True)).status == 503
    assert rig.messages("sweeps") == []
    assert (await begin(rig.api(), everything=True)).status == 202
    assert len(await listed(rig.api())) == len(rig.messages("sweeps")) == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"everything": True, "reason": ""}, "reason"),
        ({"everything": True, "reason": "   "}, "reason"),
        ({}, "scope"),
        ({"everything": False}, "scope"),
        ({"source": " "}, "scope"),
        ({"vault": "\t"}, "scope"),
        ({"source": "appdata"}, "source"),
        ({"source": "/"}, "source"),
        ({"everything": "true"}, "everything"),
        ({"everything": True, "name": "app-*"}, "#/name"),
        ({"everything": True, "vault": "prod"}, "#/vault"),
        ({"everything": True, "source": "/subscriptions/1"}, "#/source"),
        ({"everything": True, "key": ""}, "UUID"),
        ({"colour": "blue"}, "colour"),
        *(({"name": name}, "name") for name in ("*" * 127 + "-one", "app-?ne", "[a-z]*", "a b")),
        ({"name": "\ud800"}, "name"),
    ],
)
async def test_an_incident_whose_scope_or_reason_is_unclear_is_a_400_and_does_nothing(
    rig: Rig, body: dict[str, Any], named: str
) -> None:
    """A pattern is never cut or guessed at, and nothing is replaced twice when repeated."""
    with unchanged(rig):
        answer = await begin(rig.api(), **body)
    assert answer.status == 400
    assert named in str(answer.body)


async def test_an_unknown_vault_is_a_404() -> None:
    assert (await begin(scattered().api(), vault="foreign")).status == 404


@pytest.mark.parametrize("query", [{}, {"dry_run": "true"}])
@pytest.mark.parametrize("sent", ["begins like it", "another secret's", "mistyped"])
async def test_a_version_that_its_secret_never_had_is_a_404_and_parks_nothing(
    rig: Rig, sent: str, query: dict[str, str]
) -> None:
    """Key Vault deletes no single version, and nobody could prove that this one is refused."""
    whole = str(rig.latest("app-one").version)
    others = str(rig.latest("app-two").version)
    version = {"begins like it": whole[:8], "another secret's": others}.get(sent, "0" * 32)
    with unchanged(rig):
        answer = await begin(rig.api(), query, vault="prod", name="app-one", version=version)
    assert answer.status == 404
    assert (whole in answer.body["fix"]) == (sent == "begins like it")


async def test_a_leaked_version_waits_for_no_vault_that_cannot_be_listed(rig: Rig) -> None:
    refuse(rig, 403, "Forbidden", lambda sent: sent.path.endswith("/app-one/versions"), times=99)
    version = str(rig.latest("app-one").version)
    answer = await begin(rig.api(), vault="prod", name="app-one", version=version)
    assert answer.status == 202


async def test_a_version_that_only_a_record_remembers_is_taken(rig: Rig) -> None:
    """Its secret was purged and made anew, and its source may still accept it."""
    lost = str(rig.latest("app-one").version)
    await rig.work("app-one", force=True)
    rig.vault.secrets["app-one"] = [rig.latest("app-one")]
    answer = await begin(rig.api(), vault="prod", name="app-one", version=lost)
    assert answer.status == 202


@pytest.mark.parametrize(
    ("of_one", "silent"), [(True, "/secrets/app-one/versions"), (False, "/secrets")]
)
async def test_an_incident_waits_for_nothing_that_is_only_to_be_checked_or_named(
    of_one: bool, silent: str, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.work("batch", force=True)
    rig.vault.delete("batch")
    monkeypatch.setattr(incidents, "NAMING_SECONDS", 0.0)
    scope: dict[str, Any] = {"everything": True}
    if of_one:
        version = rig.latest("app-one").version
        scope = {"vault": "prod", "name": "app-one", "version": version}

    async def stay_silent(request: Request, call: Call) -> Response:
        if request.path == silent:
            await asyncio.Event().wait()
        return await call()

    async with asyncio.timeout(60):
        answer = await begin(rig.api(stay_silent), **scope)
    assert answer.status == 202


async def test_a_pattern_that_means_nothing_ends_as_nothing_in_scope(rig: Rig) -> None:
    api = rig.api()
    accepted = await begin(api, name="no-such-*")
    await carry_out(rig)
    assert (await progress(api, accepted))["status"] == "nothing in scope"


async def reported(api: Api, accepted: Answer) -> dict[str, Any]:
    path = {"incident": accepted.headers["Location"].rpartition("/")[2]}
    answer = await send(api, "http_incident_report", path)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def test_the_incident_of_a_version_runs_until_each_source_that_it_may_be_of_is_asked() -> (
    None
):
    """Its tag names another one since, which refuses it and proves nothing by that."""
    rig = Rig()
    other = rig.account("other")
    leaked = str(rig.secret("app-one", rig.account("appone")).version)
    first = rig.world.accounts["appone"].resource_id.lower()
    await rig.note(first, "app-one", kind="storage-key", touched=leaked)
    rig.tag("app-one", ProviderAddress=other.resource_id)
    await rig.work("app-one", version=leaked, force=True)
    rig.clock.advance(60)
    accepted = await begin(rig.api(), vault="prod", name="app-one", version=leaked)
    refuse(rig, 500, "Broken", lambda it: it.host.startswith("appone."), times=4)
    await Delivery(rig, rig.service).run(within=timedelta(seconds=30))
    known = await rig.known(other.resource_id.lower())
    assert known.compromised.is_refused(leaked)
    assert (await progress(rig.api(), accepted))["status"] == "running"
    await carry_out(rig)
    assert (await progress(rig.api(), accepted))["status"] == "ended"
    assert (await rig.known(first)).compromised.is_refused(leaked)


async def test_the_list_tells_how_far_each_incident_has_come(rig: Rig) -> None:
    await begin(rig.api(), name="app-*")
    await carry_out(rig)
    rig.clock.advance(60)
    await begin(rig.api(), key="two", name="batch")
    running, over = await listed(rig.api())
    assert (running["status"], running["waiting"]) == ("running", 1)
    assert (over["status"], over["secrets"], over["rotated"]) == ("ended", 2, 2)


async def test_no_incident_has_ended_while_its_order_is_still_to_be_carried_out(rig: Rig) -> None:
    """All that is in use may be new by then, and something older still works."""
    api = rig.api()
    accepted = await begin(api, name="app-*")
    rig.clock.advance(60)
    for name in ("app-one", "app-two"):
        await rig.work(name, compromised=True)
    shown = await progress(api, accepted)
    assert (shown["rotated"], shown["waiting"], shown["status"]) == (2, 0, "running")
    (row,) = await listed(api)
    evident = await reported(api, accepted)
    assert (row["status"], evident["status"], evident["ended"]) == ("running", "running", None)
    await carry_out(rig)
    assert (await progress(api, accepted))["status"] == "ended"


async def test_incidents_whose_vault_cannot_be_read_are_listed_without_their_progress() -> None:
    rig = scattered()
    accepted = await begin(rig.api(), name="app-*")
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    (row,) = await listed(rig.api())
    assert (row["id"], row["status"], row["secrets"]) == (accepted.body["id"], None, None)


@pytest.mark.parametrize(("status", "stands"), [(403, "needs a person"), (503, "running")])
async def test_a_vault_that_cannot_be_listed_is_named_in_place_of_its_secrets_and_ends_nothing(
    status: int, stands: str
) -> None:
    rig = Inventory()
    rig.secret("app-one", rig.account("appone"), days_left=80)
    rig.add("far", vault=rig.shared)
    rig.clock.advance(60)
    api = rig.api()
    refuse(
        rig, status, "Refused", lambda sent: "shared" in sent.host and sent.path == "/secrets", 99
    )
    forecast = await begin(api, {"dry_run": "true"}, everything=True)
    accepted = await begin(api, everything=True)
    rig.clock.advance(60)
    await rig.work("app-one", compromised=True)
    shown, evident = await progress(api, accepted), await reported(api, accepted)
    (row,) = await listed(api)
    for counts in (forecast.body, shown):
        (named,) = counts["named"]
        assert (named["vault"], named["secret"], counts["needs_a_person"]) == ("shared", "*", 1)
        assert f"answered {status}" in named["reason"]
        assert (counts["secrets"], bool(named["fix"])) == (2, status == 403)
    assert (forecast.body["waiting"], shown["rotated"]) == (1, 1)
    assert {shown["status"], row["status"], evident["status"]} == {stands}
    assert evident["ended"] is None
    page = (await send(api, "http_dashboard", query={"incident": row["id"]})).text()
    assert f"answered {status}" in page
    assert (page.count('<a href="?vault=shared">all secrets</a>'), "%2A" in page) == (2, False)
    rig.world.faults.clear()
    assert [it["secret"] for it in (await progress(api, accepted))["waiting_for"]] == ["far"]


async def test_a_vault_that_cannot_be_listed_is_named_before_secrets_that_need_a_person() -> None:
    """A report names only so many of those."""
    rig = Inventory()
    for number in range(MOST_NAMED):
        rig.add(f"by-hand-{number}", Manual="true")
    rig.add("far", vault=rig.shared)
    rig.clock.advance(60)
    refuse(rig, 403, "Refused", lambda sent: "shared" in sent.host and sent.path == "/secrets", 99)
    shown = await progress(rig.api(), await begin(rig.api(), everything=True))
    assert (shown["needs_a_person"], len(shown["named"])) == (MOST_NAMED + 1, MOST_NAMED)
    assert (shown["named"][0]["vault"], shown["named"][0]["secret"]) == ("shared", "*")


async def test_a_report_names_each_secret_with_what_replaced_it_and_how_it_was_proven() -> None:
    rig = scattered()
    api = rig.api()
    old = {name: rig.latest(name) for name in ("app-one", "app-two")}
    accepted = await begin(api, name="app-*")
    running = await reported(api, accepted)
    assert (running["status"], running["ended"]) == ("running", None)
    assert [row["status"] for row in running["secrets"]] == ["waiting", "waiting"]
    await carry_out(rig)
    shown = await reported(api, accepted)
    assert (shown["format"], shown["status"]) == ("rekey-incident-report/1", "ended")
    assert shown["incident"]["id"] == accepted.body["id"]
    assert [row["secret"] for row in shown["secrets"]] == ["app-one", "app-two"]
    for row in shown["secrets"]:
        (cut_off,) = row["cut_off"]
        assert cut_off["version"] == old[row["secret"]].version
        assert cut_off["credential"] == "key1"
        assert cut_off["proof"] == "tried at its source, which refused it twice in a row"
        assert row["replaced_by"] == rig.latest(row["secret"]).version
        assert shown["incident"]["since"] < row["replaced"] <= row["refused"] == cut_off["refused"]
    assert shown["ended"] == max(row["refused"] for row in shown["secrets"])
    steps = [(step["step"], step["secret"]) for step in shown["steps"]]
    assert steps[0] == ("reported", None)
    assert steps[-1] == ("ended", None)
    done = {(step, name) for step in ("replaced", "refused") for name in ("app-one", "app-two")}
    assert set(steps[1:-1]) == done
    assert [step["at"] for step in shown["steps"]] == sorted(step["at"] for step in shown["steps"])


async def test_a_report_names_the_older_credential_that_was_inside_its_overlap_too() -> None:
    rig = scattered()
    first = rig.latest("app-one").version
    await rig.service().rotate(rig.item("app-one", force=True).to_json(), 1)
    second = rig.latest("app-one").version
    rig.clock.advance(60)
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    (row,) = (await reported(rig.api(), accepted))["secrets"]
    assert [old["version"] for old in row["cut_off"]] == [second, first]
    assert all(old["proof"] for old in row["cut_off"])


async def test_a_report_tells_of_a_vault_that_is_not_served_any_more(rig: Rig) -> None:
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    replaced(rig, "other")
    (row,) = (await reported(rig.api(), accepted))["secrets"]
    assert row["reason"].startswith(UNSERVED)


async def test_a_report_leaves_out_no_proof_that_cannot_be_read_just_now(rig: Rig) -> None:
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    refuse(rig, 503, "ServerBusy", lambda it: it.method == "GET" and "/sources/" in it.path, 99)
    path = {"incident": accepted.body["id"]}
    assert (await send(rig.api(), "http_incident_report", path)).status == 503


async def test_a_report_stays_as_it_was_after_ordinary_rotations(rig: Rig) -> None:
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    before = await reported(rig.api(), accepted)
    rig.clock.advance(86_400)
    await rig.service().rotate(rig.item("app-one", force=True).to_json(), 1)
    after = await reported(rig.api(), accepted)
    assert {**after, "made": ""} == {**before, "made": ""}


async def test_a_report_says_of_a_secret_that_needs_a_person_why_and_claims_no_end() -> None:
    rig = scattered()
    accepted = await begin(rig.api(), vault="prod")
    await carry_out(rig)
    shown = await reported(rig.api(), accepted)
    assert (shown["status"], shown["ended"]) == ("needs a person", None)
    (off,) = [row for row in shown["secrets"] if row["secret"] == "off"]
    assert (off["status"], off["refused"]) == ("needs a person", None)
    assert "may still be accepted" in off["reason"]
    assert off["fix"]


async def test_a_replica_is_reported_with_the_proof_of_its_primary(rig: Rig) -> None:
    primary = f"{rig.vault.url}/secrets/batch"
    copy = {"ProviderAddress": None, "ReplicaOf": primary}
    rig.secret("copy", rig.world.accounts["batch"], tags=copy)
    rig.vault.put(
        "batch",
        rig.latest("batch").value,
        tags={**rig.tags("batch"), "Replicas": f"{rig.vault.url}/secrets/copy"},
    )
    rig.clock.advance(60)
    accepted = await begin(rig.api(), name="copy")
    await carry_out(rig)
    (row,) = (await reported(rig.api(), accepted))["secrets"]
    assert (row["status"], row["replica_of"]) == ("refused", primary)
    assert row["replaced_by"] == rig.latest("copy").version
    assert row["cut_off"][0]["proof"]
