"""A rig with one due secret, ways to ask for something by hand.

`state` proves that nothing was changed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from api.answers import Answer
from api.app import Api
from api.idempotency import HEADER
from api.models import Verb
from api.requests import Request as ApiRequest
from api.routes import route
from simulator.faults import Fault
from simulator.reach.strikes import Hook, Strikes
from simulator.wire import Request, Response, json_response
from tests.shared.rig import Rig

NAME = "app-key"


def scene(**options: Any) -> Rig:
    """Return a rig with the secret `app-key` for the account `appdata`.

    Options are the secret's.
    """
    rig = Rig()
    rig.secret(NAME, rig.account("appdata"), **options)
    return rig


async def ask(
    api: Api,
    body: object = None,
    *,
    vault: str = "prod",
    name: str = NAME,
    action: Verb = "rotate",
    headers: Mapping[str, str] | None = None,
    **query: str,
) -> Answer:
    """Send one request by hand; a body that is no bytes goes as JSON, None as an empty one.

    It bears an Idempotency-Key of its own where no `headers` are named and it would be refused
    without one.
    """
    harmful = action == "restore" or (
        isinstance(body, Mapping) and {"force", "compromised"} & {*body}
    )
    if headers is None and harmful:
        headers = {HEADER: str(uuid.uuid4())}
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return await send(api, f"http_{action}", {"vault": vault, "name": name}, query, sent, headers)


async def send(
    api: Api,
    name: str,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request to the call with this name."""
    called = route(name)
    return await api.answer(
        called,
        ApiRequest.arrived(
            called.method, called.path, path or {}, query or {}, headers or {}, body
        ),
    )


def state(rig: Rig) -> str:
    """Return all that a rotation could change.

    Every version of every secret, every key, every message.
    """
    keys = {name: account.keys for name, account in rig.world.accounts.items()}
    return repr(
        (
            rig.vault.secrets,
            rig.vault.deleted,
            keys,
            rig.messages("rotations"),
            rig.messages("sweeps"),
        )
    )


def refuse(
    rig: Rig,
    status: int,
    code: str,
    where: Callable[[Request], bool],
    times: int = 1,
    **headers: str,
) -> None:
    """Let Azure refuse the next requests that match."""
    body = {"error": {"code": code, "message": "refused by the test"}}
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    rig.world.faults.append(
        Fault(where, json_response(status, body, {"x-ms-error-code": code, **named}), times)
    )


def struck(
    rig: Rig,
    where: Callable[[Request], bool],
    act: Callable[[], object] | None = None,
    *,
    after: bool = True,
    times: int = 1,
) -> Strikes:
    """Return what lets somebody act after a matching call, or before it; else the worker dies."""
    strikes = Strikes(rig.clock.now, lambda: None)
    strikes.hooks.append(Hook(where, act or (lambda: strikes.die("worker")), times, after))
    return strikes


def source_of(rig: Rig) -> str:
    """Return the account of `app-key` as its record names it."""
    return rig.world.accounts["appdata"].resource_id.lower()


def keys_of(rig: Rig) -> dict[str, str]:
    return {name: key.value for name, key in rig.world.accounts["appdata"].keys.items()}


def to_vault(method: str = "GET", name: str = "") -> Callable[[Request], bool]:
    """Match requests to the vault, or for one secret, that carry a token: challenges still come."""
    return lambda request: (
        request.host == "prod.vault.azure.net"
        and request.method == method
        and request.path.startswith(f"/secrets/{name}" if name else "/")
        and bool(request.header("authorization"))
    )


def to_arm(operation: str) -> Callable[[Request], bool]:
    """Match one operation on keys."""
    return lambda request: request.path.lower().endswith(operation.lower())


def told(answer: Answer) -> Response:
    """Return the answer as it goes over the wire."""
    return Response(
        answer.status,
        {"Content-Type": answer.content_type, **answer.headers},
        answer.text().encode(),
    )
