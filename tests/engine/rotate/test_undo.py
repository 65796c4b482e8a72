"""A password that could not be proven or published is undone.

What the vault holds is set back, and said beside the error.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.tags import OPERATION
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.delivery import Delivery
from tests.shared.heard import LOST
from tests.shared.sql_product import KINDS, NAME, SqlProduct

SINGLE = [name for name, kind in KINDS.items() if kind.single]
SET_BACK = "what the vault holds was set back"
type Strike = Callable[[SqlProduct, Request], Response | None]


class Scene:
    """One due secret of one kind, and what happens to its server once the password has changed."""

    def __init__(self, name: str, strike: Strike = lambda *_: None) -> None:
        self.rig = SqlProduct()
        KINDS[name].setup(self.rig)
        self._strike = strike

    async def __call__(self, request: Request, call: Call) -> Response:
        struck = self._strike(self.rig, request) if self.changed else None
        return struck or await call()

    @property
    def changed(self) -> bool:
        """Tell whether the server has left the password that the vault holds."""
        return not self.rig.accepted(self.rig.latest(NAME))

    async def rotate(self, **fields: object) -> None:
        """Try once, as the queue would."""
        item = self.rig.item(NAME, version=self.rig.latest(NAME).version, **fields)
        await self.rig.service(self).rotate(item.to_json(), 1)

    @property
    def passwords(self) -> int:
        """How many passwords the account under rotation has had."""
        return max(len(account.passwords) for account in self.rig.accounts())

    @property
    def reason(self) -> str:
        return (self.rig.latest(NAME).tags or {})["RekeyReason"]


def no_sign_in(rig: SqlProduct, request: Request) -> Response | None:
    """The app's network is let in no more, as far as sign-ins go."""
    del rig
    return (
        json_response(403, {"error": {"code": "Firewall"}}) if request.method == "SIGN-IN" else None
    )


def firewall(rig: SqlProduct, request: Request) -> None:
    """Nobody is let in any more."""
    del request
    rig.server.firewalled = True


def entra_only(rig: SqlProduct, request: Request) -> None:
    """Somebody turns passwords off."""
    del request
    rig.server.entra_only = True


def no_publishing(rig: SqlProduct, request: Request) -> Response | None:
    """Somebody takes the right to write secrets away."""
    del rig
    to_vault = request.method == "PUT" and request.host.startswith("prod.vault.")
    return json_response(403, {"error": {"code": "Forbidden"}}) if to_vault else None


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize(
    ("strike", "first"),
    [(no_sign_in, "the server's firewall refuses the app"), (no_publishing, "403 Forbidden")],
)
async def test_what_the_vault_holds_is_set_back_and_the_first_error_comes_first(
    name: str, strike: Strike, first: str
) -> None:
    scene = Scene(name, strike)
    await scene.rotate()
    assert not scene.changed
    assert first in scene.reason
    assert scene.reason.index(first) < scene.reason.index(SET_BACK)
    assert LOST not in scene.reason
    assert len(scene.rig.vault.versions(NAME)) == 1


async def test_an_administrators_password_is_set_back_through_resource_manager_although_the_server_is_out_of_reach() -> (
    None
):
    scene = Scene("an administrator", firewall)
    await scene.rotate()
    assert not scene.changed
    assert SET_BACK in scene.reason


@pytest.mark.parametrize(
    ("name", "strike"), [("an administrator", entra_only), ("a login", firewall)]
)
async def test_that_it_could_not_be_set_back_is_said_after_the_first_error(
    name: str, strike: Strike
) -> None:
    scene = Scene(name, strike)
    await scene.rotate()
    assert scene.changed
    first, _, second = scene.reason.partition(
        "; what the vault holds could not be set back either: "
    )
    assert first
    assert second


@pytest.mark.parametrize("name", SINGLE)
async def test_a_server_that_answers_no_more_gets_the_old_password_back_before_the_message_comes_again(
    name: str,
) -> None:
    scene = Scene(
        name, lambda _, request: json_response(503, {}) if request.method == "SIGN-IN" else None
    )
    with pytest.raises(Exception, match=SET_BACK):
        await scene.rotate()
    assert not scene.changed


@pytest.mark.parametrize("name", SINGLE)
async def test_once_the_way_is_free_again_the_follow_up_rotates(name: str) -> None:
    scene = Scene(name, no_sign_in)
    await scene.rotate()
    await Delivery(scene.rig, scene.rig.service).run()
    assert not scene.changed
    assert OPERATION in (scene.rig.latest(NAME).tags or {})
    assert len(scene.rig.vault.versions(NAME)) == 2
