"""What people asked for stands in the app's own storage until it is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.errors import AccessDenied
from engine.ports import Requests
from simulator.faults import Fault
from simulator.wire import Request, json_response
from tests.shared.rig import Rig
from tests.shared.scene import refuse

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40


def requests(rig: Rig) -> Requests:
    """Return the store as a fresh process has it."""
    return rig.service().engine.requests


async def test_what_is_due_is_listed_with_the_longest_due_first() -> None:
    rig = Rig()
    now = rig.clock.now()
    assert await requests(rig).due(now) == []
    for request, minutes in ((ONE, -1), (TWO, -5), (THREE, 1)):
        await requests(rig).keep(request, f'"{request}"', now + timedelta(minutes=minutes))
    assert await requests(rig).due(now) == [TWO, ONE]
    assert await requests(rig).due(now + timedelta(minutes=1)) == [TWO, ONE, THREE]
    assert await requests(rig).read(ONE) == f'"{ONE}"'


async def test_a_request_that_is_put_off_is_due_later_and_a_closed_one_never() -> None:
    rig = Rig()
    now = rig.clock.now()
    await requests(rig).keep(ONE, "a", now)
    await requests(rig).keep(ONE, "b", now + timedelta(minutes=15))
    assert await requests(rig).due(now) == []
    assert await requests(rig).read(ONE) == "b"
    for _ in range(2):
        await requests(rig).close(ONE)
    assert await requests(rig).read(ONE) is None
    assert await requests(rig).due(now + timedelta(days=1)) == []


@pytest.mark.parametrize("text", ["", "soon", "2026-01-01T00:00:00"])
async def test_a_request_whose_time_cannot_be_read_is_due(text: str) -> None:
    rig = Rig()
    now = rig.clock.now()
    await requests(rig).keep(ONE, "a", now + timedelta(days=1))
    store: Any = requests(rig)
    await store._blob(ONE).set_blob_metadata({"due": text} if text else {})
    assert await requests(rig).due(now) == [ONE]


async def test_a_request_whose_text_is_damaged_is_read_all_the_same() -> None:
    """Whoever asks for it says what is wrong with it."""
    rig = Rig()
    store: Any = requests(rig)
    await store.keep(ONE, "a", rig.clock.now())
    await store._blob(ONE).upload_blob(b"{\xff", overwrite=True)
    assert await store.read(ONE) == "{\ufffd"


async def test_a_request_is_kept_although_another_worker_makes_the_container_meanwhile() -> None:
    rig = Rig()

    def creating(request: Request) -> bool:
        return request.query.get("restype") == "container"

    conflict = json_response(409, {}, {"x-ms-error-code": "ContainerAlreadyExists"})
    rig.world.faults.append(Fault(creating, conflict, after=True))
    await requests(rig).keep(ONE, "a", rig.clock.now())
    assert await requests(rig).read(ONE) == "a"


async def test_a_request_that_the_app_may_not_read_names_the_role() -> None:
    rig = Rig()
    code = "AuthorizationPermissionMismatch"
    refuse(rig, 403, code, lambda request: request.method == "GET")
    with pytest.raises(AccessDenied, match="Storage Blob Data Owner"):
        await requests(rig).read(ONE)
