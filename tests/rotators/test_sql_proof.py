"""When a sign-in to a SQL server proves a password, and when a statement is not sent any more."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.sql.driver import SENT_WITHIN
from cloud.sql.errors import NO_DATABASE
from engine.errors import NeedsHuman, TransientError
from engine.secret import Sensitive
from simulator.reach.transport import SimulatedCredential
from tests.shared.sql_rig import FIRST, SqlRig, password_of

KIND = "sql-login-password"


class Servers:
    """Servers that answer sign-ins as they are told, in turn and then always as the last time."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)

    async def sign_in(self, *_: object) -> None:
        answer = self._answers.pop(0) if self._answers[1:] else self._answers[0]
        if answer:
            raise answer

    async def execute(self, *_: object) -> tuple[object, ...]:
        raise NotImplementedError


AWAY = NeedsHuman("the login has no user in it", code=NO_DATABASE)
BUSY = TransientError("busy", retry_after=7)


@pytest.mark.parametrize(
    ("answers", "pause"), [((AWAY,), None), ((AWAY, None), None), ((AWAY, BUSY), 7)]
)
async def test_a_server_that_turns_everybody_away_from_master_proves_nothing(
    rig: SqlRig, answers: tuple[Exception | None, ...], pause: float | None
) -> None:
    """A login without a user in master is recognised by a made-up password that is refused."""
    rotator = rig.login(sql=Servers(*answers))
    source = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND)).source
    with pytest.raises(TransientError, match="nothing is proven") as caught:
        await rotator.accepts(source, "app", Sensitive(FIRST))
    assert (caught.value.code, caught.value.retry_after) == ("Unproven", pause)
    assert "create a user for the login in master" in caught.value.fix


async def test_the_shortest_password_that_a_server_may_take_is_tried(rig: SqlRig) -> None:
    rig.server.add_login("app", "x", "shop")
    source = rig.job(rig.login(), rig.tags(CredentialId="app", Rotator=KIND)).source
    assert await rig.login().accepts(source, "app", Sensitive("x"))
    assert not await rig.login().accepts(source, "app", Sensitive(""))


@pytest.mark.parametrize(("late", "is_sent"), [(0, True), (1, False)])
async def test_a_process_that_was_frozen_sends_no_statement_any_more(
    rig: SqlRig, late: float, *, is_sent: bool
) -> None:
    """Its lease may have ended, and another worker may have set a password meanwhile."""
    rig.server.add_login("app", FIRST, "shop")

    class Slow(SimulatedCredential):
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            rig.clock.advance(SENT_WITHIN + late)
            return await super().get_token(*scopes, **options)

    rotator = rig.login(credential=Slow(rig.world, rig.identity))
    job = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND), FIRST, proven=True)
    if is_sent:
        assert rig.accepts("app", password_of(await rotator.issue(job)))
        return
    with pytest.raises(TransientError, match="was not sent") as caught:
        await rotator.issue(job)
    assert caught.value.code == "NotSent"
    assert rig.accepts("app", FIRST)
