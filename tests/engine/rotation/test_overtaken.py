"""What a person does while a new credential is proven stands; a password that is lost is told of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import TransientError
from engine.state.request import Outcome
from rotators.cosmos_db_key import CosmosDbKey
from simulator.wire import Request
from tests.rotators.key_scenes import FAMILY, KeyScene
from tests.shared.graph_rig import NAME as GRAPH
from tests.shared.graph_rig import GraphRig
from tests.shared.heard import LOST
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, struck, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import SqlProduct, sql

type Act = Callable[[Rig, str], None]
THEIRS = "0ther-password-nobody-uses"


def disable(rig: Rig, name: str) -> None:
    rig.vault.amend(rig.latest(name), enabled=False)


def disable_and_hide(rig: Rig, name: str) -> None:
    """Disable the version, and take the app's right to read away once it has seen that."""
    disable(rig, name)
    seen: list[Request] = []

    def after_a_look(request: Request) -> bool:
        if to_vault()(request):
            seen.append(request)
        return len(seen) > 1 and to_vault()(request)

    refuse(rig, 403, "Forbidden", after_a_look, times=99)


def misname(rig: Rig, name: str) -> None:
    """Name a source that no kind knows."""
    rig.tag(name, ProviderAddress="/nothing/at-all")


def move(rig: Rig, name: str) -> None:
    tags = rig.tags(name)
    address = tags["ProviderAddress"].rpartition("/")[0]
    rig.vault.amend(rig.latest(name), tags={**tags, "ProviderAddress": f"{address}/other"})


def forget(rig: Rig, name: str) -> None:
    """Take the secret away from Rekey."""
    tags = {tag: text for tag, text in rig.tags(name).items() if tag != "ProviderAddress"}
    rig.vault.amend(rig.latest(name), tags=tags)


def keep(rig: Rig, name: str) -> None:
    """Leave the secret to people."""
    rig.tag(name, Manual="true")


def write_elsewhere(rig: Rig, name: str) -> None:
    """Write a version of another source, whose password works there."""
    assert isinstance(rig, SqlProduct)
    rig.server.add_user("shop", "app", THEIRS)
    rig.write(name, THEIRS, ProviderAddress=f"{rig.server.resource_id}/databases/shop")


def write(rig: Rig, name: str) -> None:
    rig.vault.put(name, "Written-by-hand-1", tags={**rig.tags(name), "Manual": "true"})


async def rotate(rig: Rig, name: str, act: Act, *, compromised: bool) -> Outcome:
    """Rotate; a person acts once the source has a new credential."""
    acts = struck(rig, _changes, lambda: act(rig, name))
    item = rig.item(name, version=rig.latest(name).version, compromised=compromised)
    outcome = await rig.service(acts).engine.handle(item)
    assert not acts.hooks[0].times
    return outcome


def _changes(request: Request) -> bool:
    return b"ALTER " in request.body or request.path.endswith(("/regenerateKey", "/addPassword"))


@pytest.mark.parametrize(
    ("act", "fix"),
    [
        pytest.param(disable, "enable the secret, then rotate it by hand", id="disabled"),
        pytest.param(disable_and_hide, "", id="disabled, and not to be read"),
        pytest.param(misname, "", id="asks for a kind that there is not"),
        pytest.param(move, "", id="asks for another source"),
        pytest.param(write_elsewhere, "set a password there", id="has a version of another one"),
        pytest.param(forget, "set a password there", id="asks for nothing any more"),
        pytest.param(keep, "", id="is left to people"),
        pytest.param(write, "", id="has a version of a person who keeps it"),
    ],
)
async def test_a_leaked_password_that_is_replaced_in_vain_is_told_of_as_lost(
    act: Act, fix: str
) -> None:
    """It is not set back, and nobody knows the new one, whatever the secret asks for now."""
    outcome = await rotate(sql(), SQL, act, compromised=True)
    assert (outcome.result, LOST in outcome.reason) == ("parked", True)
    assert outcome.fix.startswith(fix)


async def test_who_was_overtaken_looks_again_no_sooner_than_azure_wants_to_be_asked() -> None:
    rig, reads = sql(), list[Request]()
    acts = struck(rig, _changes, lambda: move(rig, SQL))

    def is_read_to_set_back(request: Request) -> bool:
        if to_vault()(request) and not acts.hooks[0].times:
            reads.append(request)
        return to_vault()(request) and len(reads) == 2

    refuse(rig, 429, "Throttled", is_read_to_set_back, retry_after="600")
    with pytest.raises(TransientError) as caught:
        await rig.service(acts).engine.handle(rig.item(SQL))
    assert (caught.value.retry_after, len(reads)) == (600, 2)


async def test_a_password_that_a_person_wrote_meanwhile_is_left_to_them() -> None:
    rig = sql()
    outcome = await rotate(rig, SQL, write, compromised=False)
    assert (outcome.result, LOST in outcome.reason) == ("skipped", False)
    assert rig.latest(SQL).value == "Written-by-hand-1"


async def test_what_was_made_for_a_version_that_a_person_replaced_meanwhile_is_removed() -> None:
    rig = GraphRig()
    rig.managed()
    outcome = await rotate(rig, GRAPH, write, compromised=False)
    assert (outcome.result, rig.latest(GRAPH).value) == ("skipped", "Written-by-hand-1")
    assert rig.alive() == [rig.first]


async def test_who_keeps_a_secret_for_people_while_a_key_is_made_for_it_waits_for_nothing() -> None:
    """What was announced for it has never been sent, so nobody looks whether it arrives."""
    rig = scene()
    outcome = await rotate(rig, NAME, keep, compromised=False)
    assert (outcome.result, outcome.reason) == ("skipped", "only a person rotates it")
    record = await rig.service().engine.leases.peek(source_of(rig))
    assert record
    assert record.unpublished == ()


@pytest.mark.parametrize(
    ("pair", "result", "is_published"), [(0, "rotated", True), (1, "parked", False)]
)
async def test_a_key_of_the_other_pair_that_is_named_meanwhile_stands_as_another_source_does(
    pair: int, result: str, *, is_published: bool
) -> None:
    """Within a pair, the tag is Rekey's own."""
    keys = KeyScene(next(member for member in FAMILY if member.kind is CosmosDbKey))
    keys.manage(NAME)
    theirs, held = CosmosDbKey.facts.pairs[pair].first.name, keys.rig.latest(NAME).value

    def name_theirs(rig: Rig, name: str) -> None:
        rig.tag(name, CredentialId=theirs)

    outcome = await rotate(keys.rig, NAME, name_theirs, compromised=False)
    assert outcome.result == result
    assert (keys.rig.latest(NAME).value != held) is is_published
    assert (keys.rig.tags(NAME)["CredentialId"] != theirs) is is_published


@pytest.mark.parametrize(("act", "result"), [(disable, "skipped"), (disable_and_hide, "parked")])
async def test_of_a_key_that_is_replaced_in_vain_nothing_is_lost(act: Act, result: str) -> None:
    outcome = await rotate(scene(), NAME, act, compromised=False)
    assert (outcome.result, LOST in outcome.reason) == (result, False)


async def test_a_password_is_set_back_whose_record_is_deleted_once_it_has_changed() -> None:
    rig = sql()
    held = rig.latest(SQL).value
    deleted = struck(
        rig,
        _changes,
        lambda: refuse(
            rig,
            404,
            "ContainerNotFound",
            lambda sent: ".blob." in sent.host and sent.method == "PUT",
            times=99,
        ),
    )
    with pytest.raises(TransientError, match="what the vault holds was set back"):
        await rig.service(deleted).engine.handle(rig.item(SQL))
    assert rig.latest(SQL).value == held
