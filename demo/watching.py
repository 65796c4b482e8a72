"""What happens to the demo's secrets, judged from the vault and from their sources alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from demo.app import App
from demo.cast import VAULT, Part
from demo.lines import say
from simulator.azure import Azure
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.server import Background

type Parts = tuple[Part, ...]

PATIENCE = 30.0
ANNOUNCED = "orders-key"


def announce(cloud: Background[Azure], parts: Parts, app: App) -> None:
    """Say what the vault holds, and let an event announce one of its secrets."""
    vault = cloud.world.vaults[VAULT]
    say(f"vault {VAULT} holds {len(parts)} secrets:")
    for part in parts:
        say(f"  {part.name}: {part.story}")
    event = vault.near_expiry_event(ANNOUNCED)
    say(f"Event Grid delivers SecretNearExpiry for {ANNOUNCED} -> {app.deliver(event)}")


def outcome(vault: Vault, part: Part, before: SecretVersion) -> str:
    """Return what happened to a secret, judged from the vault alone."""
    now = vault.versions(part.name)[-1]
    if (now.tags or {}).get("RekeyState", "").startswith("parked"):
        return "parked"
    if now.version == before.version:
        return "untouched"
    earlier = next(
        version for version in vault.versions(part.name) if version.version == before.version
    )
    gone = not earlier.enabled and "RekeyRetire" not in (now.tags or {})
    return "retired" if gone and part.ends == "retired" else "rotated"


def watch(vault: Vault, parts: Parts, before: dict[str, SecretVersion]) -> dict[str, str]:
    """Print events as they happen until every secret is finished; return each secret's outcome."""
    seen: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(
        seen.get(part.name, "untouched") != part.ends for part in parts
    ):
        for part in parts:
            now = outcome(vault, part, before[part.name])
            if now != seen.get(part.name, "untouched"):
                latest = vault.versions(part.name)[-1]
                say(f"  {part.name}: {now}{_detail(before[part.name], latest, now)}")
            seen[part.name] = now
        time.sleep(0.05)
    return seen


def _detail(before: SecretVersion, version: SecretVersion, result: str) -> str:
    tags = version.tags or {}
    match result:
        case "parked":
            return f": {tags['RekeyReason']}"
        case "rotated":
            retire = tags.get("RekeyRetire", "").split(" ", 2)
            old = f"; {_short(retire[2])} works until {retire[0][:10]}" if len(retire) == 3 else ""  # noqa: PLR2004
            return f" to {_short(tags['CredentialId'])}, version {version.version[:8]}{old}"
        case _:
            old, new = (_credential(held) for held in (before, version))
            return f": {old} is revoked and its version disabled; {new} is in use"


def _credential(version: SecretVersion) -> str:
    return _short((version.tags or {}).get("CredentialId", ""))


def _short(credential: str) -> str:
    # A key's id is a GUID; a signature's names its key, and when it ends.
    credential = credential.partition("/")[0]
    return credential[:8] if len(credential) > 12 else credential  # noqa: PLR2004


def table(
    cloud: Background[Azure], parts: Parts, before: dict[str, SecretVersion], ends: dict[str, str]
) -> bool:
    """Print how every secret ended; return whether all are as expected."""
    vault, well = cloud.world.vaults[VAULT], True
    row: Callable[..., str] = "{:<20}{:<11}{:<10}{:<10}{:<12}{:<12}{}".format
    print("\n" + row("secret", "ended", "was", "is", "credential", "expires", "works"))
    print("-" * 80)
    for part in parts:
        now, ended = vault.versions(part.name)[-1], ends.get(part.name, "untouched")
        good = part.source.opens(cloud.world, now.value)
        well = well and good and ended == part.ends
        expires = datetime.fromtimestamp(now.expires or 0, UTC)
        print(
            row(
                part.name,
                ended,
                before[part.name].version[:8],
                now.version[:8],
                _credential(now),
                f"{expires:%Y-%m-%d}",
                "yes" if good else "NO",
            )
        )
    return well


def latest(cloud: Background[Azure], parts: Parts) -> dict[str, SecretVersion]:
    """Return the current version of each secret, by its name."""
    held = cloud.world.vaults
    return {part.name: held[part.vault].versions(part.name)[-1] for part in parts}


def is_healthy(app: App) -> bool:
    """Ask the app how it is; return whether all is well."""
    status, answer = app.get("/api/health")
    say(f"GET /api/health -> {status}: {answer.get('detail') or answer['status']}")
    return status == HTTPStatus.OK
