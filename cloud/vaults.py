"""Key Vaults over Microsoft's SDK.

A vault that the settings do not list is refused before a client exists, so it never gets a token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud.azure import CHANGING, NOT_READ, READING, Azure, call, stream
from cloud.rest.client import next_page
from engine.errors import AccessDenied, NeedsHuman, NotFound, TransientError
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive, Version

if TYPE_CHECKING:
    from azure.core.async_paging import AsyncItemPaged
    from azure.core.pipeline import PipelineResponse
    from azure.core.rest import AsyncHttpResponse
    from azure.keyvault.secrets import KeyVaultSecret, SecretProperties
    from azure.keyvault.secrets.aio import SecretClient

ROLE = "Key Vault Secrets Officer, or a custom one with get, set, list and update of secrets,"
NEVER, LAST = datetime.fromtimestamp(0, UTC), datetime.max.replace(microsecond=0, tzinfo=UTC)


def _demand_list(answer: PipelineResponse[Any, AsyncHttpResponse]) -> None:
    """Raise ValueError for an answer that holds no list. The SDK takes it for an empty one."""
    response = answer.http_response
    if response.status_code == HTTPStatus.OK and not isinstance(response.json()["value"], list):
        raise ValueError


LISTING: Mapping[str, Any] = {**READING, "raw_response_hook": _demand_list}


class KeyVaults:
    """The listed vaults; see engine.ports.Vaults."""

    def __init__(self, azure: Azure, listed: frozenset[str]) -> None:
        self._azure = azure
        self._listed = listed
        self._clients: dict[str, SecretClient] = {}

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version with its value; a disabled one lacks value, id and tags."""
        request = self._client(ref.vault).get_secret(ref.name, **READING)
        try:
            secret = await call("reading the secret", request, where=str(ref), role=ROLE)
        except AccessDenied as error:
            if error.code == "SecretDisabled":
                return Version(
                    ref, None, enabled=False, created=NEVER, expires=None, content_type=None
                ).holding(None)
            raise
        return _read(ref, secret)

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version with its value; raises AccessDenied if it is disabled."""
        request = self._client(ref.vault).get_secret(ref.name, version, **READING)
        secret = await call(
            "reading an earlier version", request, where=f"{ref}/{version}", role=ROLE
        )
        return _read(ref, secret)

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version, and return it without its value.

        After a TransientError it may or may not exist.
        """
        request = self._client(ref.vault).set_secret(
            ref.name,
            draft.value.reveal(),
            content_type=draft.content_type,
            tags=dict(draft.tags),
            expires_on=draft.expires,
            **CHANGING,
        )
        secret = await call("writing a new version", request, where=str(ref), role=ROLE)
        return _one(ref, secret.properties).holding(None)

    async def retag(
        self, secret: SecretVersion, tags: Mapping[str, str], expires: datetime | None = None
    ) -> SecretVersion:
        """Replace the tags of exactly this version and, with `expires`, its expiry."""
        client = self._client(secret.ref.vault)
        request = client.update_secret_properties(
            secret.ref.name, secret.version, tags=dict(tags), expires_on=expires, **CHANGING
        )
        properties = await call("updating the tags", request, where=str(secret.ref), role=ROLE)
        return _one(secret.ref, properties).holding(secret.value)

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version; a version that no longer exists is no error."""
        client = self._client(ref.vault)
        request = client.update_secret_properties(ref.name, version, enabled=False, **CHANGING)
        where = f"{ref}/{version}"
        try:
            properties = await call("disabling a version", request, where=where, role=ROLE)
        except NotFound:
            return
        if properties.enabled is not False:
            what = "the vault's answer does not say that the version is disabled"
            raise TransientError(what, where=where, code=NOT_READ)

    async def list(self, vault: str) -> AsyncIterator[Version]:
        """Stream the current version of every secret without its value and id, 25 to a call."""
        listing = _items(self._client(vault).list_properties_of_secrets(**LISTING), vault)
        async for properties in stream("listing", listing, where=vault, role=ROLE):
            yield _version(SecretRef(vault, str(properties.name)), properties)

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[Version], str | None]:
        """Return one page of what `list` streams, and the token of the next page if there is one.

        A page holds 25 secrets at most and may be empty.
        """
        client = self._client(vault)
        if token and not _leads_to(token, vault):
            # A page token is the address of the next page, and the app sends its access token
            # there.
            raise NeedsHuman(
                "the page token does not belong to this vault",
                where=vault,
                fix="start again at the first page",
            )
        pages: Any = client.list_properties_of_secrets(**LISTING).by_page(token)
        page = await call("listing the secrets", anext(pages), where=vault, role=ROLE)
        secrets = [_version(SecretRef(vault, str(item.name)), item) async for item in page]
        return secrets, pages.continuation_token

    async def versions(self, ref: SecretRef) -> AsyncIterator[Version]:
        """Stream all versions of a secret, unordered, without values; none if it is unknown."""
        client = self._client(ref.vault)
        listing = _items(client.list_properties_of_secret_versions(ref.name, **LISTING), ref.vault)
        async for properties in stream("listing", listing, where=str(ref), role=ROLE):
            yield _version(ref, properties)

    def _client(self, vault: str) -> SecretClient:
        if vault not in self._listed:
            raise NeedsHuman(f"vault {vault[:200]} is not served", fix="add it to REKEY_VAULTS")
        if vault not in self._clients:
            from azure.keyvault.secrets.aio import SecretClient

            self._clients[vault] = SecretClient(
                vault, self._azure.credential, **self._azure.client_options
            )
        return self._clients[vault]


async def _items(
    listing: AsyncItemPaged[SecretProperties], vault: str
) -> AsyncIterator[SecretProperties]:
    """Stream what a vault lists, page by page; PermanentError if a page leads elsewhere."""
    pages: Any = listing.by_page()
    async for page in pages:
        async for item in page:
            yield item
        next_page(pages.continuation_token, vault, vault)


def _leads_to(token: str, vault: str) -> bool:
    """Return whether a page's address is one of this vault; Key Vault may name the port."""
    try:
        page, own = urlsplit(token), urlsplit(vault)
        same = (
            page.scheme == "https"
            and page.hostname == own.hostname
            and (page.port or 443) == (own.port or 443)
        )
    except ValueError:
        return False
    return same and page.path == "/secrets" and page.username is None


def _version(ref: SecretRef, properties: SecretProperties) -> Version:
    created, expires = properties.created_on, properties.expires_on
    if not isinstance(created, datetime) or not isinstance(expires, datetime | float | int | None):
        what = "the vault's answer has no creation time, or an expiry that is no time"
        raise TransientError(what, where=str(ref), code=NOT_READ)
    return Version(
        ref,
        properties.version or None,
        enabled=bool(properties.enabled),
        created=created,
        expires=_expiry(expires),
        content_type=properties.content_type,
        tags=properties.tags or {},
    )


def _one(ref: SecretRef, properties: SecretProperties) -> Version:
    """Return the version that an answer is about; raises TransientError if it names none."""
    version = _version(ref, properties)
    if version.version is None:
        raise TransientError("the vault's answer names no version", where=str(ref), code=NOT_READ)
    return version


def _expiry(moment: datetime | float | None) -> datetime | None:
    """Return when a version expires, as a time that others can be compared with.

    A person may write any. The SDK hands on as a number what no calendar of Python's has, and a
    span before the year 1 is none.
    """
    if isinstance(moment, datetime):
        return max(moment, NEVER)
    return None if moment is None else LAST if moment > 0 else NEVER


def _read(ref: SecretRef, secret: KeyVaultSecret) -> SecretVersion:
    value = None if secret.value is None else Sensitive(secret.value)
    return _one(ref, secret.properties).holding(value)
