"""What the passwords of all engines' logins share: whose they are, and what is checked before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from azure.core.exceptions import ServiceRequestError

from engine.contract import Job
from engine.errors import NeedsHuman, TransientError, VerificationFailed
from engine.secret import Sensitive
from simulator.faults import Fault, unavailable
from simulator.reach.transport import SimulatedCredential
from tests.rotators import sql_scenes
from tests.rotators.database_scenes import FIRST, SECOND, TEMPLATE, WRONG, DatabaseScene
from tests.rotators.test_admin_password import SCENES as ADMINISTRATORS

type Scene = DatabaseScene | sql_scenes.SqlScene
ONE: dict[str, Callable[[], Scene]] = {
    "sql": sql_scenes.one_login,
    "sql, contained": sql_scenes.contained_user,
    "postgresql": lambda: DatabaseScene("postgresql", ("app",)),
    "mysql": lambda: DatabaseScene("mysql", ("app",)),
}
TWO: dict[str, Callable[[], Scene]] = {
    "sql": sql_scenes.two_logins,
    "postgresql": lambda: DatabaseScene("postgresql", ("app_a", "app_b")),
    "mysql": lambda: DatabaseScene("mysql", ("app_a", "app_b")),
}
one_login = pytest.mark.parametrize("made", ONE.values(), ids=ONE)
two_logins = pytest.mark.parametrize("made", TWO.values(), ids=TWO)


def first(scene: Scene, **changes: object) -> Job:
    """Return a job for a version that somebody else wrote."""
    return replace(scene.job(), **{"proven": False, **changes})  # type: ignore[arg-type]


async def recognised(scene: Scene, **changes: object) -> str:
    """Return whose password the vault is said to hold."""
    before = scene.live()
    known = await scene.rotator().recognise(first(scene, **changes))
    assert scene.live() == before
    return known.credential_id


@one_login
async def test_the_only_login_is_the_one_that_the_tag_names(made: Callable[[], Scene]) -> None:
    assert await recognised(made(), held=Sensitive(WRONG)) == "app"


@two_logins
@pytest.mark.parametrize(("held", "login"), [(FIRST, "app_a"), (SECOND, "app_b")])
async def test_which_of_two_it_is_shows_by_signing_in_whatever_the_tag_says(
    made: Callable[[], Scene], held: str, login: str
) -> None:
    for tagged in ("app_a", "app_b", None):
        assert await recognised(made(), held=Sensitive(held), held_id=tagged) == login


@two_logins
async def test_a_password_of_neither_is_nobodys_and_the_server_is_named(
    made: Callable[[], Scene],
) -> None:
    """The tag is no evidence of what a value is."""
    scene = made()
    with pytest.raises(NeedsHuman, match="neither 'app_a' nor 'app_b'") as caught:
        await recognised(scene, held=Sensitive(WRONG))
    assert caught.value.where == scene.server.resource_id.lower()


@one_login
async def test_a_change_without_a_token_for_it_was_not_sent_and_leaves_no_doubt(
    made: Callable[[], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object, **__: object) -> None:
        raise ServiceRequestError("no route to host")

    scene = made()
    monkeypatch.setattr(SimulatedCredential, "get_token", unreachable)
    with pytest.raises(TransientError) as caught:
        await scene.rotator().issue(scene.job())
    assert caught.value.unsent


@one_login
async def test_a_server_that_cannot_be_looked_at_has_taken_no_password(
    made: Callable[[], Scene],
) -> None:
    """Nobody needs to hear that its password may be unknown."""
    scene = made()
    before = scene.live()
    scene.rig.world.faults.append(Fault(lambda _: True, unavailable(), times=99))
    with pytest.raises(TransientError) as caught:
        await scene.rotator().issue(first(scene))
    assert caught.value.unsent
    assert scene.live() == before


@two_logins
async def test_a_password_that_no_tag_gives_to_a_login_is_verified_as_that_of_its_login(
    made: Callable[[], Scene],
) -> None:
    scene = made()
    verify, source = scene.rotator().verify, scene.job().source
    for password in (FIRST, SECOND):
        await verify(source, "", Sensitive(password))
    with pytest.raises(VerificationFailed):
        await verify(source, "app_b", Sensitive(FIRST))


@two_logins
@pytest.mark.parametrize("name", ["app", "b", "app_a+app_b", ""])
async def test_a_login_whose_name_only_begins_as_one_of_the_two_is_not_touched(
    made: Callable[[], Scene], name: str
) -> None:
    scene = made()
    before = scene.live()
    with pytest.raises(NeedsHuman, match="neither Logins nor CredentialId names it"):
        await scene.rotator().retire(scene.job().source, name, Sensitive(WRONG))
    assert scene.live() == before


@one_login
async def test_a_connection_string_is_no_password_to_be_recognised(
    made: Callable[[], Scene],
) -> None:
    scene = made()
    bare = {name: text for name, text in scene.job().options.items() if name != "ValueTemplate"}
    text = Sensitive(f"Server=orders;Password={FIRST}")
    with pytest.raises(NeedsHuman, match="more than the bare password"):
        await recognised(scene, held=text, options=bare)


@pytest.mark.parametrize("made", [*ONE.values(), *TWO.values(), *ADMINISTRATORS.values()])
async def test_a_name_that_a_template_cannot_hold_is_found_before_the_rotation(
    made: Callable[[], Scene],
) -> None:
    scene = made()
    options = {**scene.job().options, "ValueTemplate": TEMPLATE, "Database": "a;b"}
    # A contained user is shown with no database but its own, in whatever letters.
    with pytest.raises(NeedsHuman, match=r"escaped|contained in 'shop'"):
        await scene.rotator().preflight(first(scene, options=options))
