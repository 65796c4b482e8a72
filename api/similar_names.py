"""A secret or version that is not there: say so, and what comes near to what was sent."""

from __future__ import annotations

from difflib import get_close_matches

from engine.engine import Engine
from engine.errors import NotFound, RekeyError
from engine.secret import SecretRef

PAGES = 20
"""How many calls to Key Vault, 25 secrets each, the search for near names may cost."""
MOST, LIKE = 3, 0.7


async def no_such(engine: Engine, ref: SecretRef) -> NotFound:
    """Return the problem. Whoever may ask for one secret may list them all."""
    near = await _near(engine, ref)
    fix = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "GET /api/secrets lists those that there are"
    )
    return NotFound("there is no such secret", where=str(ref), fix=fix)


async def no_such_version(engine: Engine, ref: SecretRef, version: str) -> NotFound | None:
    """Return the problem if a secret that is there has never had this version, else None.

    What its vault has lost may still be known to a record. Raises what keeps one from telling.
    """
    shown = [str(it.version) async for it in engine.vaults.versions(ref)]
    if not shown or version in shown:
        return None
    records = [await engine.leases.peek(listed.source) for listed in await engine.known(ref)]
    if any(record.knows(version) for record in records if record):
        return None
    near = [known for known in shown if known.startswith(version)][:MOST]
    fix = f"did you mean {' or '.join(near)}?" if near else "see its history"
    return NotFound(f"this secret has no version {version}", where=str(ref), fix=fix)


async def _near(engine: Engine, ref: SecretRef) -> list[str]:
    names: dict[str, str] = {}
    token: str | None = None
    try:
        for _ in range(PAGES):
            secrets, token = await engine.vaults.page(ref.vault, token)
            names |= {secret.ref.name.lower(): secret.ref.name for secret in secrets}
            if token is None:
                break
    except RekeyError:
        # A suggestion is no more than that: what cannot be listed is not suggested.
        return []
    return [names[name] for name in get_close_matches(ref.name.lower(), names, MOST, LIKE)]
