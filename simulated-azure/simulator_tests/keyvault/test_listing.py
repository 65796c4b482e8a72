"""The listing of a vault costs what is listed, however large the vault."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from simulator.clock import VirtualClock
from simulator.keyvault.state import SecretVersion, Vault
from simulator_tests.caller import Caller, body_of


class Counted:
    """Counts how often a vault looks up a secret."""

    def __init__(self, vault: Vault) -> None:
        self.looked_up = 0
        self._shown = vault.shown
        vault.shown = self.shown  # type: ignore[method-assign]

    def shown(self, name: str, seen: datetime | None = None) -> list[SecretVersion]:
        self.looked_up += 1
        return self._shown(name, seen)


def page(caller: Caller, vault: Vault, link: str = "") -> dict[str, Any]:
    """Return a page of the listing: the first one, or the one that another one names."""
    return dict(body_of(caller.send("GET", link or f"{vault.url}/secrets?api-version=7.4")))


def test_a_page_looks_up_its_own_secrets_and_the_next_one(caller: Caller, vault: Vault) -> None:
    for number in range(300):
        vault.put(f"secret-{number:03}", "value")
    counted, listed = Counted(vault), list[Any]()
    link: str | None = ""
    while link is not None:
        shown = page(caller, vault, link)
        listed += shown["value"]
        link = shown["nextLink"]
    assert len(listed) == 300
    assert counted.looked_up == 300 + 300 / 25 - 1


def test_what_a_replica_does_not_show_yet_takes_no_place_on_a_page(
    caller: Caller, vault: Vault, clock: VirtualClock
) -> None:
    for number in range(0, 60, 2):
        vault.put(f"secret-{number:03}", "value")
    clock.advance(90)
    for number in range(1, 60, 2):
        vault.put(f"secret-{number:03}", "value")
    vault.lags = (timedelta(minutes=1),)
    shown = page(caller, vault)
    names = [entry["id"].rpartition("/")[2] for entry in shown["value"]]
    assert names == [f"secret-{2 * at:03}" for at in range(25)]
    assert shown["nextLink"]
