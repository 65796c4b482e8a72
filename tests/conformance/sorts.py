"""Correct endpoints of the two other sorts: a password that replaces itself, and many tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.conformance.served import server

type Answer = tuple[int, Mapping[str, Any]]
FIRST = "the-value-that-the-vault-holds-first"


class Single(server.Tokens):  # type: ignore[misc]
    """One password of the source, which a new one replaces."""

    PLAN: ClassVar[Mapping[str, Any]] = {
        "strategy": "single-slot",
        "slots": ["admin"],
        "held": {"id": "admin", "value": FIRST},
    }

    def __init__(self) -> None:
        super().__init__()
        self.sources["orders"] = {"first": "", "admin": FIRST}

    def answer(self, call: str, body: Mapping[str, Any]) -> Answer:
        if call == "undo" and body["source"] in self.sources:
            self.sources[body["source"]]["admin"] = body["credential"]
            return 200, {"done": True}
        named = {**body, "credential_id": body.get("credential_id") or "admin"}
        answered: Answer = super().answer(call, named)
        return answered


class Many(server.Tokens):  # type: ignore[misc]
    """Any number of tokens. A repeated request gets its earlier answer while that works."""

    PLAN: ClassVar[Mapping[str, Any]] = {
        "strategy": "many",
        "slots": [],
        "held": {"id": "by-hand", "value": FIRST},
    }

    def __init__(self) -> None:
        super().__init__()
        self.sources["orders"] = {"by-hand": FIRST, "first": ""}
        self.operations: dict[str, str] = {}
        """Ids of tokens with the operation that made them."""
        self.answers: dict[str, str] = {}
        """Ids of tokens by the request that they answered."""

    def answer(self, call: str, body: Mapping[str, Any]) -> Answer:
        tokens = self.sources.get(body.get("source", ""))
        if tokens is None:
            return 404, {"error": "no-such-source"}
        match call:
            case "issue":
                return self.made(tokens, body)
            case "verify":
                return self.tried(tokens, body["credential_id"], body["credential"])
            case "retire":
                tokens.pop(body["credential_id"], None)
                return 200, {"outcome": "gone"}
            case "tidy":
                return self.tidied(tokens, body["operation"], body["keep"])
        return 404, {"error": "no-such-call"}

    def made(self, tokens: dict[str, str], body: Mapping[str, Any]) -> Answer:
        """Make a token, in place of what an earlier try of the same request made."""
        earlier = self.answers.get(body["request"], "")
        if earlier not in tokens:
            self.answers[body["request"]] = earlier = secrets.token_hex(8)
            tokens[earlier] = secrets.token_urlsafe(24)
            self.operations[earlier] = body["operation"]
        return 200, {"credential_id": earlier, "fields": {"token": tokens[earlier]}}

    def tried(self, tokens: Mapping[str, str], wanted: str, value: str) -> Answer:
        known = tokens.values() if not wanted else filter(None, [tokens.get(wanted)])
        return 200, {"accepted": bool(value) and value in known}

    def tidied(self, tokens: dict[str, str], operation: str, keep: str | None) -> Answer:
        for made in [*tokens]:
            if self.operations.get(made) == operation and made != keep:
                del tokens[made]
        return 200, {"done": True}
