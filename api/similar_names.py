"""A secret that is not there: say so, and which names come near to the one that was sent."""

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
