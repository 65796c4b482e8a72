"""One call of Key Vault, as its operations get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.keyvault.state import Vault
    from simulator.wire import Request


@dataclass(frozen=True)
class Call:
    """One operation on one vault, with the name and version from its path.

    An empty `version` means the latest.
    """

    vault: Vault
    request: Request
    name: str = ""
    version: str = ""
