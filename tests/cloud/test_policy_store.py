"""The policy document: what cannot be followed never counts, and the last good one holds."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta

import pytest

import engine.secret
from cloud.azure import Azure
from cloud.policy_store import (
    BY,
    CONTENT_TYPE,
    FAILED_SECONDS,
    FRESH_SECONDS,
    LOOK_BACK,
    WHY,
    PolicyStore,
)
from cloud.vaults import KeyVaults
from engine.errors import NeedsHuman, TransientError
from engine.policy.change import Outdated
from engine.secret import SecretRef
from engine.state.policy import Policy
from simulator.faults import Fault
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Call, Intercept, SimulatedCredential, SimulatedTransport
from simulator.wire import Request, Response, json_response
from tests.shared.builders import VAULT
from tests.shared.collected import Collected, dims
from tests.shared.policies import ALL, DEPLOYED, EMPTY, OWN, PolicyRig
from tests.shared.rig import RigClock
from tests.unchanged import unchanged

BROKEN = "version: 1\ndefalts: {owner: planted-value}\nrules: [{match: {secret: 'a b'}}]\n"


def owned_by(name: str) -> str:
    """Write a document in which every secret belongs to somebody."""
    return f"{EMPTY}defaults: {{owner: {name}}}\n"


def store(rig: PolicyRig, intercept: Intercept | None = None) -> PolicyStore:
    """Return the store of a fresh process."""
    held = rig.service(intercept).policies
    assert isinstance(held, PolicyStore)
    return held


def owner(policy: Policy) -> str | None:
    """Tell which document a policy follows."""
    assert policy.document
    return policy.document.defaults.get("Owner")


def refuse(rig: PolicyRig, status: int, times: int = 10) -> None:
    """Let the vault refuse whoever wants to read the document."""

    def asked(request: Request) -> bool:
        return OWN.name in request.path and bool(request.header("authorization"))

    rig.world.faults.append(
        Fault(asked, json_response(status, {"error": {"code": "x", "message": "no"}}), times)
    )


@pytest.fixture
def rig() -> PolicyRig:
    return PolicyRig()


async def test_the_document_is_read_when_work_comes_and_then_every_five_minutes() -> None:
    rig = PolicyRig()
    rig.push(owned_by("one"))
    policies = store(rig)
    assert rig.calls() == {}
    assert owner(await policies.current()) == "one"
    assert rig.calls() == {"vault": 1}
    rig.push(owned_by("two"))
    rig.clock.advance(FRESH_SECONDS - 2)
    assert owner(await policies.current()) == "one"
    assert rig.calls() == {}
    rig.clock.advance(2)
    assert owner(await policies.current()) == "two"
    assert rig.calls() == {"vault": 1}


class SlowVaults(KeyVaults):
    """Vaults that let others go first."""

    async def read(self, ref: SecretRef) -> engine.secret.SecretVersion:
        await asyncio.sleep(0)
        return await super().read(ref)


async def test_many_that_ask_at_once_cost_one_call(rig: PolicyRig) -> None:
    rig.push(owned_by("one"))
    transport = SimulatedTransport(rig.world)
    credential = SimulatedCredential(rig.world, rig.identity)
    vaults = SlowVaults(Azure(credential, options={"transport": transport}), frozenset({VAULT}))
    policies = PolicyStore(vaults, OWN, DEPLOYED, ALL, RigClock(rig.clock))
    gathered = await asyncio.gather(*(policies.current() for _ in range(20)))
    assert {owner(policy) for policy in gathered} == {"one"}
    assert rig.calls() == {"vault": 1}


async def test_a_read_that_its_caller_has_given_up_is_made_again_for_the_next(
    rig: PolicyRig,
) -> None:
    rig.push(owned_by("one"))
    is_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Request, call: Call) -> Response:
        del request
        is_read.set()
        await may_go_on.wait()
        return await call()

    policies = rig.service(slow).policies
    given_up = asyncio.create_task(policies.current())
    await is_read.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    may_go_on.set()
    assert owner(await policies.current()) == "one"


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_while_one_task_reads_another_goes_on_unless_the_document_was_just_replaced(
    rig: PolicyRig, *, is_replaced: bool
) -> None:
    first = rig.push(owned_by("one"))
    rig.clock.advance(1)
    is_read, may_go_on = asyncio.Event(), asyncio.Event()
    may_go_on.set()

    async def slow(request: Request, call: Call) -> Response:
        del request
        is_read.set()
        await may_go_on.wait()
        return await call()

    policies = store(rig, slow)
    await policies.current()
    if is_replaced:
        await policies.push(owned_by("two"), by="ada", why="", replacing=first.version)
    else:
        rig.push(owned_by("two"))
        rig.clock.advance(FRESH_SECONDS)
    may_go_on.clear()
    is_read.clear()
    reading = asyncio.create_task(policies.current())
    await is_read.wait()
    other = asyncio.create_task(policies.current())
    await asyncio.sleep(0)
    assert other.done() is not is_replaced
    may_go_on.set()
    assert owner(await reading) == "two"
    assert owner(await other) == ("two" if is_replaced else "one")


async def test_where_no_policy_is_in_memory_its_read_may_take_longer(
    rig: PolicyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.policy_store.PATIENCE_SECONDS", 0)

    async def slow(request: Request, call: Call) -> Response:
        del request
        await asyncio.sleep(0)
        return await call()

    rig.push(owned_by("one"))
    assert owner(await store(rig, slow).current()) == "one"


async def test_a_wrong_version_changes_nothing_and_all_its_problems_are_told(
    rig: PolicyRig, sent: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    rig.push(owned_by("one"))
    policies = store(rig)
    await policies.current()
    rig.push(BROKEN)
    rig.clock.advance(FRESH_SECONDS)
    assert owner(await policies.current()) == "one"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    unknown, pattern = "defalts: is unknown: did you mean defaults?", "rules[0].match.secret: write"
    for problem in (unknown, pattern, "last good", str(OWN)):
        assert problem in record.getMessage()
    assert "planted" not in caplog.text
    assert "planted" not in sent.everything()
    assert sent.metric("rekey.policy") == {dims(state="ok"): 1, dims(state="invalid"): 1}


async def test_a_wrong_version_is_told_until_it_is_mended(caplog: pytest.LogCaptureFixture) -> None:
    rig = PolicyRig()
    rig.push(BROKEN)
    rig.push(owned_by("one"))
    policies = store(rig)
    await policies.current()
    rig.push(BROKEN)
    for _ in range(3):
        rig.clock.advance(FRESH_SECONDS)
        await policies.current()
    assert caplog.text.count("defalts") == 3
    rig.push(owned_by("two"))
    rig.clock.advance(FRESH_SECONDS)
    assert owner(await policies.current()) == "two"
    assert caplog.text.count("defalts") == 3


@pytest.mark.parametrize("what", ["deleted", "disabled", "denied", "busy"])
async def test_a_document_that_cannot_be_read_leaves_the_last_good_one(
    rig: PolicyRig, what: str, sent: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    version = rig.push(owned_by("one"))
    policies = store(rig)
    await policies.current()
    break_it(rig, what, version)
    rig.clock.advance(FRESH_SECONDS)
    assert owner(await policies.current()) == "one"
    assert "the policy is unreadable, so the last good version stays in force" in caplog.text
    assert sent.metric("rekey.policy") == {dims(state="ok"): 1, dims(state="unreadable"): 1}


def break_it(rig: PolicyRig, what: str, version: SecretVersion) -> None:
    """Take the document away."""
    match what:
        case "deleted":
            rig.vault.delete(OWN.name)
        case "disabled":
            rig.vault.amend(version, enabled=False)
        case "denied":
            refuse(rig, 403)
        case _:
            refuse(rig, 503)


@pytest.mark.parametrize("what", ["deleted", "denied", "busy", "disabled", "never was", "broken"])
async def test_without_any_document_that_can_be_followed_nothing_goes_on(what: str) -> None:
    rig = PolicyRig()
    if what == "broken":
        rig.push(BROKEN)
    elif what != "never was":
        break_it(rig, what, rig.push(owned_by("one")))
    with pytest.raises(TransientError, match="no valid version of the policy") as caught:
        await store(rig).current()
    assert caught.value.retry_after == FRESH_SECONDS
    assert str(OWN) in str(caught.value)
    assert "planted" not in str(caught.value)


async def test_a_process_that_has_seen_none_takes_the_newest_version_that_can_be_followed() -> None:
    rig = PolicyRig()
    for text in (owned_by("one"), owned_by("two"), BROKEN, BROKEN):
        rig.push(text)
    assert owner(await store(rig).current()) == "two"


@pytest.mark.parametrize(("later", "denied"), [((), False), ((BROKEN,), False), ((), True)])
async def test_behind_a_version_that_is_disabled_or_cannot_be_read_no_older_one_is_looked_for(
    rig: PolicyRig, later: tuple[str, ...], denied: bool
) -> None:
    """An older one may grant more."""
    rig.push(owned_by("wide"))
    narrow = rig.push(owned_by("narrow"))
    for text in later:
        rig.push(text)
    if denied:
        refuse(rig, 403, times=1)
    else:
        rig.vault.amend(narrow, enabled=False)
    with pytest.raises(TransientError, match="no valid version of the policy") as caught:
        await store(rig).current()
    assert ("grant" in caught.value.fix) is denied


async def test_while_there_is_no_policy_the_vault_is_asked_every_thirty_seconds_at_most() -> None:
    rig = PolicyRig()
    rig.push(BROKEN)
    policies = store(rig)
    messages = set()
    for seconds, calls in ((0, 3), (0, 0), (FAILED_SECONDS - 1, 0), (1, 3)):
        rig.clock.advance(seconds)
        with pytest.raises(TransientError) as caught:
            await policies.current()
        messages.add(str(caught.value))
        assert rig.calls().get("vault", 0) == calls
    assert len(messages) == 1
    newest = rig.latest(OWN.name).version
    await policies.push(owned_by("one"), by="ada", why="mend", replacing=newest)
    assert owner(await policies.current()) == "one", "at once: the failure is forgotten"


@pytest.mark.parametrize(("broken", "reached"), [(LOOK_BACK - 1, True), (LOOK_BACK, False)])
async def test_it_looks_back_only_so_far(rig: PolicyRig, broken: int, reached: bool) -> None:
    rig.push(owned_by("one"))
    for _ in range(broken):
        rig.push(BROKEN)
    policies = store(rig)
    if reached:
        assert owner(await policies.current()) == "one"
    else:
        with pytest.raises(TransientError):
            await policies.current()
    assert rig.calls()["vault"] <= LOOK_BACK + 2


async def test_each_version_that_is_adopted_is_a_record_with_who_and_why(sent: Collected) -> None:
    rig = PolicyRig()
    policies = store(rig)
    first = await policies.push(owned_by("one"), by="ada", why="begin", replacing=None)
    await policies.current()
    rig.clock.advance(FRESH_SECONDS)
    second = await policies.push(owned_by("two"), by="bob", why="go on", replacing=first.version)
    await policies.current()
    await policies.current()
    records = [json.loads(str(record.log_record.body)) for record in sent.records()]
    adopted = [record for record in records if record.get("result") == "policy adopted"]
    about = {"result": "policy adopted", "vault": VAULT, "secret": OWN.name}
    begun = {"old_version": None, "new_version": first.version}
    ended = {"old_version": first.version, "new_version": second.version}
    assert adopted == [
        {**about, **begun, "requested_by": "ada", "reason": "begin"},
        {**about, **ended, "requested_by": "bob", "reason": "go on"},
    ]


async def test_a_document_is_written_checked_and_with_its_history(rig: PolicyRig) -> None:
    policies = store(rig)
    first = await policies.push(owned_by("one"), by="ada", why="begin", replacing=None)
    rig.clock.advance(1)
    await policies.push(owned_by("two"), by="x" * 300, why="y" * 300, replacing=first.version)
    newest, oldest = await policies.history()
    assert oldest.version == first.version
    assert (oldest.content_type, newest.content_type) == (CONTENT_TYPE, CONTENT_TYPE)
    assert oldest.tags == {BY: "ada", WHY: "begin"}
    assert newest.tags == {BY: "x" * 256, WHY: "y" * 256}
    assert await policies.text() == owned_by("two")
    assert owner(await policies.current()) == "two"
    rig.clock.advance(1)
    text = await policies.text(first.version)
    await policies.push(text, by="ada", why="back", replacing=newest.version)
    assert owner(await policies.current()) == "one", "who pushed it follows it at once"
    assert len(await policies.history()) == 3


@pytest.mark.parametrize(
    ("before", "life"), [(90, 90), (7, 7), (None, 3650), (0, 3650), (-1, 3650), (9000, 3650)]
)
async def test_a_version_lives_as_long_as_the_one_that_it_replaces(
    rig: PolicyRig, before: int | None, life: int
) -> None:
    """A vault may refuse what lives longer than its Azure Policy allows. A person knows how long."""
    ends = None if before is None else rig.clock.now() + timedelta(days=before)
    newest = rig.vault.put(OWN.name, owned_by("one"), expires=ends)
    policies = store(rig)
    for name in ("two", "three"):
        rig.clock.advance(3600)
        await policies.push(owned_by(name), by="ada", why="", replacing=newest.version)
        newest = rig.latest(OWN.name)
        assert newest.expires == newest.created + life * 24 * 3600
    rig.clock.advance(life * 24 * 3600 + 1)
    assert owner(await policies.current()) == "three", "an expired version is followed, too"


async def test_of_two_versions_of_one_second_the_one_that_is_read_is_the_newest(
    rig: PolicyRig,
) -> None:
    """A vault keeps whole seconds, so their times do not tell."""
    versions = [rig.vault.put(OWN.name, owned_by(name)).version for name in ("one", "two", "three")]
    newest, *_ = await store(rig).history()
    assert newest.version == versions[-1]


async def test_the_first_version_lives_for_ten_years(rig: PolicyRig) -> None:
    await store(rig).push(owned_by("one"), by="ada", why="", replacing=None)
    version = rig.latest(OWN.name)
    assert version.expires == version.created + 3650 * 24 * 3600


async def test_a_push_without_an_answer_is_followed_at_once_where_it_has_arrived() -> None:
    """A document may take rights away: it must not wait for five minutes."""
    rig = PolicyRig()
    first = rig.push(owned_by("one"))
    rig.clock.advance(1)
    policies = store(rig)
    assert owner(await policies.current()) == "one"
    written = lambda request: request.method == "PUT" and OWN.name in request.path  # noqa: E731
    rig.world.faults.append(Fault(written, after=True))
    with pytest.raises(TransientError):
        await policies.push(owned_by("two"), by="ada", why="", replacing=first.version)
    assert owner(await policies.current()) == "two"


async def test_a_process_that_follows_a_version_reads_no_older_one_for_a_wrong_one() -> None:
    """What it follows is the last good one. The older ones may grant more."""
    rig = PolicyRig()
    rig.push(owned_by("one"))
    rig.clock.advance(1)
    followed = rig.push(owned_by("two"))
    policies = store(rig)
    await policies.current()
    rig.clock.advance(FRESH_SECONDS)
    rig.push(BROKEN)
    rig.vault.amend(followed, enabled=False)
    rig.calls()
    assert owner(await policies.current()) == "two"
    assert rig.calls() == {"vault": 1}


async def test_who_takes_the_document_for_missing_replaces_none_that_is_there() -> None:
    rig = PolicyRig()
    rig.push(owned_by("one"))
    with pytest.raises(Outdated):
        await store(rig).push(owned_by("two"), by="ada", why="", replacing=None)
    assert len(rig.vault.versions(OWN.name)) == 1


async def test_two_pushes_on_one_instance_never_replace_the_same_version(rig: PolicyRig) -> None:
    first = rig.push(owned_by("one"))
    rig.clock.advance(1)
    policies = store(rig)
    pushes = [
        policies.push(owned_by(name), by=name, why="", replacing=first.version)
        for name in ("ada", "bob")
    ]
    done = await asyncio.gather(*pushes, return_exceptions=True)
    assert [type(result) for result in done if isinstance(result, Exception)] == [Outdated]
    assert len(rig.vault.versions(OWN.name)) == 2


async def test_while_there_is_no_policy_work_waits_and_nothing_is_rotated_or_marked() -> None:
    rig = PolicyRig()
    rig.push(BROKEN)
    before = rig.secret("app", rig.account("appdata"))
    await rig.service().rotate(rig.item("app").to_json(), 1)
    assert rig.latest("app") == before
    (message,) = rig.messages("rotations")
    assert message["deferred"] == 1


FOREIGN = [
    "planted-password",
    "Server=tcp:db;Password=planted",
    "planted: x",
    '{"password": "planted"}',
]


@pytest.mark.parametrize("value", FOREIGN)
@pytest.mark.parametrize("disabled", [False, True])
async def test_a_secret_that_never_held_a_document_is_neither_shown_nor_replaced(
    rig: PolicyRig, value: str, disabled: bool
) -> None:
    """REKEY_POLICY may name the wrong secret."""
    newest = first = rig.vault.put(OWN.name, value, content_type="text/plain")
    if disabled:
        rig.clock.advance(1)
        newest = rig.vault.put(OWN.name, value)
        rig.vault.amend(newest, enabled=False)
    policies, shown = store(rig), []
    with unchanged(rig):
        for version in {first.version, newest.version, None}:
            with pytest.raises(NeedsHuman) as caught:
                await policies.text(version)
            shown.append(str(caught.value))
        with pytest.raises(NeedsHuman, match="is not replaced") as caught:
            await policies.push(EMPTY, by="ada", why="", replacing=newest.version)
        with pytest.raises(NeedsHuman, match="is not replaced") as dry:
            await policies.consider(EMPTY, newest.version)
    for text in (str(caught.value), str(dry.value)):
        assert "REKEY_POLICY" in text
        assert str(OWN) in text
    assert "planted" not in "".join(shown)


@pytest.mark.parametrize("sign", ["can be followed", "was pushed", "has its type"])
async def test_a_broken_document_is_replaced_where_any_version_shows_that_it_is_one(
    rig: PolicyRig, sign: str
) -> None:
    """It may have been written by hand, or been good under another release or other settings."""
    match sign:
        case "can be followed":
            rig.vault.put(OWN.name, EMPTY)
        case "was pushed":
            rig.vault.put(OWN.name, BROKEN, tags={BY: "ada"})
        case _:
            rig.vault.put(OWN.name, BROKEN, content_type=CONTENT_TYPE)
    rig.clock.advance(1)
    newest = rig.vault.put(OWN.name, BROKEN)
    policies = store(rig)
    with pytest.raises(NeedsHuman, match="defalts") as caught:
        await policies.text()
    assert newest.version in str(caught.value), "what is to be replaced is named"
    await policies.push(owned_by("one"), by="ada", why="mend", replacing=newest.version)
    assert owner(await policies.current()) == "one"


@pytest.mark.parametrize(("tags", "kind"), [({BY: "ada"}, None), ({}, CONTENT_TYPE)])
async def test_a_broken_version_that_says_what_it_is_is_shown(
    rig: PolicyRig, tags: dict[str, str], kind: str | None
) -> None:
    rig.vault.put(OWN.name, BROKEN, tags=tags, content_type=kind)
    assert await store(rig).text() == BROKEN


async def test_a_push_reads_no_version_where_a_tag_says_what_is_replaced(rig: PolicyRig) -> None:
    policies = store(rig)
    first = await policies.push(owned_by("one"), by="ada", why="", replacing=None)
    rig.calls()
    await policies.push(owned_by("two"), by="ada", why="", replacing=first.version)
    assert rig.calls() == {"vault": 2}, "the list of versions, and the write"
