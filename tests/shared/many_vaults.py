"""A deployment that serves many vaults of one subscription."""

from __future__ import annotations

import json

from tests.shared.rig import VAULT_ACTIONS, Rig


def rig_of(vaults: int) -> Rig:
    """Return a rig that serves so many vaults, whose budget is that of one subscription."""
    rig = Rig()
    served = [rig.vault, *(rig.world.add_vault(f"team-{number}") for number in range(vaults - 1))]
    for vault in served[1:]:
        rig.world.grant(rig.identity, VAULT_ACTIONS, vault.resource_id)
    group = rig.host.resource_id.split("/providers/")[0]
    rig.environment = {
        "REKEY_VAULTS": ",".join(vault.url for vault in served),
        "REKEY_SCOPES": json.dumps({vault.url: [group] for vault in served}),
    }
    return rig
