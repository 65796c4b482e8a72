"""The libraries of Azure Functions' image for Python 3.13, and what a native library needs of them.

Source: Azure/azure-functions-docker, host/4/bookworm/python/python313/python313.Dockerfile. It
starts from Debian 12 (aspnet:8.0-bookworm-slim) and installs the packages named here. The versions
are those of Debian 12: https://packages.debian.org/bookworm. Flex Consumption's own image is not
published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

LIBRARIES = {
    "libc6": "libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 ld-linux-x86-64.so.2",
    "libgcc-s1": "libgcc_s.so.1",
    "libstdc++6": "libstdc++.so.6",
    "libssl3": "libssl.so.3 libcrypto.so.3",
    "zlib1g": "libz.so.1",
    "libgssapi-krb5-2": "libgssapi_krb5.so.2 libkrb5.so.3",
    "unixodbc": "libodbc.so.2 libodbcinst.so.2 libltdl.so.7",
    "libgomp1": "libgomp.so.1",
}
"""What each package of Debian brings along, by the names under which a library asks for it."""
PRESENT = frozenset(name for names in LIBRARIES.values() for name in names.split())
NEWEST = {
    "GLIBC": (2, 36),
    "GLIBCXX": (3, 4, 30),
    "CXXABI": (1, 3, 13),
    "GCC": (12, 0, 0),
    "OPENSSL": (3, 0, 9),
}
"""The newest version of each set of symbols: glibc 2.36, gcc 12.2 and OpenSSL 3.0."""
UNNUMBERED = frozenset({"gssapi_krb5_2_MIT", "krb5_3_MIT"})
"""The sets of symbols of Kerberos, which grow without a new name."""
_VERSION = re.compile(r"([A-Z]+)_([\d.]+)[a-z]*")


def needed(library: Path) -> list[str]:
    """Return the names of the libraries that the loader opens with this one."""
    with library.open("rb") as stream:
        sections = ELFFile(stream).iter_sections()
        dynamic = (part for part in sections if isinstance(part, DynamicSection))
        return [
            str(vars(tag)["needed"])
            for part in dynamic
            for tag in part.iter_tags()
            if tag.entry.d_tag == "DT_NEEDED"
        ]


def versions(library: Path) -> Iterator[tuple[str, str]]:
    """Yield each needed library, with each version of symbols that is needed of it."""
    with library.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for wanted, entries in section.iter_versions():
                    for entry in entries:
                        yield str(wanted.name), str(entry.name)


def complaints(library: Path) -> list[str]:
    """Return what a library needs and the image does not have; a library beside it is found too."""
    beside = {path.name for path in library.parent.iterdir()}
    absent = [f"{name} is missing" for name in needed(library) if name not in PRESENT | beside]
    return absent + [
        f"{name} is too old: {version} is needed"
        for name, version in versions(library)
        if name in PRESENT and not _offered(version)
    ]


def _offered(version: str) -> bool:
    match = _VERSION.fullmatch(version)
    if not match or match[1] not in NEWEST:
        return version in UNNUMBERED
    return tuple(int(part) for part in match[2].split(".")) <= NEWEST[match[1]]
