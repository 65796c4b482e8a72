"""Who is signed in where: problem with whatever Azure refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cli.plain import SIGNED_OUT, plain
from cloud.azure import Azure
from cloud.rest.graph import Graph
from engine.errors import AccessDenied, RekeyError

NAMES = ("upn", "preferred_username", "unique_name", "app_displayname", "appid")
"""What a token calls its holder, the most readable first."""
YOU = re.compile(r"for you(?: \(object [^)]+\))?")


def name_of(claims: Mapping[str, Any]) -> str:
    """Return what a token calls its holder."""
    return next((str(claims[claim]) for claim in NAMES if claims.get(claim)), "somebody")


async def explained(error: RekeyError, azure: Azure) -> RekeyError:
    """Return an error in plain words, with who was refused, or where nobody is signed in."""
    problem = plain(error)
    if problem.what == SIGNED_OUT:
        problem.where = urlsplit(azure.authority).hostname or azure.authority
    if not (isinstance(problem, AccessDenied) and YOU.search(problem.what)):
        return problem
    try:
        claims = await Graph(azure).claims("Microsoft Entra")
    except RekeyError:
        return problem
    whoever = f"for you, {name_of(claims)} (object {claims.get('oid')}, tenant {claims.get('tid')})"
    what = YOU.sub(lambda _: whoever, problem.what)
    return AccessDenied(what, where=problem.where, fix=problem.fix, code=problem.code)
