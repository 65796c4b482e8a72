"""The text of a message on the queue `rotations`: a JSON object, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from engine.errors import NeedsHuman
from engine.secret import NAME, VERSION, SecretRef

FIX = "request work with rekey or the HTTP API, which write such messages"


def text_of(message: Any, types: Mapping[str, type], renamed: Mapping[str, Any]) -> str:
    """Return the text of a message with a secret, these fields, an operation and a trace.

    `renamed`: the fields that have had another name since the first version.
    """
    names = (name for name in (*types, "operation", "trace") if name not in renamed)
    data = {**{name: getattr(message, name) for name in names}, **renamed}
    return json.dumps({**data, "vault": message.ref.vault, "secret": message.ref.name})


def fields_of(
    text: str | bytes, types: Mapping[str, type], choices: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `ref`, `trace` and those of these fields that a message has; what else it has is left.

    `choices`: the Literal of a field that is one of few words. Raises NeedsHuman that lists every
    problem.
    """
    data = _object(text)
    if problems := _problems(data, types, choices):
        raise _malformed(problems)
    fields = {key: data[key] for key in types if data.get(key) is not None}
    trace = data["trace"] if isinstance(data.get("trace"), str) else None
    ref = SecretRef(data["vault"].rstrip("/").lower(), data["secret"])
    return {"ref": ref, "trace": trace, **fields}


def action_of(text: str | bytes) -> str:
    """Return what a message asks for; raises NeedsHuman if it is no JSON object."""
    return str(_object(text).get("action"))


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(["not JSON"]) from None
    if not isinstance(data, dict):
        raise _malformed(["not a JSON object"])
    return data


def _problems(
    data: Mapping[str, Any], types: Mapping[str, type], choices: Mapping[str, Any]
) -> list[str]:
    problems = [
        f"{key} is not a {kind.__name__}"
        for key, kind in types.items()
        if data.get(key) is not None and not isinstance(data[key], kind)
    ]
    for key, words in choices.items():
        allowed = get_args(words)
        if data.get(key) is not None and data[key] not in allowed:
            problems.append(f"{key} is none of {', '.join(allowed)}")
    if not isinstance(data.get("vault"), str) or not data["vault"].startswith("https://"):
        problems.append("vault is not the URL of a vault")
    if not isinstance(data.get("secret"), str) or not NAME.fullmatch(data["secret"]):
        problems.append("secret is not a secret's name")
    if isinstance(data.get("version"), str) and not VERSION.fullmatch(data["version"]):
        problems.append("version is not a version's id")
    return problems


def _malformed(problems: list[str]) -> NeedsHuman:
    return NeedsHuman(
        f"the work item is malformed: {'; '.join(problems)}", where="queue rotations", fix=FIX
    )
