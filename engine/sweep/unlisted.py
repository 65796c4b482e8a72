"""Secrets that have a record, and that their vault does not list: deleted, or the listing lags."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import NotFound, PermanentError
from engine.model.ledger import Ledger
from engine.ports import Vaults
from engine.secret import SecretRef


def unlisted(vault: str, listed: set[SecretRef], ledger: Ledger) -> Iterator[SecretRef]:
    """Return the secrets of a vault that own a record and are not among the listed ones."""
    known, prefix = {str(ref).lower() for ref in listed}, f"{vault}/secrets/"
    for owner in ledger.records:
        if owner.startswith(prefix) and owner not in known:
            yield SecretRef(vault, owner.removeprefix(prefix))


async def is_deleted(vaults: Vaults, ref: SecretRef) -> bool:
    """Return whether the vault has no such secret: a listing may lag behind."""
    try:
        await vaults.read(ref)
    except NotFound:
        return True
    except PermanentError:
        return False
    return False
