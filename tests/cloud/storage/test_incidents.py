"""The reported incidents as they are stored: each once, and the newest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.errors import NeedsHuman
from engine.ports import Incidents
from engine.state.incident import Incident
from tests.shared.builders import VAULT
from tests.shared.rig import Rig

SINCE = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def stored(rig: Rig) -> Incidents:
    """Return the incidents as a fresh process has them."""
    incidents = rig.service().engine.incidents
    assert incidents is not None
    return incidents


def incident(day: int) -> Incident:
    since = SINCE + timedelta(days=day)
    return Incident(since, "app-*", id=f"{since:%Y%m%dT%H%M%SZ}-0123abcd", vaults=(VAULT,))


async def test_of_many_the_newest_are_told_the_newest_first() -> None:
    incidents = stored(Rig())
    for day in (1, 3, 0, 2):
        await incidents.keep(incident(day))
    assert await incidents.newest(2) == [incident(3), incident(2)]
    assert await incidents.newest(9) == [incident(day) for day in (3, 2, 1, 0)]


async def test_what_else_is_stored_there_takes_no_incidents_place() -> None:
    rig = Rig()
    await stored(rig).keep(incident(0))
    await rig.note("/subscriptions/x", "app")
    assert await stored(rig).newest(1) == [incident(0)]


async def test_what_was_reported_first_stays() -> None:
    """A request that comes twice keeps it twice: its scope and its reason are the first one's."""
    incidents, first = stored(Rig()), incident(0)
    await incidents.keep(first)
    await incidents.keep(replace(first, name="other", reason="second thoughts"))
    assert await incidents.find(first.id) == first


@pytest.mark.parametrize("text", ["", "..", "{id}/../../sources/x", "x{id}", "{id}x", "{id}\n"])
async def test_what_is_no_id_of_an_incident_is_looked_up_nowhere(text: str) -> None:
    rig = Rig()
    assert await stored(rig).find(text.format(id=incident(0).id)) is None
    assert rig.world.exchanges == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"{}", b"\xff"])
async def test_an_incident_that_cannot_be_read_is_told_and_not_taken_for_none(
    content: bytes,
) -> None:
    store: Any = stored(Rig())
    await store.keep(incident(0))
    await store._blob(incident(0).id).upload_blob(content, overwrite=True)
    for what, argument in (("find", incident(0).id), ("newest", 1)):
        with pytest.raises(NeedsHuman, match=r"cannot be read.*incidents/2026"):
            await getattr(store, what)(argument)
