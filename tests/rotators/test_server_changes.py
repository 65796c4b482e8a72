"""A change of an administrator's password that its server goes on with: how long it is followed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.faults import Fault
from simulator.sql.servers import Failure
from simulator.wire import Request, Response, json_response
from tests.rotators.test_sql_admin_password import rotate
from tests.shared.sql_rig import ADMIN, FIRST, SqlRig, password_of


def looks(request: Request) -> bool:
    return "serverAzureAsyncOperation" in request.path


@pytest.mark.parametrize(("pause", "waited"), [(None, 10.5), (12, 12), (13, 0), (40, 0)])
async def test_the_call_that_began_it_waits_for_no_look_that_comes_too_late(
    rig: SqlRig, pause: int | None, waited: float
) -> None:
    """It may last 20 seconds, and follows the change for twelve of them."""
    rig.server.operation_time, rig.server.retry_after = timedelta(seconds=60), pause
    rotator, began = rig.admin(), rig.clock.now()
    await rotator.issue(rig.job(rotator, rig.tags(CredentialId=ADMIN), FIRST, proven=True))
    assert rig.clock.now() - began == timedelta(seconds=waited)


async def test_the_end_of_one_change_is_not_taken_for_that_of_the_next(rig: SqlRig) -> None:
    rotator = rig.admin()
    job = rig.job(rotator, rig.tags(CredentialId=ADMIN), FIRST, proven=True)
    rig.server.operation_time = timedelta(seconds=60)
    rig.server.next_failure = Failure("ServerDisabled", "Server is disabled.")
    await rotator.issue(job)
    rig.clock.advance(60)
    rig.server.operation_time = timedelta(0)
    issued = await rotator.issue(job)
    await rotator.verify(job.source, ADMIN, issued.fields["password"])
    assert rig.accepts(ADMIN, password_of(issued))


@pytest.mark.parametrize(
    "answer",
    [
        json_response(429, {"error": {"code": "TooManyRequests"}}),
        json_response(503, {"error": {"code": "ServiceUnavailable"}}),
        json_response(200, {"status": "InProgress"}),
        Response(202),
    ],
    ids=lambda answer: str(answer.status),
)
async def test_a_look_that_shows_no_end_is_followed_by_another(
    rig: SqlRig, answer: Response
) -> None:
    """The change takes longer than a password is tried that has not spread."""
    rig.server.operation_time = timedelta(seconds=80)
    rig.world.faults.append(Fault(looks, answer, times=2))
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))


@pytest.mark.parametrize("answer", [Response(200), Response(204), json_response(200, {})])
async def test_an_answer_that_says_neither_accepted_nor_a_status_is_the_end(
    rig: SqlRig, answer: Response
) -> None:
    rig.world.faults.append(Fault(looks, answer, times=99))
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))
    assert rig.calls()["GET"] == 1
