"""The listing of a vault costs what is listed, however large the vault."""

from __future__ import annotations

from datetime import datetime, timedelta

from simulator.keyvault.state import SecretVersion, Vault
from tests.shared.rig import Rig


class Counted:
    """Counts how often a vault looks up a secret."""

    def __init__(self, vault: Vault) -> None:
        self.looked_up = 0
        self._shown = vault.shown
        vault.shown = self.shown  # type: ignore[method-assign]

    def shown(self, name: str, seen: datetime | None = None) -> list[SecretVersion]:
        self.looked_up += 1
        return self._shown(name, seen)


async def test_a_page_looks_up_its_own_secrets_and_the_next_one() -> None:
    rig = Rig()
    for number in range(300):
        rig.vault.put(f"secret-{number:03}", "value")
    counted = Counted(rig.vault)
    listed = [ref async for ref in rig.service().engine.vaults.list(rig.vault.url)]
    assert len(listed) == 300
    assert counted.looked_up == 300 + 300 / 25 - 1


async def test_what_a_replica_does_not_show_yet_takes_no_place_on_a_page() -> None:
    rig = Rig()
    for number in range(0, 60, 2):
        rig.vault.put(f"secret-{number:03}", "value")
    rig.clock.advance(90)
    for number in range(1, 60, 2):
        rig.vault.put(f"secret-{number:03}", "value")
    rig.vault.lags = (timedelta(minutes=1),)
    page, token = await rig.service().engine.vaults.page(rig.vault.url, None)
    assert [version.ref.name for version in page] == [f"secret-{2 * at:03}" for at in range(25)]
    assert token
