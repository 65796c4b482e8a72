from __future__ import annotations

from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator_tests.caller import Caller, body_of
from simulator_tests.recordings import Player, moment, pairs

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP_2019 = "test_mgmt_storage_test_storage_accounts43b8102a"


@pytest.fixture
def recorded() -> dict[str, Any]:
    """The recorded pairs of both accounts."""
    return pairs("storage_listkeys_regeneratekey.json")


def player(pair: dict[str, Any]) -> Player:
    clock = VirtualClock(moment(pair))
    azure = build_world(clock)
    azure.add_account("clitest000002", SUBSCRIPTION, "clitest.rg000001")
    old = azure.add_account("pyarmstorage43b8102a", SUBSCRIPTION, GROUP_2019)
    old.kind, old.location = "Storage", "westus"
    return Player(Caller(azure, reader(azure)), clock)


def reader(azure: Azure) -> Any:
    principal = azure.add_principal("operator")
    azure.grant(
        principal, ["Microsoft.Storage/storageAccounts/*"], f"/subscriptions/{SUBSCRIPTION}"
    )
    return principal


def test_the_recorded_regeneration_of_both_keys_is_answered_alike(recorded: dict[str, Any]) -> None:
    played = {name: pair for name, pair in recorded.items() if name.endswith("_2022")}
    playing = player(played["list_keys_2022"])

    answers = [playing.play(pair) for pair in played.values()]

    before, first, second = (body_of(answer)["keys"] for answer in answers)
    assert [old["value"] == new["value"] for old, new in zip(before, first, strict=True)] == [
        False,
        True,
    ]
    assert [old["value"] == new["value"] for old, new in zip(first, second, strict=True)] == [
        True,
        False,
    ]
    assert [
        old["creationTime"] < new["creationTime"] for old, new in zip(first, second, strict=True)
    ] == [False, True]


@pytest.mark.parametrize("name", ["list_keys_2019", "get_account_2019"])
def test_recordings_of_an_older_api_version_are_answered_alike(
    recorded: dict[str, Any], name: str
) -> None:
    assert player(recorded[name]).play(recorded[name]).status == 200


def test_every_recorded_exchange_is_played(recorded: dict[str, Any]) -> None:
    assert set(recorded) == {
        *("list_keys_2022", "regenerate_key1_2022", "regenerate_key2_2022"),
        *("list_keys_2019", "get_account_2019"),
    }
