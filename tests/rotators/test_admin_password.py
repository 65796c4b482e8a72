"""What the administrators' passwords of all engines share: tried, set back, and checked before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.contract import Job
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
)
from engine.secret import Sensitive
from rotators.shared.long_change import POLLING, WITHIN_CALL
from simulator.faults import Fault, unavailable
from simulator.reach.transport import Call
from simulator.sql.servers import Failure
from simulator.wire import Request, Response, json_response
from tests.rotators import sql_scenes
from tests.rotators.database_scenes import FIRST, WRONG, DatabaseScene
from tests.shared.collected import providers
from tests.shared.sql_rig import may_watch

type Scene = DatabaseScene | sql_scenes.SqlScene

SCENES: dict[str, Callable[[], Scene]] = {
    "sql": sql_scenes.administrator,
    "postgresql": lambda: DatabaseScene("postgresql"),
    "mysql": lambda: DatabaseScene("mysql"),
}


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    """A server whose administrator's password the vault holds."""
    return SCENES[request.param]()


def first(scene: Scene, **changes: object) -> Job:
    """Return a job for a version that somebody else wrote."""
    return replace(scene.job(), **{"proven": False, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("named", [True, False])
async def test_one_try_tells_the_administrators_password_from_another(
    scene: Scene, *, named: bool
) -> None:
    job, rotator = scene.job(), scene.rotator()
    name = (named and job.held_id) or ""
    assert await rotator.accepts(job.source, name, Sensitive(FIRST))
    assert not await rotator.accepts(job.source, name, Sensitive(WRONG))


async def test_the_try_is_made_under_the_name_that_the_caller_knows(scene: Scene) -> None:
    job, rotator = scene.job(), scene.rotator()
    assert await rotator.accepts(job.source, job.held_id or "", Sensitive(FIRST))
    calls = [exchange.request.method for exchange in scene.rig.world.exchanges]
    assert "GET" not in calls, "the server is not asked for it"
    assert not await rotator.accepts(job.source, "somebody", Sensitive(FIRST))


async def test_nothing_but_a_new_password_revokes_the_one_that_works(scene: Scene) -> None:
    job, rotator = scene.job(), scene.rotator()
    with pytest.raises(NeedsHuman, match="only a new password revokes") as caught:
        await rotator.retire(job.source, job.held_id or "", Sensitive(WRONG))
    assert "set another password there" in caught.value.fix
    assert await rotator.accepts(job.source, "", Sensitive(FIRST))


async def test_a_server_out_of_reach_has_refused_nothing(scene: Scene) -> None:
    scene.server.firewalled = True
    job = scene.job()
    with pytest.raises(AccessDenied, match="firewall"):
        await scene.rotator().accepts(job.source, job.held_id or "", Sensitive(FIRST))


@pytest.mark.parametrize(
    ("proven", "held", "restorable"),
    [(True, FIRST, True), (True, WRONG, True), (False, FIRST, True), (False, WRONG, False)],
)
async def test_only_a_password_that_was_good_may_be_set_back(
    scene: Scene, proven: bool, held: str, restorable: bool
) -> None:
    """Of what Rekey wrote itself it is known."""
    issued = await scene.rotator().issue(first(scene, proven=proven, held=Sensitive(held)))
    assert issued.restorable is restorable


@pytest.mark.parametrize("named", [True, False])
async def test_a_password_is_set_back_for_whomever_the_server_calls_its_administrator(
    scene: Scene, *, named: bool
) -> None:
    """Through Resource Manager, although the server is out of reach."""
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    job, rotator = scene.job(), scene.rotator()
    await rotator.issue(job)
    scene.server.firewalled = True
    scene.rig.world.exchanges.clear()
    await rotator.undo(job if named else replace(job, held_id=None), Sensitive(FIRST))
    assert scene.live() == {FIRST}
    reads = [
        exchange
        for exchange in scene.rig.world.exchanges
        if exchange.request.method == "GET" and exchange.request.path.lower().endswith("/orders")
    ]
    assert bool(reads) is not named


async def test_a_password_that_is_set_back_is_good_again_once_that_has_been_said(
    scene: Scene,
) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    job, rotator = scene.job(), scene.rotator()
    await rotator.issue(job)
    scene.server.operation_time = timedelta(seconds=60)
    await rotator.undo(job, Sensitive(FIRST))
    assert await rotator.accepts(job.source, job.held_id or "", Sensitive(FIRST))


async def test_a_password_is_not_called_set_back_where_nobody_knows_whether_it_was(
    scene: Scene,
) -> None:
    job, rotator = scene.job(), scene.rotator()
    await rotator.issue(job)
    lost = json_response(500, {"error": {"code": "InternalServerError", "message": "later"}})
    scene.rig.world.faults.append(Fault(lambda sent: sent.method == "PATCH", lost))
    with pytest.raises(TransientError, match="InternalServerError"):
        await rotator.undo(job, Sensitive(FIRST))


async def rotate(scene: Scene) -> None:
    """Issue and verify, as the engine does."""
    job, rotator = scene.job(), scene.rotator()
    issued = await rotator.issue(job)
    await rotator.verify(job.source, issued.credential_id, issued.fields["password"])
    assert scene.live() == {issued.fields["password"].reveal()} != {FIRST}


async def test_a_server_that_somebody_has_locked_has_taken_no_password(scene: Scene) -> None:
    lock = "/subscriptions/x/providers/Microsoft.Authorization/locks/freeze"
    message = (
        f"The scope cannot perform write operation because following scope(s) are locked: {lock}"
    )
    refusal = json_response(409, {"error": {"code": "ScopeLocked", "message": message}})
    scene.rig.world.faults.append(Fault(lambda sent: sent.method == "PATCH", refusal, times=9))
    with pytest.raises(NeedsHuman, match="locks/freeze") as caught:
        await scene.rotator().issue(scene.job())
    assert "lock" in caught.value.fix


async def test_a_server_that_has_had_too_many_requests_has_taken_no_password(scene: Scene) -> None:
    body = {"error": {"code": "TooManyRequests", "message": "later"}}
    refusal = json_response(429, body, {"Retry-After": "40"})
    scene.rig.world.faults.append(Fault(lambda sent: sent.method == "PATCH", refusal))
    with pytest.raises(Throttled) as caught:
        await scene.rotator().issue(scene.job())
    assert (caught.value.unsent, caught.value.retry_after) == (True, 40)


def refuse_the_change(scene: Scene, code: str) -> None:
    """Have Resource Manager turn the change away as one that another one is in the way of."""
    refusal = json_response(409, {"error": {"code": code, "message": "another one goes on"}})
    scene.rig.world.faults.append(Fault(lambda sent: sent.method == "PATCH", refusal))


async def test_a_server_that_cannot_be_looked_at_has_taken_no_password(scene: Scene) -> None:
    """Nobody needs to hear that its password may be unknown."""
    scene.rig.world.faults.append(Fault(lambda _: True, unavailable(), times=99))
    with pytest.raises(TransientError) as caught:
        await scene.rotator().issue(first(scene))
    assert caught.value.unsent
    assert scene.live() == {FIRST}


async def test_a_server_at_another_change_has_taken_no_password(scene: Scene) -> None:
    is_sql = isinstance(scene, sql_scenes.SqlScene)
    refuse_the_change(scene, "ConflictingServerOperation" if is_sql else "ServerIsBusy")
    with pytest.raises(TransientError) as caught:
        await scene.rotator().issue(scene.job())
    assert caught.value.unsent


@pytest.mark.parametrize(
    "code",
    ["OperationInterrupted", "OperationCancelled", "OperationTimedOut", "InternalServerError"],
)
async def test_a_change_that_another_one_has_interrupted_may_have_been_made(code: str) -> None:
    scene = sql_scenes.administrator()
    refuse_the_change(scene, code)
    issued = await scene.rotator().issue(scene.job())
    assert issued.doubt
    assert issued.doubt.code == code


async def test_who_may_not_watch_a_change_rotates_without_an_alert(scene: Scene) -> None:
    """As the template grants it: only the sign-in tells whether the change came."""
    sent = providers()
    with sent.on():
        await rotate(scene)
    looks = [it for it in scene.rig.world.exchanges if "asyncoperation" in it.request.path.lower()]
    assert [it.response.status for it in looks] == [403]
    assert sent.metric("rekey.access.denied") == {}


async def test_a_long_change_is_followed_to_its_end(scene: Scene) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.operation_time = timedelta(seconds=70)
    await rotate(scene)


async def test_a_change_is_followed_where_its_address_names_the_port_of_https(scene: Scene) -> None:
    async def naming(request: Request, call: Call) -> Response:
        del request
        answer = await call()
        headers = {
            name: text.replace("https://management.azure.com/", "https://management.azure.com:443/")
            for name, text in answer.headers.items()
        }
        return replace(answer, headers=headers)

    await scene.rotator(naming).issue(scene.job())
    paths = [exchange.request.path.lower() for exchange in scene.rig.world.exchanges]
    assert [path for path in paths if "asyncoperation" in path]


@pytest.mark.parametrize("seconds", [0, 60])
@pytest.mark.parametrize(
    ("code", "kind"), [("ServerDisabled", PermanentError), ("OperationTimedOut", TransientError)]
)
async def test_a_change_that_fails_late_is_no_success_and_leaves_the_old_password(
    scene: Scene, code: str, kind: type[RekeyError], seconds: float
) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.operation_time = timedelta(seconds=seconds)
    scene.server.next_failure = Failure(code, "no text of the service is passed on")
    with pytest.raises(kind) as caught:
        await rotate(scene)
    assert caught.value.code == code
    assert "passed on" not in str(caught.value)
    assert scene.live() == {FIRST}
    await rotate(scene)


@pytest.mark.parametrize(
    ("engine", "code"),
    [
        *(("sql", code) for code in ("OperationInterrupted", "OperationCancelled")),
        *(("sql", code) for code in ("ConflictingServerOperation", "InternalServerError")),
        ("sql", "UpsertLogicalServerRequestAlreadyInProgress"),
        *(("postgresql", code) for code in ("ServerIsBusy", "InternalServerError")),
        *(("mysql", code) for code in ("ServerIsBusy", "InternalServerError")),
    ],
)
async def test_a_change_that_fails_late_for_what_passes_is_tried_again(
    engine: str, code: str
) -> None:
    scene = SCENES[engine]()
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.next_failure = Failure(code, "later")
    with pytest.raises(TransientError):
        await rotate(scene)


async def test_a_change_that_takes_longer_than_a_minute_and_a_half_is_left_to_the_next_try(
    scene: Scene,
) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.operation_time, scene.server.retry_after = timedelta(hours=1), 7
    began = scene.rig.clock.now()
    with pytest.raises(TransientError, match="still at changing") as caught:
        await rotate(scene)
    assert caught.value.retry_after == 7, "as the server asks"
    assert scene.rig.clock.now() - began < timedelta(seconds=WITHIN_CALL + 91)


# A look at a change is cheap: the next one is its retry.


async def test_a_look_that_fails_is_not_repeated_but_followed_by_the_next(scene: Scene) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.operation_time = timedelta(hours=1)
    looks = list[str]()

    def is_look(request: Request) -> bool:
        is_one = request.method == "GET" and "/locations/" in request.path.lower()
        looks.extend([request.path] * is_one)
        return is_one

    scene.rig.world.faults.append(Fault(is_look, unavailable(), times=100))
    began = scene.rig.clock.now()
    await scene.rotator().issue(scene.job())
    assert scene.rig.clock.now() - began == timedelta(seconds=10.5)
    assert len(looks) == len([0.5, 1, 1, 2, 2, 2, 2])


async def test_the_next_look_comes_as_late_as_a_busy_server_asks(scene: Scene) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    scene.server.operation_time = timedelta(seconds=3)
    busy = json_response(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "9"})
    scene.rig.world.faults.append(Fault(lambda sent: "/locations/" in sent.path.lower(), busy))
    began = scene.rig.clock.now()
    await scene.rotator().issue(scene.job())
    assert scene.rig.clock.now() - began == timedelta(seconds=9.5)


async def test_where_the_change_is_known_no_more_the_sign_in_tells_whether_it_came(
    scene: Scene,
) -> None:
    may_watch(scene.rig.world, scene.rig.identity, scene.server)
    gone = json_response(404, {"error": {"code": "OperationNotFound", "message": "gone"}})
    scene.rig.world.faults.append(Fault(lambda sent: "/locations/" in sent.path.lower(), gone))
    await rotate(scene)


def test_the_last_look_of_a_call_ends_within_the_twenty_seconds_of_the_call() -> None:
    assert WITHIN_CALL + POLLING["connection_timeout"] + POLLING["read_timeout"] <= 20
