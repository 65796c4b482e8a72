"""The demo's sources with two keys, and what such a key signs: from the simulator's contracts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

from simulator.azure import Azure
from simulator.keys.accounts import KeyedAccount, KeyRing
from simulator.keys.contracts import Contract
from simulator.keys.shapes import keys_body
from simulator.wire import Request


class Keyed:
    """A resource with two keys, or a rule below it. `goes_on` is how long a replacement takes."""

    template = "{key}"

    def __init__(self, contract: Contract, goes_on: timedelta | None = None) -> None:
        self.contract, self.goes_on = contract, goes_on
        namespace, _, kind = contract.kind.partition(".")[2].lower().partition("/")
        self.name = f"{namespace}-{kind}"
        self.path = f"{contract.children[0]}/shop" if contract.children else ""
        self.resource = f"shop{namespace}{kind}"

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the resource; its first key is the current one."""
        account = azure.add_keyed(self.contract.kind, self.resource, self.path)
        account.duration = self.goes_on or account.duration
        slot = next(iter(self.contract.slots))
        tags = {"ProviderAddress": self.address(azure), "CredentialId": slot}
        return tags, [_value(account, self.ring(azure), slot)]

    def opens(self, azure: Azure, value: str) -> bool:
        """Return whether the value holds a key that the resource accepts now."""
        usable = self.ring(azure).usable(azure.now())
        return self.account(azure).takes_keys and any(key.value in value for key in usable)

    def account(self, azure: Azure) -> KeyedAccount:
        """Return the resource."""
        return next(account for account in azure.keyed.values() if account.name == self.resource)

    def ring(self, azure: Azure) -> KeyRing:
        """Return its keys as they are now."""
        ring = self.account(azure).ring(self.path)
        assert ring  # noqa: S101 - `enter` has added it
        return ring

    def address(self, azure: Azure) -> str:
        """Return the id of what has the keys."""
        return "/".join(filter(None, (self.account(azure).resource_id, self.path)))


class RuleSignature:
    """A signature for a whole namespace that the key of its rule makes; that is a secret of this vault."""

    template = "{sas}"
    extent = "sas"

    def __init__(self, key: Keyed, vault: str) -> None:
        self.key, self.vault, self.name = key, vault, f"{key.name}-sas"

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Sign with the rule's first key; the other secret has added the rule."""
        tags = {
            "ProviderAddress": f"{self.key.address(azure)}/{self.extent}",
            "DerivedFrom": f"{azure.vaults[self.vault].url}/secrets/{self.key.name}",
        }
        return tags, [self._signed(azure)]

    def opens(self, azure: Azure, value: str) -> bool:
        """Ask the namespace for its description with the signature."""
        url = f"https://{self.key.account(azure).host}/$namespaceinfo"
        answer = azure.handle(Request("GET", url, {"authorization": value}))
        return answer.status == HTTPStatus.OK

    def _signed(self, azure: Azure) -> str:
        # https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas
        ring = self.key.ring(azure)
        target = quote(f"https://{self.key.account(azure).host}", safe="")
        ends = int((azure.now() + timedelta(days=75)).timestamp())
        key = next(iter(ring.keys.values())).value.encode()
        mac = hmac.digest(key, f"{target}\n{ends}".encode(), hashlib.sha256)
        signature = quote(base64.b64encode(mac).decode(), safe="")
        return f"SharedAccessSignature sr={target}&sig={signature}&se={ends}&skn={ring.rule}"


def rights(contract: Contract) -> tuple[str, ...]:
    """Return what the app must be permitted at resources of a type."""
    kinds = (contract.kind, *(f"{contract.kind}/{child}" for child in contract.children))
    holders = kinds[1:] or kinds
    actions = (contract.lists, "regenerate*")
    below = (f"{holder}/{action}/action" for holder in holders for action in actions)
    return (*(f"{kind}/read" for kind in kinds), *below)


def _value(account: KeyedAccount, ring: KeyRing, slot: str) -> str:
    """Return what a consumer holds: the key, or the connection string of a store that names it."""
    if account.contract.asks == "id":
        rows = keys_body(account, ring)["value"]
        return next(str(row["connectionString"]) for row in rows if row["name"] == slot)
    return ring.keys[slot].value
