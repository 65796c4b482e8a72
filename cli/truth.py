"""What is true once an operation has succeeded: which credential is in use, and which is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.session import Session
from cli.terminal import moment
from engine.secret import SecretRef, Version
from engine.state.tags import OPERATION, Managed

ENDED = "succeeded"


async def truth(session: Session, ref: SecretRef, body: Mapping[str, Any], *, leaked: bool) -> str:
    """Return it in one line; empty where an operation has not succeeded, or nothing is managed."""
    if body.get("status") != ENDED:
        return ""
    engine = await session.ready()
    current, *earlier = await engine.versions(ref)
    managed = engine.tagged(current).managed
    if managed is None:
        return ""
    is_new = current.tags.get(OPERATION) == body.get("operation")
    is_cut_off = body.get("action") == "retire" or leaked
    before = _before(managed, earlier, is_new=is_new, is_cut_off=is_cut_off)
    holds = f"the vault holds {managed.credential_id or 'the new credential'}"
    return f"{holds}, good until {moment(current.expires)}{before}"


def _before(managed: Managed, earlier: list[Version], *, is_new: bool, is_cut_off: bool) -> str:
    """Return what became of the credential before; empty where that is not known."""
    if pending := managed.pending:
        return f"; {pending.credential_id} works until {moment(pending.at)}"
    if not earlier or managed.derived_from:
        return ""
    name = earlier[0].tags.get("CredentialId", "the credential before it")
    if is_new and managed.is_single:
        return "; the password before it is refused"
    if is_cut_off and not earlier[0].enabled:
        return f"; {name} is revoked, and the version that holds it is disabled"
    return ""
