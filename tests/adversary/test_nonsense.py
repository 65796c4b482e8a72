"""Answers that say nothing, such as those of a proxy: they are never taken for "there is none"."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import to
from simulator.wire import Response, json_response
from tests.adversary.stage import Stage

GRAPH = to("GET", "graph.microsoft.com")
NOTHING = {"an empty object": json_response(200, {}), "no content": Response(204)}


@pytest.mark.parametrize("answer", NOTHING)
async def test_an_application_without_a_list_of_secrets_is_not_one_that_has_none(
    stage: Stage, answer: str
) -> None:
    """What the vault holds would be superseded by nobody, and live on."""
    secret = stage.entra(extra={"OverlapHours": "1"})
    old = secret.current.value
    stage.outage(GRAPH, timedelta(minutes=5), NOTHING[answer])
    await stage.rotate(secret)
    await stage.run_for(hours=4)
    assert len(secret.versions) == 2
    assert secret.works
    assert not secret.accepts(old)


@pytest.mark.parametrize("answer", NOTHING)
async def test_a_leaked_secret_is_not_called_gone_because_an_application_shows_no_list(
    stage: Stage, answer: str
) -> None:
    """Its version is disabled, so that the list is all that there is to go by."""
    secret = await stage.rotated("entra")
    leaked = secret.versions[0]
    stage.disable(secret, leaked)
    stage.outage(GRAPH, timedelta(hours=3), NOTHING[answer])
    stage.world.directory.removal_lag = timedelta(hours=3)
    stage.post(secret, version=leaked.version, compromised=True)
    await stage.run_for(hours=2)
    assert secret.accepts(leaked.value)
    assert not any(outcome["retired"] for outcome in stage.of(secret))
    assert stage.reason(secret)
