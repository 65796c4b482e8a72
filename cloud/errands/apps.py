"""The apps that use secrets: App Service and Functions apps resolve their references anew, Container Apps get a revision.

App Service:
https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#understand-rotation
for the refresh
(its answer lists every reference, as users have published it); Web Apps - Get App Settings Key
Vault References for the list.
Which version a reference holds is told in `activeVersion`, which may be null: then it is not known.

Container Apps: https://learn.microsoft.com/azure/container-apps/revisions. A new revision has the
app's secrets read from Key
Vault again, a restart of a revision does not (users' measurements; the documentation is silent).
Within half an hour the
platform does so by itself, and restarts what holds a secret in an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cloud.azure import Azure
from cloud.rest.arm import Arm
from cloud.rest.graph import Json
from engine.errors import NeedsHuman, NotFound
from engine.secret import SecretRef, SecretVersion

WEB, APP = "2022-03-01", "2025-01-01"
REFERENCES = "/config/configreferences/appsettings"
UNDER_WAY = frozenset({"Initialized", "FetchTimedOut"})
"""What a reference's status may be for a while."""
VERSIONED = re.compile(
    r"(?i)/secrets/[^/)]+/(?P<path>[0-9a-f]{32})|SecretVersion=(?P<named>[0-9a-f]{32})"
)
"""A version in a reference, which is never followed to a newer one."""
PINNED = "leave the version out of the reference: with it, no rotation ever reaches the app"


@dataclass(frozen=True, slots=True)
class Reference:
    """One app setting that refers to a secret."""

    setting: str
    status: str
    pinned: str | None
    """The version that the reference names."""
    version: str | None
    """The version in use, where Azure tells."""

    def lags(self, current: str | None) -> bool:
        """Tell whether it is known not to hold this version."""
        held = self.pinned or self.version
        return self.status != "Resolved" or held not in (None, current)


class AzureApps:
    """Apps by their resource ids; see engine.ports.Apps."""

    def __init__(self, azure: Azure) -> None:
        self._sites = Arm(azure, WEB, role="Website Contributor")
        self._containers = Arm(azure, APP, role="Container Apps Contributor")

    async def refresh(self, app: str, secret: SecretVersion, *, ask: bool) -> bool:
        """Have an app use this version, the current one; tells whether it does, as far as can be known.

        Without `ask` only look whether it does: it has been asked already.
        """
        return await (
            self._refresh(app, secret, ask=ask) if _is_site(app) else self._renew(app, secret)
        )

    async def lags(self, app: str, secret: SecretVersion) -> bool:
        """Tell whether an app is known to use another version; of a Container App that is never known."""
        return _is_site(app) and any(
            each.lags(secret.version) for each in await self._references(app, secret.ref)
        )

    async def _references(self, app: str, ref: SecretRef) -> list[Reference]:
        return list(
            _about(
                ref, await self._sites.read(app + REFERENCES, "listing an app's references", app)
            )
        )

    async def _refresh(self, app: str, secret: SecretVersion, *, ask: bool) -> bool:
        found = await self._references(app, secret.ref)
        if not found:
            raise NeedsHuman(
                "no app setting of it refers to the secret",
                where=app,
                fix="refer to the secret in an app setting, or take the app from the policy document's consumers",
            )
        if pinned := next(
            (each for each in found if each.pinned not in (None, secret.version)), None
        ):
            raise NeedsHuman(
                f"the app setting {pinned.setting} names a version", where=app, fix=PINNED
            )
        if all(each.version == secret.version for each in found):
            return True
        if ask:
            answer = await self._sites.act(
                f"{app}{REFERENCES}/refresh", "refreshing an app's references", app
            )
            found = list(_about(secret.ref, answer)) or found
        if wrong := next(
            (each for each in found if each.status not in {"Resolved", *UNDER_WAY}), None
        ):
            raise NeedsHuman(
                f"its app setting {wrong.setting} cannot be resolved: {wrong.status}",
                where=app,
                fix="let the app's identity read secrets in the vault, and the vault's firewall let it in",
            )
        return not any(each.lags(secret.version) for each in found)

    async def _renew(self, app: str, secret: SecretVersion) -> bool:
        """Give a Container App a revision named after the version, so that it is made once however often this is asked."""
        suffix = f"rekey-{str(secret.version)[:12]}"
        path = f"{app}/revisions/{app.rpartition('/')[2]}--{suffix}"
        try:
            revision = await self._containers.read(path, "reading a revision", app)
        except NotFound:
            await self._start(app, secret, suffix)
            return False
        state = revision.get("properties", {})
        if "Failed" in (state.get("provisioningState"), state.get("runningState")):
            raise NeedsHuman(
                f"its revision {suffix} failed to start",
                where=app,
                fix="see the app's system log; the revision before it goes on serving",
            )
        return bool(state.get("provisioningState") != "Provisioning")

    async def _start(self, app: str, secret: SecretVersion, suffix: str) -> None:
        found = await self._containers.read(app, "reading a Container App", app)
        held = found.get("properties", {}).get("configuration", {}).get("secrets") or []
        urls = [url for each in held if (url := each.get("keyVaultUrl")) and _is(url, secret.ref)]
        if not urls:
            raise NeedsHuman(
                "no secret of it refers to this one",
                where=app,
                fix="refer to it by keyVaultUrl, or take the app from the policy document's consumers",
            )
        if any((pinned := _pinned(url)) and pinned != secret.version for url in urls):
            raise NeedsHuman("a secret of it names a version", where=app, fix=PINNED)
        body = {"properties": {"template": {"revisionSuffix": suffix}}}
        await self._containers.merge(app, body, "making a revision", app)


def _is_site(app: str) -> bool:
    return "/providers/microsoft.web/" in app


def _about(ref: SecretRef, answer: Json) -> Iterator[Reference]:
    """Read the references to one secret out of a list of all."""
    for each in answer.get("value") or ():
        said = each.get("properties") or {}
        named = str(said.get("vaultName", "")).lower(), str(said.get("secretName", "")).lower()
        if named == (ref.vault_name.lower(), ref.name.lower()):
            yield Reference(
                str(each.get("name", "")),
                said.get("status") or "Resolved",
                _pinned(said.get("reference") or ""),
                said.get("activeVersion") or said.get("secretVersion") or None,
            )


def _pinned(reference: str) -> str | None:
    found = VERSIONED.search(reference)
    return (found["path"] or found["named"]).lower() if found else None


def _is(url: str, ref: SecretRef) -> bool:
    try:
        return str(SecretRef.parse(url)).lower() == str(ref).lower()
    except NeedsHuman:
        return False
