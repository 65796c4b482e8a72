"""The history of a file holds many passwords of one login: no report of it locks that login."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from api.leaks import MORE
from leaks.verdict import MOST_REFUSED
from simulator.databases.servers import DatabaseRefusal, FlexibleServer
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_leaks import TRUSTED, audit, leak, leaky, rotate, settle
from tests.api.test_leaks_of_one_text import DOCUMENTS, interrupted
from tests.rotators.database_scenes import NAME, DatabaseScene
from tests.shared.graph_rig import NAME as GRAPH
from tests.shared.graph_rig import GraphRig
from tests.shared.heard import Log
from tests.shared.policies import EMPTY, PolicyRig

ATTEMPTS = 10
"""FAILED_LOGIN_ATTEMPTS, as docs/rotators/mysql-user-password.md wants it at least."""


class Application(PolicyRig, GraphRig):
    """An application with client secrets, and a policy."""


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return which passwords servers have refused in a row; so many lock the login."""
    passwords, sign_in = list[str](), FlexibleServer.sign_in

    def counted(self: FlexibleServer, name: str, password: str) -> None:
        try:
            sign_in(self, name, password)
        except DatabaseRefusal:
            passwords.append(password)
            self.accounts["app"].enabled = len(passwords) < ATTEMPTS
            raise
        passwords.clear()

    monkeypatch.setattr(FlexibleServer, "sign_in", counted)
    return passwords


async def rotated(
    document: str, times: int, logins: tuple[str, ...] = ("app",)
) -> tuple[PolicyRig, DatabaseScene, list[str]]:
    """Return a login whose password was changed so often, and its passwords, the newest last.

    Of two logins each has it in turn, and keeps it for an overlap.
    """
    rig = PolicyRig()
    rig.vault.put("leak-key", "k" * 40)
    rig.push(EMPTY + document)
    scene = DatabaseScene("mysql", logins, rig=rig)
    scene.manage()
    rig.clock.advance(60)
    await audit(rig, NAME)
    passwords = [rig.latest(NAME).value]
    for _ in range(times):
        rig.clock.advance(8 * 86_400 * (len(logins) - 1))
        await rig.service().rotate(rig.item(NAME, action="retire").to_json(), 1)
        await rotate(rig, NAME)
        passwords.append(rig.latest(NAME).value)
    return rig, scene, passwords


def history(passwords: list[str]) -> str:
    return "".join(f"-DB_PASSWORD={password}\n" for password in passwords)


@DOCUMENTS
@pytest.mark.parametrize("role", ["Rekey.Admin", "Rekey.Reporter"])
async def test_dead_passwords_lock_no_login_and_what_is_left_is_told(
    document: str, role: str, refused: list[str], caplog: Log
) -> None:
    caplog.set_level(logging.WARNING, "rekey.leak")
    rig, scene, (*dead, live) = await rotated(document, 10)
    refused.clear()
    answer = await leak(rig.api(env=SIGNED_IN), history(dead), headers=principal(role))
    assert sorted(refused) == sorted([*dead[-3:]] * 2), "the newest are the likeliest to work"
    if role == "Rekey.Admin":
        assert answer.body["status"] == "refused"
        assert answer.body["reason"].endswith(MORE)
    else:
        assert [it for it in caplog.records if MORE in it.getMessage()]
    assert scene.server.accounts["app"].enabled
    alone = await leak(rig.api(), dead[0])
    assert (alone.body["status"], MORE in alone.body["reason"]) == ("refused", False)
    assert (await leak(rig.api(), live)).body["accepted"]


async def test_dead_passwords_of_one_login_hide_none_of_another(refused: list[str]) -> None:
    rig, scene, (*dead, _) = await rotated(TRUSTED, 5)
    theirs = "Th3irs-password-nobody-uses"
    scene.server.add_account("theirs", theirs)
    rig.vault.put("theirs", theirs, tags={**rig.tags(NAME), "CredentialId": "theirs"})
    rig.clock.advance(60)
    await audit(rig, "theirs")
    await rotate(rig, "theirs")
    refused.clear()
    await leak(rig.api(), history([*dead, theirs]))
    assert sorted(refused) == sorted([*dead[-3:], theirs] * 2)


@DOCUMENTS
async def test_one_that_works_is_tried_before_all_that_are_dead(
    document: str, refused: list[str]
) -> None:
    rig, scene, passwords = await rotated(document, 10)
    answer = await leak(rig.api(), history(passwords))
    assert (answer.status, answer.body["accepted"]) == (202, True)
    assert answer.body["reason"] == f"its source accepts it; {MORE}"
    assert sorted(refused) == sorted([*passwords[-4:-1]] * 2)
    await settle(rig)
    assert rig.latest(NAME).value != passwords[-1]
    assert scene.live() == {rig.latest(NAME).value}


async def test_one_that_a_person_wrote_just_now_is_cut_off_behind_dead_ones(
    refused: list[str],
) -> None:
    """It has no print yet, so it is found once those that have one were tried."""
    rig, scene, dead = await rotated(TRUSTED, 5)
    live = "wr1tten-by-a-person-just-now"
    scene.server.set_password(scene.server.accounts["app"], live)
    rig.write(NAME, live)
    rig.clock.advance(120)
    answer = await leak(rig.api(), history([*dead, live]))
    assert (answer.status, answer.body["accepted"]) == (202, True)
    assert len(refused) <= 6
    await settle(rig)
    assert live not in scene.live()


@DOCUMENTS
async def test_one_that_was_proven_to_be_refused_is_tried_last_and_once(
    document: str, refused: list[str]
) -> None:
    rig, _, (first, leaked) = await rotated(document, 1)
    await leak(rig.api(), leaked)
    await settle(rig)
    rig.clock.advance(120)
    refused.clear()
    answer = await leak(rig.api(), history([leaked, first]))
    assert answer.body["status"] == "refused"
    assert refused == [first, first, leaked]


async def test_what_is_in_its_overlap_is_tried_before_what_is_dead() -> None:
    rig, scene, (*dead, superseded, _) = await rotated(TRUSTED, 10, ("app_a", "app_b"))
    assert [password for password in scene.live() if password in superseded]
    version = rig.vault.versions(NAME)[-2].version
    *_, known = (await rig.service().engine.index()).of(rig.item(NAME).ref)
    prints = [*(await rig.known(known.source)).history.prints.items()]
    # The newest come first as a rule, and a proof is remembered of a few.
    await rig.note(known.source, NAME, prints=dict(reversed(prints)), gone={})
    answer = await leak(rig.api(), history([*dead, superseded]))
    assert (answer.status, answer.body["version"]) == (202, version)
    assert answer.body["reason"] == f"its source accepts it; {MORE}"
    await settle(rig)
    assert not [password for password in scene.live() if password in superseded]


async def application(by_hand: int) -> Application:
    """Return an application to which somebody adds a client secret each time, and leaves the others."""
    rig = Application()
    rig.vault.put("leak-key", "k" * 40)
    rig.push(EMPTY + TRUSTED)
    rig.managed()
    await audit(rig, GRAPH)
    for number in range(by_hand):
        theirs = rig.directory.add_password(rig.app, f"by hand {number}")
        rig.clock.advance(60)
        rig.write(GRAPH, theirs.secret, CredentialId=theirs.key_id)
        await audit(rig, GRAPH)
    return rig


async def test_of_a_source_that_locks_nothing_all_that_works_is_cut_off() -> None:
    rig = await application(by_hand=5)
    leaked = [password.secret for password in rig.alive()]
    answer = await leak(rig.api(), history(leaked))
    assert (answer.status, MORE in answer.body["reason"]) == (202, False)
    await settle(rig)
    assert not {password.secret for password in rig.alive()} & {*leaked}


async def test_of_a_source_that_locks_nothing_no_dead_one_hides_what_works() -> None:
    rig = await application(by_hand=MOST_REFUSED + 2)
    oldest, *others, _ = rig.alive()
    for dead in others:
        rig.directory.remove_password(rig.app, dead)
    rig.clock.advance(3600)
    answer = await leak(rig.api(), history([password.secret for password in (oldest, *others)]))
    assert (answer.status, MORE in answer.body["reason"]) == (202, False)
    await settle(rig)
    assert oldest not in rig.alive()


async def replaced(document: str) -> tuple[PolicyRig, list[str]]:
    """Return an account whose keys were replaced and retired several times, and its keys."""
    rig = leaky(document)
    await audit(rig, "app-key", "other")
    keys = [rig.latest("app-key").value]
    for _ in range(5):
        await rotate(rig)
        rig.clock.advance(8 * 86_400)
        await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
        keys.append(rig.latest("app-key").value)
    return rig, keys


@DOCUMENTS
async def test_what_is_about_to_be_published_is_tried_behind_dead_ones(document: str) -> None:
    rig, (*dead, _) = await replaced(document)
    unpublished = (await interrupted(rig)).partition("B=")[2].strip()
    answer = await leak(rig.api(), history([*dead, unpublished]))
    assert answer.status == 503
    assert "a rotation that is in progress" in answer.body["detail"]


async def test_no_password_of_a_login_is_called_refused_amid_a_change_of_it() -> None:
    """The server refuses them all then, and the change may be taken back."""
    rig, _, (*_, earlier, current) = await rotated(TRUSTED, 2)
    (known,) = (await rig.service().engine.index()).of(rig.item(NAME).ref)
    until = (rig.clock.now() + timedelta(minutes=20)).isoformat()
    await rig.note(known.source, NAME, blind=True, open_until=until)
    amid = await leak(rig.api(), earlier)
    assert (amid.status, "in the midst of a change" in amid.body["detail"]) == (503, True)
    assert (await leak(rig.api(), current)).body["accepted"]
    await rig.note(known.source, NAME, blind=False)
    assert (await leak(rig.api(), earlier)).body["status"] == "refused"


async def test_a_password_is_not_called_refused_where_a_change_came_and_went_meanwhile() -> None:
    rig, _, (*_, earlier, _) = await rotated(TRUSTED, 2)
    (known,) = (await rig.service().engine.index()).of(rig.item(NAME).ref)

    async def changing(request: Request, call: Call) -> Response:
        if request.method == "SIGN-IN":
            await rig.note(known.source, NAME, begun=rig.clock.now())
        return await call()

    amid = await leak(rig.api(changing), earlier)
    assert (amid.status, "in the midst of a change" in amid.body["detail"]) == (503, True)
