"""The apps that use secrets.

App Service and Functions apps resolve their references again. Container Apps get a new revision.

App Service: the refresh is described at
https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#understand-rotation.
Its answer lists every reference (published by users). The operation "Web Apps - Get App Settings
Key Vault References" returns the same list. `activeVersion` is the version in use; if null, it is
unknown.

Container Apps: https://learn.microsoft.com/azure/container-apps/revisions. A new revision reads the
app's secrets from Key Vault again, a restart of a revision does not (measured by users, not
documented). The platform itself reads them within half an hour, and restarts containers that hold a
secret in an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloud.azure import Azure, call
from cloud.rest.arm import Arm
from cloud.rest.client import Json
from engine.errors import NeedsHuman, NotFound, PermanentError
from engine.secret import SecretRef, Version
from engine.state.request import moment_of

WEB, APP = "2022-03-01", "2025-01-01"
REFERENCES = "/config/configreferences/appsettings"
UNDER_WAY = frozenset({"Initialized", "FetchTimedOut"})
"""Temporary statuses of a reference."""
VERSIONED = re.compile(
    r"(?i)/secrets/[^/)]+/(?P<path>[0-9a-f]{32})|SecretVersion=(?P<named>[0-9a-f]{32})"
)
"""A reference that names a version. Azure never resolves it to a newer one."""
PINNED = "remove the version from the reference: with it, the app never gets a rotated secret"
UNUSED = "or remove the app from the consumers in the policy document"


@dataclass(frozen=True, slots=True)
class Reference:
    """One app setting that refers to a secret."""

    setting: str
    status: str
    pinned: str | None
    """The version that the reference names."""
    version: str | None
    """The version in use; None if Azure does not report it."""

    def lags(self, current: str | None) -> bool:
        """Return whether the reference is known not to hold this version."""
        held = self.pinned or self.version
        return self.status != "Resolved" or held not in (None, current)


class AzureApps:
    """Apps by their resource ids; see engine.ports.Apps."""

    def __init__(self, azure: Azure) -> None:
        self._sites = Arm(azure, WEB, role="Website Contributor")
        self._containers = Arm(azure, APP, role="Container Apps Contributor")

    async def refresh(self, app: str, secret: Version, *, ask: bool) -> bool:
        """Make an app use this version, the current one; return whether it does, as far as known.

        Without `ask` this only checks, since the app was asked before.
        """
        is_site = _is_site(app)
        work = self._refresh(app, secret, ask=ask) if is_site else self._renew(app, secret)
        try:
            # Whatever an odd answer holds, only this app's refresh fails over it.
            return await call("refreshing the app", work, where=app)
        except NotFound as error:
            raise NeedsHuman(error.what, where=app, fix=f"restore the app, {UNUSED}") from error

    async def lags(self, app: str, secret: Version) -> bool:
        """Return whether an app is known to use another version; never known of a Container App."""
        if not _is_site(app):
            return False
        references = await call("looking at the app", self._references(app, secret.ref), where=app)
        return any(reference.lags(secret.version) for reference in references)

    async def _references(self, app: str, ref: SecretRef) -> list[Reference]:
        rows = self._sites.pages(app + REFERENCES, "listing an app's references", app)
        return list(_about(ref, [row async for row in rows]))

    async def _refresh(self, app: str, secret: Version, *, ask: bool) -> bool:
        references = await self._references(app, secret.ref)
        _refuse_unfit(references, app, secret.version)
        if all(reference.version == secret.version for reference in references):
            return True
        if ask:
            answer = await self._sites.act(
                f"{app}{REFERENCES}/refresh", "refreshing an app's references", app
            )
            references = list(_about(secret.ref, answer.get("value") or ())) or references
        _refuse_unresolved(references, app)
        return not any(reference.lags(secret.version) for reference in references)

    async def _renew(self, app: str, secret: Version) -> bool:
        """Give a Container App a revision named after the version, so that it is made only once."""
        suffix = f"rekey-{str(secret.version)[:12]}"
        path = f"{app}/revisions/{app.rpartition('/')[2]}--{suffix}"
        try:
            revision = await self._containers.read(path, "reading a revision", app)
        except NotFound:
            await self._start(app, secret, suffix)
            return False
        state = revision.get("properties") or {}
        if "Failed" in (state.get("provisioningState"), state.get("runningState")):
            if await self._is_mended(app, secret, path):
                return True
            raise NeedsHuman(
                f"its revision {suffix} failed to start",
                where=app,
                fix="see the app's system log; the previous revision keeps serving",
            )
        return state.get("provisioningState") not in (None, "Provisioning")

    async def _is_mended(self, app: str, secret: Version, failed: str) -> bool:
        """Return whether another revision is ready that was made after the secret's version."""
        container_app = await self._containers.read(app, "reading a Container App", app)
        ready = container_app["properties"].get("latestReadyRevisionName")
        path = f"{app}/revisions/{ready}"
        if not ready or path == failed:
            return False
        revision = await self._containers.read(path, "reading a revision", app)
        created = moment_of(revision["properties"].get("createdTime"))
        return created is not None and created > secret.created

    async def _start(self, app: str, secret: Version, suffix: str) -> None:
        container_app = await self._containers.read(app, "reading a Container App", app)
        entries = (container_app["properties"].get("configuration") or {}).get("secrets") or []
        urls = [
            url for entry in entries if (url := entry.get("keyVaultUrl")) and _is(url, secret.ref)
        ]
        if not urls:
            raise NeedsHuman(
                "no secret of the app refers to this one",
                where=app,
                fix=f"refer to it by keyVaultUrl, {UNUSED}",
            )
        if any((pinned := _pinned(url)) and pinned != secret.version for url in urls):
            raise NeedsHuman("a secret of the app names a version", where=app, fix=PINNED)
        body = {"properties": {"template": {"revisionSuffix": suffix}}}
        try:
            await self._containers.merge(app, body, "making a revision", app)
        except PermanentError as error:
            # The suffix is Rekey's own, so it is refused only if the revision was asked for before.
            if "revisionsuffix" not in f"{error.code} {error.what}".lower():
                raise


def _is_site(app: str) -> bool:
    return "/providers/microsoft.web/" in app


def _about(ref: SecretRef, rows: Iterable[Json]) -> Iterator[Reference]:
    """Yield the references to one secret from Azure's list of all references."""
    for entry in rows:
        properties = entry.get("properties") or {}
        named = (
            str(properties.get("vaultName", "")).lower(),
            str(properties.get("secretName", "")).lower(),
        )
        if named == (ref.vault_name.lower(), ref.name.lower()):
            yield Reference(
                str(entry.get("name", "")),
                properties.get("status") or "Resolved",
                _pinned(properties.get("reference") or ""),
                properties.get("activeVersion") or properties.get("secretVersion") or None,
            )


def _refuse_unfit(references: Sequence[Reference], app: str, version: str | None) -> None:
    """Raise NeedsHuman if no setting refers to the secret, or one names another version."""
    if not references:
        raise NeedsHuman(
            "no app setting refers to the secret",
            where=app,
            fix=f"refer to the secret in an app setting, {UNUSED}",
        )
    for reference in references:
        if reference.pinned not in (None, version):
            raise NeedsHuman(
                f"the app setting {reference.setting} names a version", where=app, fix=PINNED
            )


def _refuse_unresolved(references: Sequence[Reference], app: str) -> None:
    """Raise NeedsHuman if Azure cannot resolve a reference."""
    for reference in references:
        if reference.status not in {"Resolved", *UNDER_WAY}:
            raise NeedsHuman(
                f"its app setting {reference.setting} cannot be resolved: {reference.status}",
                where=app,
                fix=(
                    "let the app's identity read the vault's secrets, and pass the vault's firewall"
                ),
            )


def _pinned(reference: str) -> str | None:
    match = VERSIONED.search(reference)
    return (match["path"] or match["named"]).lower() if match else None


def _is(url: str, ref: SecretRef) -> bool:
    try:
        return str(SecretRef.parse(url)).lower() == str(ref).lower()
    except NeedsHuman:
        return False
