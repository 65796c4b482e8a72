"""What is set back at a source with one slot after an error, and what the error says of it then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.contract import Issued
from engine.errors import LeaseUnavailable, NeedsHuman, RekeyError, TransientError
from engine.secret import Sensitive
from simulator.faults import Fault
from simulator.sql.servers import Account
from simulator.wire import Request, Response, json_response
from tests.engine.rotate.held import Rollback, held
from tests.shared.heard import LOST
from tests.shared.sql_product import NAME, SECOND, sql
from tests.shared.sql_rig import FIRST

BY_HAND = "Set-by-hand-nobody-knows-1"
EITHER = "what the vault holds could not be set back either: "


class Scene:
    """One login whose new password has been set and was, or was not, proven."""

    def __init__(self) -> None:
        self.rig = sql()

    @property
    def login(self) -> Account:
        return next(iter(self.rig.server.logins.values()))

    def sets(self, password: str) -> None:
        self.login.set(password, self.rig.clock.now())

    def fails(self, response: Response, where: Callable[[Request], bool]) -> None:
        self.rig.world.faults.append(Fault(where, response))

    async def after(
        self,
        problem: RekeyError,
        since: Callable[[], object] = lambda: None,
        *,
        proven: bool = False,
        unwanted: bool = False,
        restorable: bool = True,
    ) -> RekeyError:
        """Roll back after an error; return the error that comes of it."""
        async with held(self.rig, NAME) as at:
            self.sets(SECOND)
            password = {"password": Sensitive(SECOND)}
            issued = Issued(self.login.name, password, None, restorable=restorable)
            job = at.parts.job(at.secret, at.managed)
            rollback = Rollback(at.parts, at.lease, job, at.managed, unwanted)
            with pytest.raises(RekeyError) as caught:  # noqa: PT012 - what is tried is the block
                async with rollback.on(at.secret, issued, (RekeyError,), proven=proven):
                    since()
                    raise problem
        return caught.value


def alters(request: Request) -> bool:
    return b"ALTER " in request.body


def leases(request: Request) -> bool:
    return request.host.startswith("rekeyhost.blob") and request.method == "PUT"


async def test_the_password_of_a_secret_that_is_disabled_by_now_is_not_set_back() -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    rig = scene.rig
    assert (
        await scene.after(problem, lambda: rig.vault.amend(rig.latest(NAME), enabled=False))
        is problem
    )
    assert scene.login.newest == SECOND
    assert problem.what == f"refused; somebody has written a version in the meantime, and {LOST}"


async def test_what_somebody_has_written_since_is_set_in_place_of_what_was_there() -> None:
    scene = Scene()
    rig = scene.rig
    await scene.after(
        NeedsHuman("refused"), lambda: rig.vault.put(NAME, BY_HAND, tags=rig.tags(NAME))
    )
    assert scene.login.newest == BY_HAND


@pytest.mark.parametrize("proven", [False, True])
async def test_a_password_that_was_proven_and_is_refused_now_was_changed_by_somebody_else(
    *, proven: bool
) -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    assert await scene.after(problem, lambda: scene.sets(BY_HAND), proven=proven) is problem
    if proven:
        assert scene.login.newest == BY_HAND
        assert problem.what == (
            "refused; somebody has changed the password at its source since; it was left alone"
        )
    else:
        assert scene.login.newest == FIRST


async def test_who_has_lost_the_lease_sets_nothing_back_and_adds_nothing() -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    lost = json_response(409, {}, {"x-ms-error-code": "LeaseIdMismatchWithLeaseOperation"})

    def lose() -> None:
        scene.rig.clock.advance(45)
        scene.fails(lost, leases)

    assert await scene.after(problem, lose) is problem
    assert not isinstance(problem, LeaseUnavailable)
    assert (scene.login.newest, problem.what) == (SECOND, "refused")


async def test_a_message_comes_back_where_it_is_not_certain_what_was_set_back() -> None:
    scene, problem = Scene(), NeedsHuman("refused", where="here", fix="grant it")
    scene.fails(json_response(503, {}), alters)
    again = await scene.after(problem)
    assert isinstance(again, TransientError)
    assert (again.what, again.where, again.fix) == (problem.what, "here", "grant it")
    assert problem.what.startswith(f"refused; {EITHER}")


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (TransientError("throttled", retry_after=30), 503),
        (TransientError("throttled", retry_after=30), 403),
        (NeedsHuman("refused"), 403),
    ],
)
async def test_the_first_error_stays_where_a_second_one_does_not_ask_for_another_try(
    problem: RekeyError, status: int
) -> None:
    scene, what = Scene(), problem.what
    scene.fails(json_response(status, {"error": {"code": "Forbidden"}}), alters)
    assert await scene.after(problem) is problem
    assert problem.what.startswith(f"{what}; {EITHER}")
