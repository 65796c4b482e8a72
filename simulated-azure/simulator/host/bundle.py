"""The extension bundle that host.json names: which version a host takes, and what it says of none.

Sources: ExtensionBundleConfigurationHelper, ExtensionBundleManager.FindBestVersionMatch and
ScriptStartupTypeLocator of azure-functions-host; the ranges are NuGet's.
"""

from __future__ import annotations

import logging
import re

from simulator.host.settings import HostFile, SettingError

_log = logging.getLogger("Host.Startup")
ID = "Microsoft.Azure.Functions.ExtensionBundle"
_IDS = frozenset({ID.lower(), f"{ID}.Preview".lower()})
_DEFAULT = "[4.*, 5.0.0)"
"""What a host without host.json takes (HostJsonFileConfigurationSource)."""
_MINORS = {
    1: "0 1 2 3 5 8",
    2: "0 2 4 6 8 10-36",
    3: "0-3 5 7 9-21 23-24 26 28-30 32-33 35-38 40-41",
    4: "0-9 12-13 15-17 20-38",
}
"""The versions that exist, by the tags of azure-functions-extension-bundles (July 2026)."""
_RANGE = re.compile(r"([\[(])\s*([\d.*]*)\s*(,?)\s*([\d.*]*)\s*([\])])")
_NO_END = (2**31,)

type _Version = tuple[int, ...]


def chosen(host_file: HostFile) -> str | None:
    """Return the version of the bundle that the host loads; None where it loads none.

    Raises SettingError where the section has no valid id or version: the host does not start.
    """
    if not host_file.content:
        return _newest(_DEFAULT)
    if not host_file.get("extensionBundle"):
        return None
    name = str(host_file.get("extensionBundle", "id", default=""))
    version = str(host_file.get("extensionBundle", "version", default=""))
    if not re.fullmatch(r"\w+([.-]\w+)*", name):
        raise _invalid("id")
    found = _newest(version)
    if found and name.lower() in _IDS:
        return found
    _log.error("Bundle version matching the %s was not found", version)
    _log.error("Unable to find or download extension bundle")
    return None


def _newest(text: str) -> str | None:
    lowest, highest = _bounds(text.strip())
    for major in sorted(_MINORS, reverse=True):
        for minor in reversed(_numbers(_MINORS[major])):
            if lowest <= (major, minor, 0, 0, 0) < highest:
                return f"{major}.{minor}"
    return None


def _bounds(text: str) -> tuple[_Version, _Version]:
    """Return the first version of a range, and the first one after it."""
    if not text.startswith(("[", "(")):
        return _version(text), _NO_END
    match = _RANGE.fullmatch(text)
    if not match or match[2] == match[4] == "":
        raise _invalid("version")
    opening, first, comma, last, closing = match.groups()
    if not comma:
        return _version(first), _version(first, after=True)
    lowest = _version(first, after=opening == "(") if first else ()
    return lowest, _version(last, after=closing == "]") if last else _NO_END


def _version(text: str, *, after: bool = False) -> _Version:
    """Return a version's four numbers, or those right after it; * stands for the lowest number."""
    if not re.fullmatch(r"(\d+\.){0,3}(\d+|\*)", text):
        raise _invalid("version")
    numbers = [0 if part == "*" else int(part) for part in text.split(".")]
    return (*numbers, *[0] * (4 - len(numbers)), int(after))


def _numbers(text: str) -> list[int]:
    """Read numbers and spans: "1 3-5" is 1, 3, 4 and 5."""
    spans = (part.partition("-") for part in text.split())
    return [
        number for first, _, last in spans for number in range(int(first), int(last or first) + 1)
    ]


def _invalid(name: str) -> SettingError:
    return SettingError(
        f"The value of {name} property in extensionBundle section of host.json file is invalid or "
        "missing. See https://aka.ms/functions-hostjson for more information"
    )
