"""The settings: from the environment, or from a file as the Functions tools and the Azure CLI write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from engine.errors import ConfigError

EXPECTED = (
    'a JSON object with "Values" (local.settings.json), or what `az functionapp config '
    "appsettings list --resource-group <group> --name <app>` prints"
)


def read(path: str | None, env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings by name; with a file, that file's alone. Raises ConfigError."""
    if path is None:
        return env
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from None
    except (ValueError, RecursionError):
        raise ConfigError([f"{path} is not JSON: it must be {EXPECTED}"]) from None
    if isinstance(data, dict) and isinstance(data.get("Values"), dict):
        return {str(name): str(value) for name, value in data["Values"].items()}
    if isinstance(data, list) and all(
        isinstance(entry, dict) and "name" in entry for entry in data
    ):
        return {str(entry["name"]): str(entry.get("value") or "") for entry in data}
    raise ConfigError([f"{path} holds no settings: it must be {EXPECTED}"])
