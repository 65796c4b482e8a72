"""The version that is reported as leaked is a replica's: its primary must be rotated."""

from __future__ import annotations

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage


@pytest.mark.parametrize("which", ["current", "superseded"])
async def test_a_replicas_version_that_leaked_is_cut_off_with_what_it_copies(
    stage: Stage, which: str
) -> None:
    primary = stage.storage(days_left=60)
    copy = Secret(stage.other, "copy", primary.accepts)
    copy.vault.put(
        "copy", primary.current.value, tags={"ReplicaOf": primary.url}, content_type="text/plain"
    )
    stage.tag(primary, Replicas=copy.url)
    await stage.run_for(minutes=30)
    await stage.rotate(primary, force=True)
    leaked = copy.current if which == "current" else copy.versions[0]
    location = await stage.report_incident(vault="other", name="copy", version=leaked.version)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], primary.accepts(leaked.value)) == ("ended", False)
    assert (progress["name"], progress["vaults"]) == (primary.name, ["prod"])
    assert copy.url in progress["reason"]
    assert primary.works
    assert copy.current.value == primary.current.value


async def test_a_replicas_version_that_its_primary_never_held_is_refused_with_the_way_out(
    stage: Stage,
) -> None:
    primary = stage.storage(days_left=60)
    copy = Secret(stage.other, "copy", primary.accepts)
    version = copy.vault.put("copy", "By-hand-123456", tags={"ReplicaOf": primary.url})
    stage.tag(primary, Replicas=copy.url)
    body = {"vault": "other", "name": "copy", "version": version.version, "reason": "leaked"}
    answer = await stage.http("http_incident", body=body)
    assert answer.status == 400
    assert f"report the version of {primary.url}" in answer.body["fix"]
