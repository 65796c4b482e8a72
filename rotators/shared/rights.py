"""The least rights of a kind: the template's role of that name holds them and no others."""

from __future__ import annotations

from typing import NamedTuple


class Rights(NamedTuple):
    """What a kind's role permits, and the types of the resources at which it is given."""

    types: tuple[str, ...]
    actions: tuple[str, ...]
