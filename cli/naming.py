"""Which vault and which secret somebody means.

By name, by URL, and what was perhaps meant where there is none.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from api.requests import Request
from engine.engine import Engine
from engine.errors import NotFound, RekeyError
from engine.ports import Vaults
from engine.secret import URL, SecretRef
from engine.state.policy import Policy

NAMED = 5
"""How many vaults a problem names."""


def short_name(text: str) -> str:
    """Return a vault's short name, by which paths name it; a vault's URL will do."""
    address = text.strip().rstrip("/").lower()
    with suppress(ValueError):  # What is no URL, such as https://[x, is no vault's name either.
        return SecretRef(address, "").vault_name if address.startswith("https://") else address
    return address


def vault(policy: Policy, text: str) -> str:
    """Return a served vault's URL; NotFound names the vault that was perhaps meant."""
    name = short_name(text)
    served = [SecretRef(url, "").vault_name for url in policy.scopes]
    if name in served:
        return Request.vault(policy, name)
    near = difflib.get_close_matches(name, served, n=1)
    fix = f"did you mean {near[0]}?" if near else f"served are {_some(served)}"
    raise NotFound(f"vault {text[:64]!r} is not served here", fix=fix)


def request_for(
    policy: Policy, text: str, query: Mapping[str, str] | None = None, body: bytes = b""
) -> Request:
    """Ask for VAULT/NAME, a secret's URL, or a name where there is one vault.

    A caller of the HTTP API names a secret in the same way.
    """
    place, name = _parts(policy, text)
    return Request("POST", text, {"vault": place, "name": name}, query or {}, body=body)


def secret(policy: Policy, text: str) -> SecretRef:
    """Return the secret that is meant; NotFound where no vault of ours is."""
    return request_for(policy, text).secret(policy)


def _parts(policy: Policy, text: str) -> tuple[str, str]:
    if match := URL.fullmatch(text):
        ref = SecretRef.parse(text)
        return short_name(vault(policy, ref.vault)), match["name"]
    place, slash, name = text.partition("/")
    if slash:
        return short_name(vault(policy, place)), name
    served = [SecretRef(url, "").vault_name for url in policy.scopes]
    if len(served) > 1:
        raise NotFound(f"{text[:127]!r} names no vault", fix=_written(policy, text))
    return served[0], text


def is_bare(policy: Policy, text: str) -> bool:
    """Return whether this is a name alone, where several vaults are served."""
    return len(policy.scopes) > 1 and "/" not in text


async def placed(vaults: Vaults, policy: Policy, name: str) -> str:
    """Return VAULT/NAME for a name that one vault alone has; NotFound where none or several do."""
    refs = [SecretRef(url, name) for url in policy.scopes]
    held = await asyncio.gather(*(_holds(vaults, ref) for ref in refs))
    places = [
        f"{ref.vault_name}/{name}" for ref, is_there in zip(refs, held, strict=True) if is_there
    ]
    if len(places) == 1:
        return places[0]
    if places:
        raise NotFound(f"several vaults have a secret {name}", fix=f"write {' or '.join(places)}")
    what = f"no vault has a secret {name[:127]!r}"
    raise NotFound(what, fix=f"{_written(policy, name)}; rekey status shows all")


async def _holds(vaults: Vaults, ref: SecretRef) -> bool:
    async for _version in vaults.versions(ref):
        return True
    return False


def _written(policy: Policy, name: str) -> str:
    served = [SecretRef(url, "").vault_name for url in policy.scopes]
    return f"write VAULT/NAME, such as {served[0]}/{name[:127]}: {_some(served)}"


@asynccontextmanager
async def expected(engine: Engine, ref: SecretRef) -> AsyncIterator[None]:
    """Let what is inside look for a secret.

    Where there is none, say which one was perhaps meant.
    """
    try:
        yield
    except NotFound as error:
        if not error.where.startswith(str(ref)):
            raise
        problem = await _missing(engine, ref)
        raise (problem or error) from None


async def _missing(engine: Engine, ref: SecretRef) -> NotFound | None:
    """Return that there is no such secret.

    None where there is one, so that it is something else that is missing.
    """
    try:
        names = [secret.ref.name async for secret in engine.vaults.list(ref.vault)]
    except RekeyError:
        return None
    lower = {name.lower(): name for name in names}
    if ref.name.lower() in lower:
        return None
    near = difflib.get_close_matches(ref.name.lower(), lower, n=1)
    fix = (
        f"did you mean {ref.vault_name}/{lower[near[0]]}?"
        if near
        else "rekey status shows those that there are"
    )
    return NotFound(f"there is no secret {ref.place}", fix=fix)


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:NAMED]) + (
        f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    )
