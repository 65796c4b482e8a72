"""`python -m simulator`: serve a small Azure on loopback until interrupted.

It prints the variables to export so that programs use it instead of Azure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import timedelta

from simulator.azure import GROUP, SUBSCRIPTION, Azure
from simulator.reach.server import Running, serve
from simulator.reach.shell import exports
from simulator.world import Domains

APP = "rekey"
HOST_ACCOUNT = "rekeyhost"
DATA_ACCOUNT = "shopdata"
VAULT = "shop"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
ACTIONS = (
    "Microsoft.KeyVault/vaults/secrets/*",
    "Microsoft.Storage/storageAccounts/listkeys/action",
    "Microsoft.Storage/storageAccounts/regeneratekey/action",
    "Microsoft.Storage/storageAccounts/blobServices/*",
    "Microsoft.Storage/storageAccounts/queueServices/*",
)


def example(domains: Domains) -> Azure:
    """Return a world with one vault, whose one secret is a storage key that expires in 10 days."""
    azure = Azure(domains=domains)
    azure.add_account(HOST_ACCOUNT)
    account = azure.add_account(DATA_ACCOUNT)
    azure.managed_identity.system = azure.add_principal(APP)
    azure.grant(azure.managed_identity.system, ACTIONS, SCOPE)
    tags = {
        "ProviderAddress": account.resource_id,
        "CredentialId": "key1",
        "ValidityPeriodDays": "60",
    }
    vault = azure.add_vault(VAULT)
    vault.put(
        "shopdata-key",
        account.keys["key1"].value,
        expires=azure.now() + timedelta(days=10),
        tags=tags,
    )
    return azure


def settings(running: Running[Azure]) -> dict[str, str]:
    """Return the settings that make an app use the simulated cloud."""
    vault = running.world.vaults[VAULT].url
    return {
        **running.environment,
        "AzureWebJobsStorage": running.connection_string(HOST_ACCOUNT),
        "REKEY_VAULTS": vault,
        "REKEY_SCOPES": f'{{"{vault}": ["{SCOPE}"]}}',
    }


async def main(port: int, identity_port: int) -> None:
    """Serve the example until cancelled."""
    async with serve(example, port, identity_port) as running:
        print(exports(settings(running)), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="for TLS; 0 picks a free one")
    parser.add_argument(
        "--identity-port", type=int, default=0, help="for the managed-identity endpoint"
    )
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(options.port, options.identity_port))
