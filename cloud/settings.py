"""The application settings are read once. All problems are reported together, each with its fix."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cloud import endpoints
from cloud.schedule import comes_within_a_year
from cloud.storage.host_storage import CONNECTION, EVENTS_CONNECTION, HostStorage
from engine.errors import ConfigError
from engine.secret import URL, SecretRef
from engine.state.policy import SCOPE

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
        "REKEY_IDENTITY_NAME",
        "REKEY_LOGS_ENDPOINT",
        "REKEY_LOGS_WORKSPACE",
        "REKEY_RUNBOOK",
        endpoints.SETTING,
    }
)
BASE = re.compile(r"https://[0-9a-z-]+(\.[0-9a-z-]+)+(:[0-9]{1,5})?", re.IGNORECASE)
"""The address of a service: a host and perhaps a port, without a path."""
WORKSPACE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The id of a Log Analytics workspace: a GUID, its property customerId."""
CRON_PART = re.compile(r"(\*|(?P<first>\w+)(-(?P<last>\w+))?)(/[1-9][0-9]*)?", re.ASCII)
CRON_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
CRON_NAMES = {
    4: frozenset(
        {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
    ),
    5: frozenset({"sun", "mon", "tue", "wed", "thu", "fri", "sat"}),
}
"""https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions.

The host skips a timer whose schedule it cannot parse, and only logs that.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings of the app."""

    scopes: Mapping[str, tuple[str, ...]]
    """Vault URL → the scopes (lower case) whose sources its secrets may rotate.

    Every listed vault is a key.
    """
    storage: HostStorage
    events: HostStorage
    """The account that Event Grid delivers to: the app's own one where no setting names another."""
    arm_endpoint: str
    event_topic: str | None
    client_id: str | None
    """The user-assigned identity to use; None for the system-assigned one."""
    policy: SecretRef | None
    """The secret with the policy document; None if tags alone decide."""
    graph_endpoint: str = GRAPH_ENDPOINT
    authority: str = AUTHORITY
    tenant_id: str | None = None
    """The tenant of the app's identity; None if it is read from the identity's tokens."""
    deployment: str = ""
    """The name of this deployment on the versions that it writes.

    It is the app's name, else that of its storage account.
    """
    identity_name: str | None = None
    """The name of the app's identity, under which it signs in to PostgreSQL and MySQL servers."""
    logs_workspace: str | None = None
    """The Log Analytics workspace that gets the logs of storage accounts and vaults; None if none
    is named."""
    logs_endpoint: str | None = None
    """Where workspaces are queried; None for where this cloud's Resource Manager says."""
    endpoints: tuple[endpoints.Endpoint, ...] = ()
    """Kinds of credential that HTTPS endpoints look after."""
    schedule: str = HOURLY
    """The schedule of the sweeps: NCRONTAB, in UTC."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raises ConfigError with all problems."""
        problems: list[str] = []
        vaults = _vaults(env.get("REKEY_VAULTS", ""), problems)
        scopes = _scopes(env.get("REKEY_SCOPES", ""), vaults, problems)
        storage = _storage(env, CONNECTION, problems)
        events = _storage(env, EVENTS_CONNECTION, problems) if _has_events(env) else storage
        arm_endpoint = _endpoint(env, "REKEY_ARM_ENDPOINT", problems) or ARM_ENDPOINT
        event_topic = _endpoint(env, "REKEY_EVENT_TOPIC", problems)
        graph_endpoint = _endpoint(env, "REKEY_GRAPH_ENDPOINT", problems) or GRAPH_ENDPOINT
        authority = _endpoint(env, "AZURE_AUTHORITY_HOST", problems) or AUTHORITY
        policy = _policy(env.get("REKEY_POLICY", "").strip(), vaults, problems)
        _schedule(env.get("REKEY_SWEEP_SCHEDULE", HOURLY), problems)
        logs_workspace, logs_endpoint = _logs(env, problems)
        own = endpoints.read(env.get(endpoints.SETTING, ""), vaults, problems)
        problems += map(_unknown, _strangers(env))
        if problems or storage is None or events is None:
            raise ConfigError(problems)
        return cls(
            scopes,
            storage,
            events,
            arm_endpoint,
            event_topic,
            client_id=env.get("AZURE_CLIENT_ID") or None,
            policy=policy,
            graph_endpoint=graph_endpoint,
            authority=authority,
            tenant_id=env.get("AZURE_TENANT_ID") or None,
            deployment=env.get("WEBSITE_SITE_NAME") or storage.account,
            identity_name=env.get("REKEY_IDENTITY_NAME", "").strip() or None,
            logs_workspace=logs_workspace,
            logs_endpoint=logs_endpoint,
            endpoints=own,
            schedule=env.get("REKEY_SWEEP_SCHEDULE", HOURLY),
        )


def _has_events(env: Mapping[str, str]) -> bool:
    """Return whether any setting is about an account for events alone."""
    return any(name.partition("__")[0] == EVENTS_CONNECTION for name in env)


def _storage(env: Mapping[str, str], name: str, problems: list[str]) -> HostStorage | None:
    storage = HostStorage.from_settings(env, name)
    # The SDK builds two clients to say so.
    is_plausible = storage is not None and storage.is_plausible
    if storage is None:
        problems.append(f"{name} is missing: set a connection string, or {name}__accountName")
    elif not (is_plausible or storage.connection_string):
        problems.append(
            f"{name}__accountName, or {name}__blobServiceUri and {name}__queueServiceUri, is wrong: "
            "set the account's name, or https://<host> of both"
        )
    elif not is_plausible:
        # The text contains a key, so it is not shown.
        problems.append(
            f"{name} is not a connection string: copy the storage account's own, "
            "AccountName=…;AccountKey=…"
        )
    return storage


def _strangers(env: Mapping[str, str]) -> list[str]:
    """Return the names that look like settings of Rekey and are none."""
    return [name for name in sorted(env) if name.startswith("REKEY_") and name not in KNOWN]


def _logs(env: Mapping[str, str], problems: list[str]) -> tuple[str | None, str | None]:
    """Return the workspace with the logs, and where it is queried."""
    workspace = _workspace(env.get("REKEY_LOGS_WORKSPACE", "").strip(), problems)
    return workspace, _endpoint(env, "REKEY_LOGS_ENDPOINT", problems)


def _workspace(text: str, problems: list[str]) -> str | None:
    if text and not WORKSPACE.fullmatch(text):
        problems.append(
            f"REKEY_LOGS_WORKSPACE is {text[:200]!r}: write the workspace's id, a GUID,"
            " not its name or the resource's id, or leave it out"
        )
    return text.lower() or None


def _vaults(text: str, problems: list[str]) -> list[str]:
    urls = [part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()]
    if not urls:
        problems.append(
            "REKEY_VAULTS is empty: list the vaults' URLs, such as https://prod.vault.azure.net"
        )
    problems.extend(
        f"REKEY_VAULTS: {url!r} is not the URL of a vault: write https://<vault>.vault.azure.net"
        for url in urls
        if not _is_base(url)
    )
    names = [url.removeprefix("https://").partition(".")[0] for url in dict.fromkeys(urls)]
    problems.extend(
        f"REKEY_VAULTS: two vaults are named {name!r}:"
        " serve them with two apps, since the API's paths hold the name alone"
        for name in sorted({name for name in names if names.count(name) > 1})
    )
    return list(dict.fromkeys(urls))


def _scopes(text: str, vaults: list[str], problems: list[str]) -> dict[str, tuple[str, ...]]:
    shape = '{"https://prod.vault.azure.net": ["/subscriptions/<id>/resourceGroups/<name>"]}'
    try:
        # As pairs, since of members with one name an object would keep the last alone.
        data = json.loads(text, object_pairs_hook=tuple) if text.strip() else ()
    except (ValueError, RecursionError):
        problems.append(f"REKEY_SCOPES is not JSON: write {shape}")
        return {}
    if not isinstance(data, tuple):
        problems.append(f"REKEY_SCOPES is not a JSON object: write {shape}")
        return {}
    pairs = [(vault.strip().rstrip("/").lower(), scopes) for vault, scopes in data]
    bound = dict(pairs)
    problems.extend(
        f"REKEY_SCOPES binds {vault} twice: write all its scopes in one list"
        for vault, times in Counter(vault for vault, _ in pairs).items()
        if times > 1
    )
    problems.extend(
        f"REKEY_SCOPES binds {vault!r}: add it to REKEY_VAULTS"
        for vault in bound
        if vault not in vaults
    )
    return {vault: _bound(vault, bound.get(vault), problems) for vault in vaults}


def _bound(vault: str, scopes: object, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(scopes, list) or not scopes:
        problems.append(
            f"REKEY_SCOPES binds nothing to {vault}: list the scopes that its secrets may rotate"
        )
        return ()
    tidy = [str(scope).strip().rstrip("/").lower() for scope in scopes]
    problems.extend(
        (
            f"REKEY_SCOPES, {vault}: {scope!r} is neither /subscriptions/<id>… nor an "
            "application's id nor /kinds/<kind>: correct it"
        )
        for scope in tidy
        if not SCOPE.fullmatch(scope)
    )
    return tuple(tidy)


def _endpoint(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    url = env.get(name, "").strip().rstrip("/")
    if not url:
        return None
    # Only a topic has a path.
    base = "/".join(url.split("/")[:3]) if name == "REKEY_EVENT_TOPIC" else url
    if not _is_base(base):
        problems.append(f"{name} is {url!r}: write https://<host>")
    return url


def _is_base(url: str) -> bool:
    """Return whether it is the address of a service, with a port that there is."""
    return bool(BASE.fullmatch(url)) and endpoints.is_address(url.lower())


def _policy(text: str, vaults: list[str], problems: list[str]) -> SecretRef | None:
    if not text:
        return None
    match = URL.fullmatch(text)
    if match is None or (match[3] or "/") != "/":
        problems.append(
            "REKEY_POLICY is not a secret's id without a version: write "
            "https://<vault>/secrets/<name>"
        )
        return None
    ref = SecretRef.parse(text)
    if ref.vault not in vaults:
        problems.append(
            f"REKEY_POLICY is in {ref.vault}: add that vault to REKEY_VAULTS, or move the document"
        )
    return ref


def _schedule(text: str, problems: list[str]) -> None:
    fields = text.split()
    if len(fields) != len(CRON_BOUNDS) or not all(
        _is_cron(place, field) for place, field in enumerate(fields)
    ):
        problems.append(
            f"REKEY_SWEEP_SCHEDULE is {text!r}: write six fields,"
            f" second minute hour day month weekday, such as {HOURLY}"
        )
    elif not comes_within_a_year(text):
        problems.append(
            f"REKEY_SWEEP_SCHEDULE is {text!r}, which names no time within a year: write the"
            f" earlier end of a range first, and days that the months have, such as {HOURLY}"
        )


def _is_cron(place: int, field: str) -> bool:
    """Return whether a field is valid at this place of a schedule."""
    low, high = CRON_BOUNDS[place]
    for part in field.split(","):
        match = CRON_PART.fullmatch(part)
        ends = [end for end in (match["first"], match["last"]) if end] if match else [""]
        if not all(
            end.lower() in CRON_NAMES.get(place, ()) or (end.isdigit() and low <= int(end) <= high)
            for end in ends
        ):
            return False
    return True


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, KNOWN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(KNOWN))}"
    return f"{name} is not a setting of Rekey: {hint}"
