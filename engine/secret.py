"""A secret in a vault, as the engine sees it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NoReturn
from urllib.parse import urlsplit

from engine.errors import NeedsHuman

SECRET_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
"""A secret's name.

https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
"""
VERSION_ID = re.compile(r"[0-9a-z]{1,64}")
"""A version's id (Key Vault's are 32 hexadecimal digits).

An empty id would mean the latest version, so it never passes.
"""
PAIRS = re.compile(r"rekey-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The name under which Rekey has a vault make the key pairs of an Entra application."""
URL = re.compile(
    r"(?i:https)://(?P<host>[0-9a-zA-Z.:-]+)/secrets/(?P<name>[0-9a-zA-Z-]{1,127})(/.*)?"
)
"""A secret's URL, with or without a version."""


class Sensitive:
    """A value that only `reveal` shows: not repr, str, format, pickle or a comparison's timing."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self.__value

    def __repr__(self) -> str:
        return "Sensitive(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sensitive value is never pickled or copied")


DEFAULT_CONTENT_TYPE = "text/plain"
"""The content type of a version whose predecessor had none. Azure Policy can require one."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret by its vault (URL in lower case without a trailing slash) and its name."""

    vault: str
    name: str

    def __str__(self) -> str:
        return f"{self.vault}/secrets/{self.name}"

    @classmethod
    def parse(cls, url: str) -> SecretRef:
        """Parse the URL of a secret, with or without a version; raises NeedsHuman if it is none."""
        match = URL.fullmatch(url.strip())
        if match is None:
            raise NeedsHuman(
                f"{url[:200]!r} is not the URL of a secret",
                fix="write https://<vault>/secrets/<name>",
            )
        return cls(f"https://{match['host'].lower()}", match["name"])

    @property
    def holds_key_pairs(self) -> bool:
        """Whether the name is that of the certificates that Rekey has a vault make.

        A vault lists each certificate as a secret, too:
        https://learn.microsoft.com/azure/key-vault/certificates/about-certificates.
        """
        return PAIRS.fullmatch(self.name.lower()) is not None

    @property
    def vault_name(self) -> str:
        """The vault's short name: the first label of its host."""
        return urlsplit(self.vault).netloc.partition(".")[0]

    @property
    def place(self) -> str:
        """The secret as commands and paths name it."""
        return f"{self.vault_name}/{self.name}"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret, without its value. A listing leaves `version` empty."""

    ref: SecretRef
    version: str | None
    enabled: bool
    created: datetime
    expires: datetime | None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def bare(self) -> Version:
        """The version without a value, for whatever must not hold one."""
        return self

    def holding(self, value: Sensitive | None) -> SecretVersion:
        """Return the version with its value; None if the vault shows none."""
        return SecretVersion(*(getattr(self, name) for name in _SHOWN), value=value)


@dataclass(frozen=True, slots=True)
class SecretVersion(Version):
    """One version of a secret that was read, with its value; a disabled one shows none."""

    value: Sensitive | None = field(kw_only=True)

    @property
    def bare(self) -> Version:
        """The version without its value, for whatever must not hold one."""
        return Version(*(getattr(self, name) for name in _SHOWN))

    def contains(self, credential: Sensitive | None) -> bool:
        """Return whether the value holds a credential, alone or inside of other text."""
        return bool(self.value and credential and credential.reveal() in self.value.reveal())


_SHOWN = tuple(part.name for part in fields(Version))


@dataclass(frozen=True, slots=True)
class Draft:
    """A complete new version, ready to publish."""

    value: Sensitive
    expires: datetime
    content_type: str
    tags: Mapping[str, str]
