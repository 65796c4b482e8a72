"""How an operation goes is told by what was done, and not by a tag that anybody may edit."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from api.answers import Answer
from engine.errors import TransientError
from simulator.wire import Request
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, keys_of, refuse, scene, send, source_of, to_arm


async def followed(rig: Rig, accepted: Answer) -> Answer:
    location = urlsplit(accepted.headers["Location"])
    path = {"vault": "prod", "name": NAME, "operation": location.path.rpartition("/")[2]}
    return await send(rig.api(), "http_operation", path, dict(parse_qsl(location.query)))


async def test_a_leak_is_not_over_because_somebody_rewrites_the_tags() -> None:
    """A template that sets the tags of a secret takes RekeyRetire away, and the old key works."""
    rig = scene()
    accepted = await ask(rig.api(), {"compromised": True, "reason": "leaked"})
    leaked = rig.latest(NAME).value

    def ends_it(sent: Request) -> bool:
        return to_arm("regenerateKey")(sent) and b"key1" in sent.body

    refuse(rig, 503, "ServerBusy", ends_it, times=999)
    (message,) = rig.messages("rotations")
    with contextlib.suppress(TransientError):
        await rig.service().rotate(json.dumps(message), 1)
    assert (await followed(rig, accepted)).body["status"] == "running"
    rig.tag(NAME, RekeyRetire=None)
    assert leaked in keys_of(rig).values()
    assert (await followed(rig, accepted)).body["status"] == "running"


async def test_a_rotation_has_not_succeeded_because_a_tag_names_its_operation() -> None:
    rig = scene(days_left=80)
    accepted = await ask(rig.api(), {"force": True, "reason": "a drill"})
    rig.tag(NAME, RekeyOperation=accepted.body["operation"])
    assert len(rig.vault.versions(NAME)) == 1
    assert (await followed(rig, accepted)).body["status"] != "succeeded"


async def test_a_retirement_is_not_over_because_somebody_takes_its_tag_away() -> None:
    rig = scene()
    await rig.work(NAME)
    rig.clock.advance(8 * 86_400)
    accepted = await ask(rig.api(), action="retire")
    rig.tag(NAME, RekeyRetire=None)
    assert (await followed(rig, accepted)).body["status"] == "running"
    # The record tells a sweep.
    await rig.work(NAME, action="retire", source=source_of(rig))
    assert (await followed(rig, accepted)).body["status"] == "succeeded"


@pytest.mark.parametrize("replaced", ["by a person", "by Rekey"])
async def test_a_leak_is_not_over_because_a_later_version_was_written(replaced: str) -> None:
    rig = scene()
    accepted = await ask(rig.api(), {"compromised": True})
    leaked = str(rig.latest(NAME).version)
    await rig.work(NAME, compromised=True)
    assert (await followed(rig, accepted)).body["status"] == "succeeded"
    rig.clock.advance(60)
    if replaced == "by Rekey":
        await rig.work(NAME, force=True)
    else:
        rig.vault.put(NAME, "x", tags=rig.tags(NAME))
    assert (await followed(rig, accepted)).body["status"] == "succeeded"
    await rig.note(source_of(rig), NAME, compromised=(leaked,))
    assert (await followed(rig, accepted)).body["status"] == "running"


async def test_what_a_person_writes_with_the_tags_of_an_operation_did_not_come_of_it() -> None:
    rig = scene(tags={"OverlapHours": "0"})
    await rig.work(NAME)
    await rig.work(NAME, action="retire")
    accepted = await ask(rig.api(), {"force": True})
    rig.clock.advance(60)
    copied = {**rig.tags(NAME), "RekeyOperation": accepted.body["operation"]}
    rig.vault.put(NAME, "x", tags=copied)
    assert (await followed(rig, accepted)).body["status"] == "superseded"


async def test_a_version_that_no_record_has_seen_yet_is_not_called_superseded() -> None:
    """A worker has died, or not yet noted what it has written."""
    rig = scene()
    accepted = await ask(rig.api())

    def noted(sent: Request) -> bool:
        is_written = len(rig.vault.versions(NAME)) > 1
        return is_written and sent.method == "PUT" and ".blob." in sent.host

    refuse(rig, 503, "ServerBusy", noted, times=999)
    (message,) = rig.messages("rotations")
    with contextlib.suppress(TransientError):
        await rig.service().rotate(json.dumps(message), 1)
    assert len(rig.vault.versions(NAME)) > 1
    assert (await followed(rig, accepted)).body["status"] == "running"
    rig.world.faults.clear()
    await Delivery(rig, rig.service).run()
    assert (await followed(rig, accepted)).body["status"] == "succeeded"


async def test_what_another_operation_is_about_to_publish_is_not_this_ones() -> None:
    rig = scene()
    accepted = await ask(rig.api())
    rig.clock.advance(60)
    rig.vault.put(NAME, rig.latest(NAME).value, tags=rig.tags(NAME))

    def published(sent: Request) -> bool:
        return sent.method == "PUT" and sent.path == f"/secrets/{NAME}"

    refuse(rig, 503, "ServerBusy", published, times=999)
    with contextlib.suppress(TransientError):
        await rig.work(NAME, force=True)
    assert (await rig.known(source_of(rig))).pending_write, "its worker has died"
    assert (await followed(rig, accepted)).body["status"] == "superseded"


async def test_without_the_records_the_tags_tell_how_an_operation_goes() -> None:
    """Whoever uses the command line may have no right to read them."""
    rig = scene()
    accepted = await ask(rig.api(), {"compromised": True})
    await rig.work(NAME, force=True)
    refuse(rig, 403, "Forbidden", lambda sent: "comp=list" in sent.url, times=99)
    assert (await followed(rig, accepted)).body["status"] == "running", "it is to be retired"
    rig.tag(NAME, RekeyRetire=None)
    assert (await followed(rig, accepted)).body["status"] == "succeeded"


async def test_a_restore_has_not_succeeded_because_a_leak_was_cut_off_first() -> None:
    rig = scene()
    await rig.work(NAME)
    accepted = await ask(rig.api(), action="restore")
    await rig.work(NAME, compromised=True)
    assert (await followed(rig, accepted)).body["status"] == "superseded"
    (message,) = rig.messages("rotations")
    await rig.service().rotate(json.dumps(message), 1)
    assert (await followed(rig, accepted)).body["status"] == "superseded"


async def test_a_retirement_has_not_succeeded_because_what_it_was_to_revoke_was_restored() -> None:
    rig = scene()
    await rig.work(NAME)
    rig.clock.advance(8 * 86_400)
    accepted = await ask(rig.api(), action="retire")
    await rig.work(NAME, action="restore")
    assert len(rig.vault.versions(NAME)) == 3
    assert (await followed(rig, accepted)).body["status"] == "superseded"


@pytest.mark.parametrize("owed", [True, False])
async def test_a_retirement_is_judged_by_what_is_left_although_a_person_wrote_a_version(
    *, owed: bool
) -> None:
    rig = scene()
    await rig.work(NAME)
    rig.clock.advance(8 * 86_400)
    accepted = await ask(rig.api(), action="retire")
    if not owed:
        await rig.work(NAME, action="retire")
    rig.vault.put(NAME, rig.latest(NAME).value, tags=rig.tags(NAME))
    status = "running" if owed else "succeeded"
    assert (await followed(rig, accepted)).body["status"] == status


async def test_a_retirement_is_over_although_the_version_that_it_was_about_is_superseded() -> None:
    """The next rotation begins an overlap of its own, which this retirement never meant to end."""
    rig = scene()
    await rig.work(NAME)
    rig.clock.advance(8 * 86_400)
    accepted = await ask(rig.api(), action="retire")
    await rig.work(NAME, action="retire")
    await rig.work(NAME, force=True)
    assert len(rig.vault.versions(NAME)) == 3
    assert (await followed(rig, accepted)).body["status"] == "succeeded"


async def test_without_the_records_a_restore_is_told_by_its_tags() -> None:
    rig = scene()
    await rig.work(NAME)
    accepted = await ask(rig.api(), action="restore")
    await rig.work(NAME, action="restore")
    refuse(rig, 403, "Forbidden", lambda sent: "comp=list" in sent.url, times=99)
    assert (await followed(rig, accepted)).body["status"] == "succeeded"
