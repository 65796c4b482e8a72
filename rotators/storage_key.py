"""Storage account keys: two slots, of which the vault holds one.

A rotation regenerates the slot that the vault does not hold, so the live key is never touched. The one it
supersedes is revoked, once its overlap has passed, by regenerating it too and throwing the new value away.
Source: https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage and the ARM operations
storageAccounts/listKeys and regenerateKey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from cloud.azure import CHANGING, NO_ANSWER, READING, Azure, call
from engine.contract import Issued, Job, Recognised
from engine.errors import AccessDenied, NeedsHuman, NotFound, RekeyError, TransientError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.mgmt.storage.aio import StorageManagementClient
    from azure.mgmt.storage.models import StorageAccountListKeysResult

ADDRESS = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.storage/storageaccounts/(?P<account>[a-z0-9]{3,24})"
)
KEY = re.compile(r"[A-Za-z0-9+/]{86}==")
"""64 bytes in base64."""
ROLE = "Storage Account Key Operator Service Role"
OTHER = {"key1": "key2", "key2": "key1"}
SUFFIXES = {
    "https://management.azure.com": "core.windows.net",
    "https://management.usgovcloudapi.net": "core.usgovcloudapi.net",
    "https://management.chinacloudapi.cn": "core.chinacloudapi.cn",
}
"""The storage suffix of each cloud; of any other, the account's own endpoints are read."""
PROPAGATION = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries that a new key gets until every front end knows it: a minute in all."""


class StorageKey:
    """Rotates the keys of storage accounts."""

    kind: ClassVar[str] = "storage-key"
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]] = frozenset({"account", "key", "suffix"})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._azure = azure
        self._clock = clock
        self._clients: dict[str, StorageManagementClient] = {}
        self._endpoints: dict[str, str] = {}

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the account's resource id in lower case, as Resource Manager compares ids."""
        del tags
        found = ADDRESS.fullmatch(address.strip().rstrip("/").lower())
        return found[0] if found else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell that there are two slots."""
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        """Regenerate the key that the vault does not hold; in place, read the one it ought to hold."""
        if job.in_place:
            slot = _slot(job.held_id)
            return await self._issued(job, slot, await self._list(job.source), supersedes=None)
        slot = OTHER[_slot(job.held_id)] if job.proven else OTHER[await self._held_slot(job)]
        keys = await self._regenerate(job.source, slot)
        return await self._issued(job, slot, keys, supersedes=OTHER[slot])

    async def preflight(self, job: Job) -> None:
        """Find out, changing nothing, which key the vault holds and whether the account takes keys at all."""
        await self._held_slot(job)

    async def recognise(self, job: Job) -> Recognised:
        """Compare the value with both keys, whatever its tags say."""
        return Recognised(await self._held_slot(replace(job, held_id=None)))

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign a Get Blob Service Properties with the key, again and again while the key propagates."""
        del credential_id
        if not KEY.fullmatch(credential.reveal()):
            raise VerificationFailed("the value is no storage key", where=source, fix="see the tag ValueTemplate")
        for pause in (*PROPAGATION, None):
            problem = await self._prove(source, credential)
            if problem is None:
                return
            if pause is None or not isinstance(problem, VerificationFailed):
                raise problem
            await self._clock.sleep(pause)

    async def retire(self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None) -> None:
        """Regenerate the superseded key and throw its new value away."""
        del held_id
        slot = _slot(credential_id)
        try:
            keys = await self._list(source)
        except NotFound:
            return
        if held is None or keys.get(slot) == held:
            raise NeedsHuman(
                f"{slot} is to be revoked, but the vault's current version may hold it",
                where=source,
                fix="set the tag CredentialId to the key that the value holds, and remove the tag RekeyRetire",
            )
        await self._regenerate(source, slot)

    async def _held_slot(self, job: Job) -> str:
        """Prove which slot the vault holds by comparing values, and that the account can be used with a key."""
        if job.held is None:
            raise NeedsHuman(
                "the value does not follow the tag ValueTemplate, so which key it holds cannot be told",
                where=job.source,
                fix="correct ValueTemplate to what the value looks like now",
            )
        keys, held = await self._list(job.source), job.held.reveal()
        matching = [slot for slot, key in keys.items() if slot in OTHER and key.reveal() in held]
        if matching and keys[matching[0]] != job.held:
            raise NeedsHuman(
                "the value is more than the bare key",
                where=job.source,
                fix="set the tag ValueTemplate to the value with {key} (and {account}, {suffix}) in place of its parts",
            )
        if not matching and job.held_id is None:
            raise NeedsHuman(
                "the value is neither key1 nor key2 of the account",
                where=job.source,
                fix="set the value to one of them, or the tag CredentialId to the key that consumers hold",
            )
        slot = matching[0] if matching else _slot(job.held_id)
        if problem := await self._prove(job.source, _key(keys, slot, job.source)):
            raise problem
        await self._suffix(job)
        return slot

    async def _issued(self, job: Job, slot: str, keys: Mapping[str, Sensitive], supersedes: str | None) -> Issued:
        account = Sensitive(_parts(job.source)["account"])
        fields = {"account": account, "key": _key(keys, slot, job.source), "suffix": Sensitive(await self._suffix(job))}
        return Issued(slot, fields, supersedes)

    async def _suffix(self, job: Job) -> str:
        """Return what follows `<account>.blob.` in the account's endpoint."""
        name, _, suffix = urlsplit(await self._endpoint(job.source)).netloc.partition(".blob.")
        if name != _parts(job.source)["account"] and "{suffix}" in job.options.get("ValueTemplate", ""):
            raise NeedsHuman(
                "the account is in a DNS zone of its own, which {suffix} cannot express",
                where=job.source,
                fix="write BlobEndpoint=<the account's endpoint> into ValueTemplate in place of EndpointSuffix={suffix}",
            )
        return suffix

    async def _list(self, source: str) -> dict[str, Sensitive]:
        parts = _parts(source)
        accounts = self._management(source).storage_accounts
        request = accounts.list_keys(parts["group"], parts["account"], **READING)
        return _keys(await call("listing the account's keys", request, where=source, role=ROLE))

    async def _regenerate(self, source: str, slot: str) -> dict[str, Sensitive]:
        parts = _parts(source)
        accounts = self._management(source).storage_accounts
        request = accounts.regenerate_key(parts["group"], parts["account"], {"keyName": slot}, **CHANGING)
        return _keys(await call(f"regenerating {slot}", request, where=source, role=ROLE))

    async def _endpoint(self, source: str) -> str:
        """Return the account's blob endpoint: by convention where the cloud is known, else as the account says."""
        if source in self._endpoints:
            return self._endpoints[source]
        if suffix := SUFFIXES.get(self._azure.arm_endpoint):
            return f"https://{_parts(source)['account']}.blob.{suffix}"
        return await self._read_endpoint(source)

    async def _read_endpoint(self, source: str) -> str:
        parts = _parts(source)
        accounts = self._management(source).storage_accounts
        request = accounts.get_properties(parts["group"], parts["account"], **READING)
        account = await call("reading the account", request, where=source, role="Reader")
        if account.allow_shared_key_access is False:
            raise _no_shared_key(source)
        if not (account.primary_endpoints and account.primary_endpoints.blob):
            raise NeedsHuman("the account has no blob endpoint to prove a key at", where=source)
        self._endpoints[source] = account.primary_endpoints.blob.rstrip("/")
        return self._endpoints[source]

    async def _prove(self, source: str, key: Sensitive) -> RekeyError | None:
        """Sign one request with the key and return what speaks against it; VerificationFailed may pass while it spreads."""
        try:
            await call("proving the key", self._sign(await self._endpoint(source), source, key), where=source)
        except RekeyError as error:
            if error.code != NO_ANSWER or source in self._endpoints:
                return _refusal(error, source)
            unanswered = error
        else:
            return None
        # No such host, perhaps: an account in a DNS zone of its own is not where the convention says.
        try:
            await self._read_endpoint(source)
        except AccessDenied as denied:
            fix = f"let the app reach the account's blob endpoint; if that has a DNS zone of its own, {denied.fix}"
            return TransientError(unanswered.what, where=source, fix=fix, code=NO_ANSWER)
        return await self._prove(source, key)

    async def _sign(self, endpoint: str, source: str, key: Sensitive) -> None:
        from azure.storage.blob.aio import BlobServiceClient

        credential = {"account_name": _parts(source)["account"], "account_key": key.reveal()}
        async with BlobServiceClient(endpoint, credential, **self._azure.options) as client:
            await client.get_service_properties(**CHANGING)

    def _management(self, source: str) -> StorageManagementClient:
        from azure.mgmt.storage.aio import StorageManagementClient

        subscription = _parts(source)["subscription"]
        if subscription not in self._clients:
            self._clients[subscription] = StorageManagementClient(
                self._azure.credential,
                subscription,
                base_url=self._azure.arm_endpoint,
                credential_scopes=[self._azure.arm_scope],
                **self._azure.options,
            )
        return self._clients[subscription]


def _parts(source: str) -> dict[str, str]:
    found = ADDRESS.fullmatch(source)
    if found is None:
        raise NeedsHuman(f"{source[:120]!r} is not a storage account's id", fix="correct the tag ProviderAddress")
    return found.groupdict()


def _slot(credential_id: str | None) -> str:
    if credential_id not in OTHER:
        raise NeedsHuman(f"the credential is {credential_id!r}", fix="set the tag CredentialId to key1 or key2")
    return credential_id


def _key(keys: Mapping[str, Sensitive], slot: str, source: str) -> Sensitive:
    if slot not in keys:
        raise TransientError(f"the answer holds no {slot}", where=source)
    return keys[slot]


def _keys(answer: StorageAccountListKeysResult) -> dict[str, Sensitive]:
    return {key.key_name: Sensitive(key.value) for key in answer.keys_property or () if key.key_name and key.value}


def _no_shared_key(source: str) -> NeedsHuman:
    return NeedsHuman(
        "the account does not accept keys (allowSharedKeyAccess is off)",
        where=source,
        fix="remove the secret, since consumers cannot use its value, or allow shared key access on the account",
    )


def _refusal(error: RekeyError, source: str) -> RekeyError:
    match error.code:
        case "AuthenticationFailed":
            return VerificationFailed(
                "the account refuses the key", where=source, fix="see whether its keys were changed by hand just now"
            )
        case "KeyBasedAuthenticationNotPermitted":
            return _no_shared_key(source)
        case "AuthorizationFailure":
            return AccessDenied(
                "the account's firewall refuses the app, so the key cannot be proven",
                where=source,
                fix="let the app's network reach the account's blob endpoint (virtual network rule or private endpoint)",
            )
        case _:
            return error
