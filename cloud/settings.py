"""The application settings: read once, and if anything is wrong every problem is reported at once, each with its fix."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cloud.host_storage import CONNECTION, HostStorage
from engine.errors import ConfigError

HOURLY = "0 0 * * * *"
ARM_ENDPOINT = "https://management.azure.com"
GRAPH_ENDPOINT = "https://graph.microsoft.com"
AUTHORITY = "https://login.microsoftonline.com"
KNOWN = frozenset(
    {
        "REKEY_VAULTS",
        "REKEY_SCOPES",
        "REKEY_SWEEP_SCHEDULE",
        "REKEY_EVENT_TOPIC",
        "REKEY_POLICY",
        "REKEY_ARM_ENDPOINT",
        "REKEY_GRAPH_ENDPOINT",
    }
)
SCOPE = re.compile(r"/subscriptions/[^/\s]+(/[^/\s]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An ARM id at least as narrow as a subscription, or the id of an Entra application."""
CRON_FIELD = re.compile(r"[0-9*,/\-]+|[a-zA-Z0-9,\-]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app was told."""

    scopes: Mapping[str, tuple[str, ...]]
    """Vault URL → the scopes (lower case) whose sources its secrets may rotate; every listed vault is a key."""
    storage: HostStorage
    arm_endpoint: str
    event_topic: str | None
    client_id: str | None
    """The user-assigned identity to use; None for the system-assigned one."""
    graph_endpoint: str = GRAPH_ENDPOINT
    authority: str = AUTHORITY
    tenant_id: str | None = None
    """The tenant of the app's identity; None where its tokens must tell."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raises ConfigError with all problems."""
        problems: list[str] = []
        vaults = _vaults(env.get("REKEY_VAULTS", ""), problems)
        scopes = _scopes(env.get("REKEY_SCOPES", ""), vaults, problems)
        storage = HostStorage.from_settings(env)
        if storage is None:
            problems.append(f"{CONNECTION} is missing: set a connection string, or {CONNECTION}__accountName")
        arm_endpoint = _endpoint(env, "REKEY_ARM_ENDPOINT", problems) or ARM_ENDPOINT
        event_topic = _endpoint(env, "REKEY_EVENT_TOPIC", problems)
        graph_endpoint = _endpoint(env, "REKEY_GRAPH_ENDPOINT", problems) or GRAPH_ENDPOINT
        authority = _endpoint(env, "AZURE_AUTHORITY_HOST", problems) or AUTHORITY
        _schedule(env.get("REKEY_SWEEP_SCHEDULE", HOURLY), problems)
        problems += [_unknown(name) for name in sorted(env) if name.startswith("REKEY_") and name not in KNOWN]
        if problems or storage is None:
            raise ConfigError(problems)
        return cls(
            scopes,
            storage,
            arm_endpoint,
            event_topic,
            client_id=env.get("AZURE_CLIENT_ID") or None,
            graph_endpoint=graph_endpoint,
            authority=authority,
            tenant_id=env.get("AZURE_TENANT_ID") or None,
        )


def _vaults(text: str, problems: list[str]) -> list[str]:
    urls = [part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()]
    if not urls:
        problems.append("REKEY_VAULTS is empty: list the vaults' URLs, such as https://prod.vault.azure.net")
    problems.extend(
        f"REKEY_VAULTS: {url!r} is no vault's URL: write https://<vault>.vault.azure.net"
        for url in urls
        if not _is_base(url)
    )
    names = [urlsplit(url).netloc.partition(".")[0] for url in dict.fromkeys(urls)]
    problems.extend(
        f"REKEY_VAULTS: two vaults are named {name!r}: serve them with two apps, since paths name them alike"
        for name in sorted({name for name in names if names.count(name) > 1})
    )
    return list(dict.fromkeys(urls))


def _scopes(text: str, vaults: list[str], problems: list[str]) -> dict[str, tuple[str, ...]]:
    shape = '{"https://prod.vault.azure.net": ["/subscriptions/<id>/resourceGroups/<name>"]}'
    try:
        data = json.loads(text) if text.strip() else {}
    except ValueError:
        problems.append(f"REKEY_SCOPES is not JSON: write {shape}")
        return {}
    if not isinstance(data, dict):
        problems.append(f"REKEY_SCOPES is not a JSON object: write {shape}")
        return {}
    bound = {str(vault).strip().rstrip("/").lower(): scopes for vault, scopes in data.items()}
    problems.extend(f"REKEY_SCOPES binds {vault!r}: add it to REKEY_VAULTS" for vault in bound if vault not in vaults)
    return {vault: _bound(vault, bound.get(vault), problems) for vault in vaults}


def _bound(vault: str, scopes: object, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(scopes, list) or not scopes:
        problems.append(f"REKEY_SCOPES binds nothing to {vault}: list the scopes that its secrets may rotate")
        return ()
    tidy = [str(scope).strip().rstrip("/").lower() for scope in scopes]
    problems.extend(
        f"REKEY_SCOPES, {vault}: {scope!r} is neither /subscriptions/<id>… nor an application's id: correct it"
        for scope in tidy
        if not SCOPE.fullmatch(scope)
    )
    return tuple(tidy)


def _endpoint(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    url = env.get(name, "").strip().rstrip("/")
    if not url:
        return None
    if name != "REKEY_EVENT_TOPIC" and not _is_base(url):
        problems.append(f"{name} is {url!r}: write https://<host>")
    if urlsplit(url).scheme != "https":
        problems.append(f"{name} is {url!r}: write an https URL")
    return url


def _is_base(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and "." in parts.netloc and not (parts.path or parts.query or parts.fragment)


def _schedule(text: str, problems: list[str]) -> None:
    fields = text.split()
    if len(fields) != 6 or not all(CRON_FIELD.fullmatch(field) for field in fields):  # noqa: PLR2004
        problems.append(
            f"REKEY_SWEEP_SCHEDULE is {text!r}: write six fields, second minute hour day month weekday, such as {HOURLY}"
        )


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, KNOWN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(KNOWN))}"
    return f"{name} is no setting: {hint}"
