"""Who the app is, as its own token tells: for errors that must name whom to grant a right to."""

from __future__ import annotations

import base64
import json

from engine.secret import Sensitive


def described(token: Sensitive) -> str:
    """Name the identity by its application and object id.

    Tokens are opaque by contract, so perhaps only in general.
    """
    part = token.reveal().split(".")[1:2]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part[0] + "=" * (-len(part[0]) % 4)))
        return f"the app's identity (application {claims['appid']}, object {claims['oid']})"
    except (LookupError, TypeError, ValueError):
        return "the app's identity"
