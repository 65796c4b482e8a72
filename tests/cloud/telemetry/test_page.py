"""docs/telemetry.md held against what the app really sends while it rotates every kind of credential."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

from cloud.storage.backlog import EVERY, QUEUES
from cloud.telemetry.reports import FAILED, PERSONAL, Reports, public, record
from engine.errors import RekeyError, TransientError
from engine.service import MAX_TRIES
from engine.state.entry import STATES, UNKNOWN_KIND
from engine.state.request import Action, Outcome, Result, Task, TaskResult, Trigger
from tests.api.test_github import deliver, hooked
from tests.cloud.storage.watching import dead_letter, queues
from tests.proof.places import PLACES
from tests.shared.builders import item
from tests.shared.collected import Collected, attributes, providers
from tests.shared.consuming import HOOKS, SHOP, TEAMS_URL, WORKER, Consuming, remind, to_chat
from tests.shared.delivery import Delivery
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.promises import Place
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, refuse, scene, to_arm, to_vault

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "telemetry.md").read_text()
DAY = 86_400


STAY = {"waiting", "skipped"}
"""How an errand ends for now, too."""
NOT_SHOWN = {
    f"rekey.{step}"
    for step in (
        *("publish_replica", "disable_replica", "undo", "unpark", "tidy", "probe"),
        *("match", "prove", "refresh"),
    )
}
"""Spans of steps that the runs below need not come by."""


def table(first: str) -> dict[str, list[str]]:
    """Return the rows of the page's table whose first heading this is, by their first cell."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows[cells[0].strip("| ")] = cells[1:]
    return rows


def words(cell: str) -> set[str]:
    """Return what is written as code in a cell."""
    return set(re.findall(r"`([^`]+)`", cell))


async def life(place: Place) -> None:
    """Rotate, come again, sweep, retire and audit one secret."""
    rig = place.rig
    service = Rig.service(rig)
    await service.engine.queue.post_rotation(rig.item(place.name, trigger="event"))
    await Delivery(rig, lambda: service).run()
    rig.clock.advance(8 * DAY)
    await service.sweep_vault(json.dumps({"vault": rig.vault.url}))
    await Delivery(rig, lambda: service).run()
    await service.engine.queue.post_rotation(
        rig.item(place.name, action="audit", requested_by="someone@example.com")
    )
    await Delivery(rig, lambda: service).run()


async def trouble() -> None:
    """Let everything happen that is no plain rotation."""
    rig = scene()
    refuse(rig, 503, "Busy", to_vault("PUT"))
    event = {"trigger": "event"}
    for fields in (event, event, {"force": True}, {"action": "restore"}):
        rig.clock.advance(61)
        with suppress(RekeyError):
            await rig.service().rotate(rig.item(NAME, **fields).to_json(), 1)
    healed = scene()
    await healed.service().rotate(healed.item(NAME).to_json(), 1)
    healed.world.accounts["appdata"].regenerate("key2")
    healed.clock.advance(DAY)
    await healed.service().rotate(healed.item(NAME, action="audit").to_json(), 1)
    denied = scene()
    refuse(denied, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await denied.service().rotate(denied.item(NAME).to_json(), 1)
    skipped = scene(days_left=80)
    await skipped.service().rotate(skipped.item(NAME).to_json(), 1)
    skipped.service().engine.reporter.denied("caller", "http_rotate")
    leaked = scene()
    now = leaked.clock.now().isoformat()
    await leaked.service().rotate(leaked.item(NAME, compromised=True, reported=now).to_json(), 1)
    assert (await ask(scene().api())).status == 202


async def policies() -> None:
    """Read a policy document that can be followed, one that cannot, and none."""
    for texts in ((EMPTY,), (EMPTY, "version: 7\n"), ()):
        rig = PolicyRig()
        for text in texts:
            rig.push(text)
        with suppress(TransientError):
            await rig.service().policies.current()


async def looking_ahead() -> None:
    """Ask a workspace who uses a key, before an account's first rotation."""
    rig = scene()
    rig.environment = {"REKEY_LOGS_WORKSPACE": rig.world.add_log_workspace("central").id}
    await ask(rig.api(), dry_run="true")


async def errands() -> None:
    """Refresh apps and tell owners, with and without success, and remind one."""
    rig = Consuming(SHOP, WORKER, further=HOOKS)
    rig.site()
    rig.container()
    rig.vault.put("chat-all", TEAMS_URL)
    await rig.rotate()
    busy = Consuming(SHOP, further=HOOKS)
    refuse(busy, 503, "Busy", to_chat)
    busy.vault.put("chat-all", TEAMS_URL)
    await busy.rotate()
    await Consuming(SHOP, further=HOOKS).rotate()
    await Consuming().task("tell")
    await remind()


async def watching() -> None:
    """Let the timers run, and give messages up."""
    rig = scene()
    queues(rig)
    await dead_letter(rig, "an-event")
    await rig.service().sweep({}, past_due=False)
    await rig.service().recheck()
    for take in (rig.service().on_event, rig.service().sweep_vault):
        with suppress(RekeyError):
            await take("nonsense", MAX_TRIES)
    await rig.service().park("nonsense", "a-message")
    reporting, github = hooked()
    github.status = 502
    await deliver(reporting.api())


@pytest.fixture(scope="module")
def sent() -> Collected:
    """Everything that is sent in the life of one secret of each kind, and in trouble."""

    async def play() -> None:
        for make in PLACES.values():
            await life(make())
        await trouble()
        await looking_ahead()
        await errands()
        await policies()
        await watching()

    collected = providers()
    with collected.on():
        asyncio.run(play())
        collected.collect()
    return collected


def observed(sent: Collected, metric: str, dimension: str) -> set[str]:
    return {
        str(dict(dimensions)[dimension]) for name, dimensions, _ in sent.points() if name == metric
    }


def test_the_page_lists_every_metric_with_exactly_its_dimensions(sent: Collected) -> None:
    metrics: dict[str, set[str]] = {}
    for name, dimensions, _ in sent.points():
        metrics.setdefault(name, set()).update(dict(dimensions))
    assert metrics == {
        name: words(cells[1]) for row, cells in table("metric").items() for name in words(row)
    }


def test_the_page_lists_every_value_of_an_enumerated_dimension(sent: Collected) -> None:
    rows = table("dimension")
    for row, metric, values in (
        ("`outcome` of `rekey.rotations`", "rekey.rotations", {*get_args(Result), FAILED}),
        ("`outcome` of `rekey.errands`", "rekey.errands", {*get_args(TaskResult), FAILED}),
        ("`errand`", "rekey.errands", set(get_args(Task))),
        ("`state` of `rekey.secrets`", "rekey.secrets", set(STATES)),
        ("`queue` of `rekey.poison`", "rekey.poison", {*QUEUES, "leaks"}),
        ("`where`", "rekey.access.denied", {"azure", "caller"}),
    ):
        dimension = row.split("`")[1]
        assert observed(sent, metric, dimension) == values
        assert words(rows[row][0]) - {"rekey.queue.messages", "what"} == values
    assert words(rows["`state` of `rekey.policy`"][0]) == observed(sent, "rekey.policy", "state")
    assert observed(sent, "rekey.queue.messages", "queue") == set(EVERY)
    assert words(rows["`trigger`"][0]) == set(get_args(Trigger))
    assert words(rows["`rotator`"][0]) == {UNKNOWN_KIND}
    kinds = {*scene().service().engine.rotators, UNKNOWN_KIND}
    assert observed(sent, "rekey.rotations", "rotator") <= kinds
    swept = words(rows["`outcome` of `rekey.sweeps`"][0])
    assert observed(sent, "rekey.sweeps", "outcome") <= swept


def test_the_page_lists_every_service_and_operation(sent: Collected) -> None:
    listed = {
        name: words(cells[0]) for row, cells in table("service").items() for name in words(row)
    }
    seen: dict[str, set[str]] = {}
    for name, dimensions, _ in sent.points():
        if name == "rekey.azure.calls":
            named = {key: str(value) for key, value in dimensions}
            seen.setdefault(named["service"], set()).add(named["operation"])
            assert re.fullmatch(r"\d{3}|failed|ok|refused", named["status"])
    assert set(listed) == words(table("dimension")["`service`"][0])
    assert set(seen) == set(listed) - {"eventgrid"}
    for service, operations in seen.items():
        assert operations <= listed[service], service


def test_the_page_lists_every_span_and_attribute(sent: Collected) -> None:
    listed = {name for row in table("span") for name in words(row)}
    span_names = {span.name for span in sent.spans}
    assert span_names <= listed
    assert listed - span_names <= NOT_SHOWN
    names = {name for row in table("attribute") for name in words(row)}
    rotations = sent.named("rekey.rotation")
    assert {name for span in sent.spans for name in attributes(span)} == names
    for span in rotations:
        assert set(attributes(span)) - {"error.type"} == names - {"error.type"}
    assert {attributes(span)["rekey.action"] for span in rotations} <= set(get_args(Action))


def steps() -> Iterator[str]:
    for path in (*(ROOT / "engine").rglob("*.py"), *(ROOT / "leaks").rglob("*.py")):
        text = path.read_text()
        yield from re.findall(r'(?:step|changing|sending)\("([a-z ]+)"\)', text)
        yield from re.findall(r'step: str = "([a-z ]+)"', text)
        yield from re.findall(
            r'(?:retag|disable|vault_writer\.publish|accepted)\([^()]*?"([a-z ]+)"', text
        )


def test_the_page_lists_exactly_the_steps_that_the_engine_takes() -> None:
    listed = {name for row in table("span") for name in words(row)}
    listed -= {"rekey.rotation", "rekey.errand"}
    assert listed == {f"rekey.{step.replace(' ', '_')}" for step in steps()}


def audited(sent: Collected, result: str) -> list[dict[str, object]]:
    bodies = [
        str(record.log_record.body)
        for record in sent.records()
        if record.instrumentation_scope and record.instrumentation_scope.name == "rekey.audit"
    ]
    return [record for record in map(json.loads, bodies) if record["result"] == result]


def test_the_page_lists_exactly_what_an_audit_record_holds(sent: Collected) -> None:
    outcome = Outcome(item(), "skipped", "why")
    text = " ".join(PAGE.split("`rekey.audit` has", 1)[1].split())
    first, rest = text.split("one for each sweep", 1)
    assert words(first.split(" with ", 1)[1]) == set(record(outcome))
    assert set(record(outcome)) - set(public(record(outcome))) == PERSONAL
    by_sweep, by_hand = rest.split("one for each request by hand", 1)
    (swept, *_), (requested, *_) = audited(sent, "swept"), audited(sent, "asked")
    assert words(by_sweep) - {"swept"} == set(swept)
    by_hand = by_hand.split("The events", 1)[0]
    assert words(by_hand) - {"asked", "refused", "declined"} == set(requested)


def test_nobody_is_named_outside_the_audit_log(sent: Collected) -> None:
    who = "someone@example.com"
    assert any(who in str(record.log_record.body) for record in sent.records())
    assert who not in "".join(span.to_json() for span in sent.spans) + repr(sent.points())


def test_reports_have_no_other_way_out() -> None:
    """A new method of the reporter must come with its line on the page."""
    public_names = {name for name in vars(Reports) if not name.startswith("_")}
    assert public_names == {
        "handling", "about", "planned", "step", "concluded", "followed", "waits", "swept", "given_up", "denied", "refused"
    }  # fmt: skip
