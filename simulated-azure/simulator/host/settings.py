"""Where the host finds its settings.

The environment, local.settings.json and host.json, as `func start` does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

_OVERRIDE = "AzureFunctionsJobHost__"
_NAME = re.compile(r"%([^%]+)%")
_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d\d):(\d\d)(?:\.(\d{1,7}))?")


class SettingError(ValueError):
    """A setting is missing or invalid; the message says which, and what it should look like."""


def load_local_settings(app_dir: Path, environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the Values of local.settings.json to the environment.

    Existing variables of the environment win.
    """
    path = app_dir / "local.settings.json"
    if not path.exists():
        return
    for name, value in json.loads(path.read_text(encoding="utf-8")).get("Values", {}).items():
        environ.setdefault(name, str(value))


def resolve(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace every %NAME% by that app setting.

    Raises:
        SettingError: a name has no value.

    """

    def value(match: re.Match[str]) -> str:
        if not environ.get(match[1]):
            raise SettingError(
                f"'{match[0]}' does not resolve to a value: add the app setting {match[1]}."
            )
        return environ[match[1]]

    return _NAME.sub(value, text)


def parse_timespan(text: str) -> timedelta:
    """Read .NET's [d.]hh:mm:ss[.fffffff].

    Raises:
        SettingError: the text has another shape.

    """
    match = _TIMESPAN.fullmatch(text)
    if not match:
        raise SettingError(f"{text!r} is not a time span: write [d.]hh:mm:ss[.fffffff].")
    days, hours, minutes, seconds, fraction = match.groups()
    micros = int((fraction or "0").ljust(6, "0")[:6])
    return timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=micros,
    )


@dataclass(frozen=True)
class HostFile:
    """host.json, overridden by AzureFunctionsJobHost__a__b=… of the environment."""

    content: Mapping[str, Any]

    @classmethod
    def read(cls, app_dir: Path, environ: Mapping[str, str] = os.environ) -> HostFile:
        """Read the file; without one everything has its default.

        Raises SettingError if a name occurs twice, which .NET's configuration refuses and Python
        does not.
        """
        path = app_dir / "host.json"
        text = path.read_text(encoding="utf-8") if path.exists() else "{}"
        content = json.loads(text, object_pairs_hook=_without_duplicates)
        for name, value in environ.items():
            if name.startswith(_OVERRIDE) and value:
                _put(content, name.removeprefix(_OVERRIDE).split("__"), value)
        return cls(content)

    def get(self, *path: str, default: Any = None) -> Any:
        """Return one value by its path.

        Names match in any case, as in the real host.
        """
        node: Any = self.content
        for name in path:
            node = _child(node, name)
        return default if node is None else node


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; merge sections of one name, and refuse duplicate values, as .NET does."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        known = next((key for key in content if key.lower() == name.lower()), name)
        if isinstance(value, dict) and isinstance(content.get(known), dict):
            content[known] = _without_duplicates([*content[known].items(), *value.items()])
        elif known in content:
            raise SettingError(
                f"host.json: a duplicate key '{name}' was found: leave one of the two."
            )
        else:
            content[name] = value
    return content


def _child(node: Any, name: str) -> Any:
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.items() if key.lower() == name.lower()), None)


def _put(node: dict[str, Any], path: list[str], value: str) -> None:
    key = next((key for key in node if key.lower() == path[0].lower()), path[0])
    if len(path) == 1:
        node[key] = value
    else:
        _put(node.setdefault(key, {}), path[1:], value)
