"""A value that two secrets hold, such as a password set at two sources, is found in both of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_github import POLICY, deliver, hooked
from tests.api.test_leaks import KEYED, TRUSTED, audit, leak, leaky, settle
from tests.shared.policies import PolicyRig
from tests.shared.scene import refuse


def shared(rig: PolicyRig) -> str:
    """Have a person set the value of `app-key` at the source of `other`, too; return the value."""
    value = rig.latest("app-key").value
    keys = rig.world.accounts["otherdata"].keys
    keys["key1"] = replace(keys["key1"], value=value)
    rig.write("other", value, ValueTemplate=None, CredentialId="key1")
    rig.clock.advance(120)
    return value


def sources(rig: PolicyRig, value: str) -> list[str]:
    """Return the accounts that accept it."""
    accounts = rig.world.accounts.items()
    return [name for name, it in accounts if value in {key.value for key in it.accepted_keys()}]


@pytest.mark.parametrize("printed", [("app-key", "other"), ("app-key",), ("other",), ()])
@pytest.mark.parametrize("role", ["Rekey.Admin", "Rekey.Reporter"])
async def test_it_is_cut_off_wherever_it_works(role: str, printed: tuple[str, ...]) -> None:
    rig = leaky()
    value = shared(rig)
    await audit(rig, *printed)
    answer = await leak(rig.api(env=SIGNED_IN), value, headers=principal(role))
    assert answer.status == 202
    await settle(rig)
    assert sources(rig, value) == []
    named = f"{answer.body['secret']} {answer.body['reason']}"
    assert ("app-key" in named and "other" in named) is (role == "Rekey.Admin")


@pytest.mark.parametrize("printed", [("app-key", "other"), ("app-key",)])
async def test_it_is_cut_off_wherever_it_works_where_github_has_found_it(
    printed: tuple[str, ...],
) -> None:
    rig, _ = hooked(POLICY)
    value = shared(rig)
    await audit(rig, *printed)
    assert (await deliver(rig.api())).status == 202
    await settle(rig)
    assert sources(rig, value) == []


@pytest.mark.parametrize("printed", [("app-key", "other"), ("app-key",), ("other",)])
@pytest.mark.parametrize("revoked", ["appdata", "otherdata"])
async def test_it_is_not_refused_while_one_source_accepts_it(
    revoked: str, printed: tuple[str, ...]
) -> None:
    rig = leaky()
    value = shared(rig)
    await audit(rig, *printed)
    secret = "app-key" if revoked == "appdata" else "other"
    await rig.service().rotate(rig.item(secret, compromised=True).to_json(), 1)
    assert revoked not in sources(rig, value)
    rig.clock.advance(120)
    assert (await leak(rig.api(), value)).body["status"] == "alive"
    await settle(rig)
    assert sources(rig, value) == []
    assert (await leak(rig.api(), value)).body["status"] == "refused"


@pytest.mark.parametrize("printed", [("app-key", "other"), ("app-key",)])
async def test_the_owner_of_each_is_asked(printed: tuple[str, ...]) -> None:
    rig = leaky(KEYED)
    value = shared(rig)
    await audit(rig, *printed)
    for _ in range(2):
        assert (await leak(rig.api(), value)).status == 200
    assert sorted(message["secret"] for message in rig.messages("rotations")) == [
        "app-key",
        "other",
    ]


async def test_what_cannot_be_looked_through_keeps_nothing_alive_and_is_told() -> None:
    rig = leaky(TRUSTED)
    value = shared(rig)
    await audit(rig, "app-key")
    refuse(rig, 503, "ServerBusy", lambda request: request.path.startswith("/secrets/other/"), 99)
    answer = await leak(rig.api(), value)
    assert (answer.status, answer.body["secret"]) == (202, "app-key")
    assert "report it again" in answer.body["reason"]
    (message,) = rig.messages("rotations")
    assert message["secret"] == "app-key"
