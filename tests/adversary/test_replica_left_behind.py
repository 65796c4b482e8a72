"""Two replicas, of which one is written and the other one cannot be: what the first holds works."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import NOT_AUTHORIZED, to
from simulator_tests.holders import Secret, of_application
from tests.adversary.stage import Stage


def replica(stage: Stage, primary: Secret, name: str) -> Secret:
    """Put a consenting replica of an application's secret into the other vault."""
    copy = Secret(stage.other, name, of_application(stage.application(), stage.clock.now))
    tags = {"ReplicaOf": primary.url}
    copy.vault.put(name, primary.current.value, tags=tags, content_type="text/plain")
    stage._watched.append(copy)
    return copy


@pytest.mark.parametrize("then", ["withdrawn", "disabled", "unparked"])
@pytest.mark.parametrize("order", [("blocked", "copy"), ("copy", "blocked")])
async def test_a_replica_that_holds_the_new_credential_keeps_it_while_another_is_refused(
    stage: Stage, order: tuple[str, str], then: str
) -> None:
    """The app may not write one of them, and its owner takes it out rather than grant that."""
    primary = stage.entra(days_left=60)
    copies = {name: replica(stage, primary, name) for name in order}
    copy, blocked = copies["copy"], copies["blocked"]
    stage.tag(primary, Replicas=",".join(copies[name].url for name in order))
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault.", "/secrets/blocked"), timedelta(days=9), NOT_AUTHORIZED)
    await stage.rotate(primary, force=True)
    assert len(copy.versions) == 2, "it holds the new credential"
    assert len(primary.versions) == 1
    if then == "disabled":
        stage.disable(blocked)
    else:
        stage.tag(blocked, ReplicaOf=None)
    since = stage.clock.now()
    if then == "unparked":
        await stage.run_for(minutes=40)
        stage.post(primary, action="audit", trigger="manual", requested_by="a person")
        await stage.run_for(hours=3)
    else:
        await stage.run_for(days=3)
    assert stage.longest_refusal(copy, since) <= timedelta(minutes=5)


@pytest.mark.parametrize("order", [("blocked", "copy"), ("copy", "blocked")])
async def test_a_replica_keeps_the_new_credential_where_a_person_writes_the_primary_by_hand(
    stage: Stage, order: tuple[str, str]
) -> None:
    """The rotation cannot go on while one replica is refused, and they do not wait for that."""
    primary = stage.entra(days_left=60)
    copies = {name: replica(stage, primary, name) for name in order}
    copy = copies["copy"]
    stage.tag(primary, Replicas=",".join(copies[name].url for name in order))
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault.", "/secrets/blocked"), timedelta(days=9), NOT_AUTHORIZED)
    await stage.rotate(primary, force=True)
    assert len(copy.versions) == 2, "it holds the new credential"
    theirs = stage.password("by hand, too")
    tags = {name: text for name, text in primary.tags.items() if not name.startswith("Rekey")}
    stage.person_writes(primary, theirs.secret, tags | {"CredentialId": theirs.key_id})
    expires = int(stage.clock.now().timestamp()) + 80 * 86_400
    primary.vault.amend(primary.current, expires=expires)
    since = stage.clock.now()
    await stage.run_for(days=3)
    assert stage.longest_refusal(copy, since) <= timedelta(minutes=5)
