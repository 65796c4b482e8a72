"""What happens to the app, so that an alert fires or comes near to it."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from cloud.meter import metering
from engine.errors import RekeyError
from tests.infra.alerts.stage import HOUR, MINUTE, Stage
from tests.shared.consuming import HOOKS, SHOP, TEAMS_URL, Consuming, to_chat
from tests.shared.policies import PolicyRig
from tests.shared.scene import NAME as SECRET
from tests.shared.scene import refuse


async def expires_in_three_days(stage: Stage) -> None:
    stage.secret(days_left=3)
    await stage.sweep()


async def expired_soon_and_was_rotated_since(stage: Stage) -> None:
    stage.secret(days_left=3)
    await stage.sweep()
    await stage.wait(HOUR)
    await stage.rotate()
    await stage.sweep()


async def cannot_be_followed(stage: Stage) -> None:
    stage.secret(tags={"ProviderAddress": "nowhere"})
    await stage.rotate()


async def loses_its_tags(stage: Stage) -> None:
    """Write the current value again, as a person does who does not know of the tags."""
    await is_rotated(stage)
    stage.clock.advance(MINUTE)
    stage.rig.vault.put(SECRET, stage.rig.vault.versions(SECRET)[-1].value)
    await stage.sweep()


async def gets_its_tags_back(stage: Stage) -> None:
    await loses_its_tags(stage)
    await stage.wait(HOUR)
    versions = stage.rig.vault.versions(SECRET)
    stage.rig.vault.put(SECRET, versions[-1].value, tags=versions[-2].tags)
    await stage.sweep()


async def was_never_managed(stage: Stage) -> None:
    stage.secret(tags={"ProviderAddress": None})
    await stage.sweep()


async def was_parked_an_hour_ago(stage: Stage) -> None:
    await cannot_be_followed(stage)
    await stage.wait(HOUR)


async def is_rotated(stage: Stage) -> None:
    stage.secret()
    await stage.rotate()


async def leaks_and_is_refused(stage: Stage) -> None:
    stage.secret()
    reported = stage.clock.now().isoformat()
    await stage.rotate(compromised=True, force=True, reported=reported)


async def fails_three_times(stage: Stage) -> None:
    stage.secret()
    stage.refusal = 500
    for tries in (1, 2, 3):
        await stage.rotate(tries=tries)


async def fails_twice_and_is_rotated(stage: Stage) -> None:
    stage.secret()
    stage.refusal = 500
    for tries in (1, 2):
        await stage.rotate(tries=tries)
    stage.refusal = None
    await stage.rotate(tries=3)


async def cannot_be_read(stage: Stage) -> None:
    await stage.rig.service().park(b"no work item", "a-message")


async def is_not_delivered(stage: Stage) -> None:
    stage.imitate("StorageBlobLogs", **_stored("dead-letters"))


async def something_else_is_stored(stage: Stage) -> None:
    stage.imitate("StorageBlobLogs", **_stored("rekey-leases"))


def _stored(container: str) -> dict[str, str]:
    """Return a line of https://learn.microsoft.com/azure/azure-monitor/reference/tables/storagebloblogs."""
    path = f"/rekeyevents/{container}/a-blob"
    return {
        "Category": "StorageWrite",
        "OperationName": "PutBlob",
        "StatusText": "Success",
        "ObjectKey": path,
    }


async def was_swept_four_hours_ago(stage: Stage) -> None:
    stage.secret()
    await stage.sweep()
    await stage.wait(4 * HOUR)


async def was_swept_two_hours_ago(stage: Stage) -> None:
    stage.secret()
    await stage.sweep()
    await stage.rig.service().recheck()
    await stage.wait(2 * HOUR)


async def has_a_timer_that_asks_for_nothing(stage: Stage) -> None:
    """The sweeps go on, and the records cannot be listed."""
    stage.secret()
    await stage.sweep()
    refuse(stage.rig, 503, "ServerBusy", lambda request: request.query.get("comp") == "list", 9)
    await stage.rig.service().recheck()


async def was_regenerated_by_hand(stage: Stage) -> None:
    stage.secret(days_left=80)
    await stage.rotate(action="audit", trigger="sweep")
    stage.account.regenerate("key1")
    await stage.rotate(action="audit", trigger="sweep")


async def is_audited(stage: Stage) -> None:
    stage.secret(days_left=80)
    await stage.rotate(action="audit", trigger="sweep")


async def has_lost_its_role(stage: Stage) -> None:
    stage.secret()
    stage.rig.world.roles.assignments[:] = [
        assignment
        for assignment in stage.rig.world.roles.assignments
        if assignment.scope != stage.account.resource_id
    ]
    await stage.rotate()


async def is_asked_by_a_stranger(stage: Stage) -> None:
    stage.secret()
    await stage.by_hand()


async def is_asked_by_an_operator(stage: Stage) -> None:
    stage.secret()
    await stage.by_hand("Rekey.Operator")


async def eight_of_nine_end_well(stage: Stage) -> None:
    await _audits(stage, 8)


async def nine_of_ten_end_well(stage: Stage) -> None:
    await _audits(stage, 9)


async def _audits(stage: Stage, good: int) -> None:
    stage.secret(days_left=80)
    for _ in range(good):
        await stage.rotate(action="audit", trigger="sweep")
    stage.refusal = 500
    await stage.rotate(action="audit", trigger="sweep")


async def takes_longer_than_two_minutes(stage: Stage) -> None:
    stage.slowness = 121.0
    await is_rotated(stage)


async def takes_as_long_as_a_key_spreads(stage: Stage) -> None:
    stage.account.propagation = timedelta(seconds=30)
    await is_rotated(stage)


async def costs_more_than_a_cent(stage: Stage) -> None:
    await _costs(stage, 0.0101)


async def costs_less_than_a_cent(stage: Stage) -> None:
    await _costs(stage, 0.0099)


async def _costs(stage: Stage, dollars: float) -> None:
    """Count, after a sweep, thousands of calls as the pipeline of every client does."""
    await stage.sweep()
    paid = metering.price("keyvault", "GetSecret")
    assert paid
    for _ in range(round(dollars / paid)):
        metering.count("keyvault", "GetSecret", "200")


async def is_throttled_for_half_an_hour(stage: Stage) -> None:
    await _throttled(stage, 6)


async def is_throttled_for_less(stage: Stage) -> None:
    await _throttled(stage, 5)


async def _throttled(stage: Stage, slices: int) -> None:
    stage.secret()
    stage.refusal = 429
    for _ in range(slices):
        await stage.rotate()
        await stage.wait(5 * MINUTE)


async def has_a_policy(stage: Stage) -> None:
    await _reads(stage, "version: 1\n")


async def has_a_policy_that_cannot_be_followed(stage: Stage) -> None:
    await _reads(stage, "version: 1\ndefalts: {}\n")


async def has_no_policy_that_can_be_read(stage: Stage) -> None:
    await _reads(stage, None)


async def _reads(stage: Stage, document: str | None) -> None:
    rig = PolicyRig(stage.clock)
    rig.secret(SECRET, rig.account("appdata"))
    if document:
        rig.push(document)
    with contextlib.suppress(RekeyError):
        await rig.service().rotate(rig.item(SECRET).to_json(), 1)


async def is_taken_by_its_app_and_told_of(stage: Stage) -> None:
    await _consumed(stage).rotate()


async def is_not_taken_by_its_app(stage: Stage) -> None:
    rig = _consumed(stage)
    rig.site().stuck = True
    await rig.rotate()


async def has_an_owner_who_cannot_be_told(stage: Stage) -> None:
    rig = _consumed(stage)
    del rig.vault.secrets["chat-all"]
    await rig.rotate()


async def is_followed_at_last(stage: Stage) -> None:
    """Refuse one message, which comes through when it is tried again."""
    rig = _consumed(stage)
    refuse(rig, 503, "Busy", to_chat)
    await rig.rotate()


def _consumed(stage: Stage) -> Consuming:
    """Return a rig whose secret is used by an app, and whose document names a chat."""
    rig = Consuming(SHOP, further=HOOKS, clock=stage.clock)
    rig.site()
    rig.vault.put("chat-all", TEAMS_URL)
    return rig
