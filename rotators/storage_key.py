"""Storage account keys, proven by a signed request to the account's blob endpoint.

Source: https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage and the ARM
operations storageAccounts/listKeys and regenerateKey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from cloud.azure import CHANGING, NO_ANSWER, Azure, call
from cloud.rest.client import Json
from cloud.rest.logs import Logs
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts, KeyPlace, Keys, Pair, Slot, rows_of, text_of
from rotators.shared.key_use import DAYS, query_of, sentence, uses_of
from rotators.shared.two_keys import TwoKeys

SUFFIXES = {
    "https://management.azure.com": "core.windows.net",
    "https://management.usgovcloudapi.net": "core.usgovcloudapi.net",
    "https://management.chinacloudapi.cn": "core.chinacloudapi.cn",
}
"""The storage suffix of each cloud; of any other, the account's own endpoints are read."""


class StorageKey(TwoKeys):
    """Rotates the keys of storage accounts."""

    kind: ClassVar[str] = "storage-key"
    role: ClassVar[str] = "Storage Account Key Operator Service Role"
    tells_ages: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str]] = frozenset({"account", "key", "suffix"})
    facts: ClassVar[Facts] = Facts(
        noun="storage account",
        types=("Microsoft.Storage/storageAccounts",),
        version="2023-05-01",
        pairs=(Pair(Slot("key1"), Slot("key2")),),
        shape=re.compile(r"[A-Za-z0-9+/]{86}=="),
        switches={"allowSharedKeyAccess": False},
        called=re.compile(r"[a-z0-9]{3,24}"),
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._logs = Logs(azure)

    async def use(self, place: KeyPlace, slot: Slot) -> str:
        """Return what the workspace's logs say of a key's use, or why they could not be asked."""
        if not self._logs.is_known:
            return ""
        try:
            query = query_of(place.name, slot.name)
            answer = await self._logs.ask(query, DAYS, "querying the workspace")
            return sentence(uses_of(answer.rows), is_partial=answer.is_partial)
        except AccessDenied as denied:
            reason = f"{denied.what}: {denied.fix}"
        except NotFound as absent:
            reason = f"{absent.what}: correct the app's setting REKEY_LOGS_WORKSPACE"
        except RekeyError as error:
            reason = error.what
        except Exception as error:  # noqa: BLE001 - it is for people, and must never stop a rotation
            reason = f"the workspace's answer cannot be read ({type(error).__name__})"
        return f"Its use could not be looked at in the logs: {reason}"

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read key1 and key2, and no Kerberos key."""
        return rows_of(answer.get("keys"), place.pair, "keyName", "value", "creationTime")

    async def ready(self, place: KeyPlace) -> None:
        """Do nothing: the proof tells whether the account takes keys, and needs no right."""

    async def explained(self, place: KeyPlace, error: RekeyError) -> RekeyError:
        """Return the error as it is: the proof tells."""
        del place
        return error

    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return the account, the key, and what follows `<account>.blob.` in its endpoint."""
        del slot
        name, _, suffix = urlsplit(await self.endpoint(place)).netloc.partition(".blob.")
        if name != place.name and "{suffix}" in options.get("ValueTemplate", ""):
            raise NeedsHuman(
                "the account is in a DNS zone of its own, which {suffix} cannot express",
                where=place.source,
                fix=(
                    "write BlobEndpoint=<the account's endpoint> into ValueTemplate in place "
                    "of EndpointSuffix={suffix}"
                ),
            )
        return {"account": Sensitive(place.name), "key": key, "suffix": Sensitive(suffix)}

    async def prove(self, place: KeyPlace, key: Sensitive) -> RekeyError | None:
        """Sign a Get Blob Service Properties with the key."""
        try:
            await call(
                "proving the key",
                self._sign(await self.endpoint(place), place, key),
                where=place.source,
            )
        except RekeyError as error:
            if error.code != NO_ANSWER or self._source.forget(place):
                return _refusal(error, place)
            unanswered = error
        else:
            return None
        # No such host, perhaps: an account in a DNS zone of its own is not where the convention
        # says.
        try:
            await self._source.refuse_keyless(place)
        except AccessDenied as denied:
            fix = (
                "let the app reach the account's blob endpoint; if that has a DNS zone of its "
                f"own, {denied.fix}"
            )
            return TransientError(unanswered.what, where=place.source, fix=fix, code=NO_ANSWER)
        return await self.prove(place, key)

    async def endpoint(self, place: KeyPlace) -> str:
        """Return the account's blob endpoint: by convention in known clouds, else as it says."""
        if not self._source.is_known(place) and (suffix := SUFFIXES.get(self._azure.arm_endpoint)):
            return f"https://{place.name}.blob.{suffix}"
        endpoint = text_of(
            await self._source.known(place), "properties", "primaryEndpoints", "blob"
        ).rstrip("/")
        if not endpoint:
            raise NeedsHuman(
                "the account has no blob endpoint at which a key can be proven",
                where=place.source,
                fix=(
                    "remove the tag ProviderAddress: premium file share accounts have none and "
                    "are not supported"
                ),
            )
        return endpoint

    async def _sign(self, endpoint: str, place: KeyPlace, key: Sensitive) -> None:
        from azure.storage.blob.aio import BlobServiceClient

        credential = {"account_name": place.name, "account_key": key.reveal()}
        async with BlobServiceClient(endpoint, credential, **self._azure.sending_options) as client:
            await client.get_service_properties(**CHANGING)


def _refusal(error: RekeyError, place: KeyPlace) -> RekeyError:
    match error.code:
        case "AuthenticationFailed":
            return VerificationFailed(
                "the account refuses the key",
                where=place.source,
                fix="see whether its keys were changed by hand just now",
            )
        case "KeyBasedAuthenticationNotPermitted":
            return NeedsHuman(
                "the account does not accept keys (allowSharedKeyAccess is off)",
                where=place.source,
                fix=(
                    "remove the secret, since consumers cannot use its value, or allow shared "
                    "key access on the account"
                ),
            )
        case "AuthorizationFailure":
            return AccessDenied(
                "the account's firewall refuses the app, so the key cannot be proven",
                where=place.source,
                fix=(
                    "let the app's network reach the account's blob endpoint (virtual network "
                    "rule or private endpoint)"
                ),
            )
        case _:
            return error
