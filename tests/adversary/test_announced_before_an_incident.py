"""An incident begins while a credential is announced that was made before it, and is not published."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import to
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage


@pytest.mark.parametrize("vault", ["prod", "other"])
@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_what_was_made_before_an_incident_is_not_published_for_it(
    stage: Stage, kind: str, vault: str
) -> None:
    """A replica holds it already, or whoever read the source's keys knows it."""
    primary = stage.put(kind, days_left=60)
    accepts = primary.accepts
    copy = Secret(stage.other, "copy", accepts)
    copy.vault.put(
        "copy", primary.current.value, tags={"ReplicaOf": primary.url}, content_type="text/plain"
    )
    stage.tag(primary, Replicas=copy.url)
    await stage.run_for(minutes=30)
    stage.outage(to("PUT", "prod.vault."), timedelta(minutes=12))
    stage.post(primary, force=True, version=primary.current.version)
    await stage.run_for(minutes=4)
    assert len(copy.versions) == 2, "the replica has been written, and the primary has not"
    known = {version.value for version in (*copy.versions, *primary.versions)}
    assert len(primary.versions) == 1
    location = await stage.report_incident(vault=vault)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    alive = {value[:8] for value in known if accepts(value)}
    assert primary.works
    assert not alive, progress["status"]
