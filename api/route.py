"""What a call of the HTTP API is: its path, its least role, its handler and what describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from api.access import Caller, Role
from api.answers import Answer
from api.idempotency import Queued
from api.leaks import Reports
from api.request_models import Body
from api.requests import Request
from engine.engine import Engine
from engine.ports import Watch
from engine.state.policy import Policies


@dataclass(frozen=True, slots=True)
class Desk:
    """What a call works with."""

    engine: Engine
    """The engine under the policy as it is now."""
    policies: Policies
    watch: Watch
    reports: Reports
    note: Callable[[Answer], None]
    """Writes the audit record, once, with what will be answered. An act by itself is
    noted before: an act without its record would be worse than a record without its act."""
    runbook: str = ""
    """Where the runbook is read, for links; empty where no setting says so."""


type Handler = Callable[[Desk, Request, Caller], Awaitable[Answer | Queued]]


@dataclass(frozen=True, slots=True)
class Route:
    """One call."""

    name: str
    """Name of the function, and of the operation in the OpenAPI document."""
    method: str
    path: str
    """Behind `/api/`."""
    role: Role | None
    """The least role; None for what anybody may ask."""
    handler: Handler
    summary: str
    answers: Mapping[str, str]
    """Which of api.models each success is, by status."""
    query: tuple[str, ...] = ()
    """Its parameters, by name in api.openapi."""
    body: type[Body] | None = None
    """What its body may hold."""
    heavy: bool = False
    """It lists whole vaults, so that only a few at a time are let in."""
    headers: tuple[str, ...] = ()
    """Headers that it reads, by name in api.openapi."""
    confidential: bool = False
    """Its body holds a value: nothing of it is remembered, not even a digest."""
    follows_policy: bool = True
    """It fails where the policy document cannot be followed. False for what leads out of that."""

    @property
    def methods(self) -> tuple[str, ...]:
        """What it takes: who may GET may ask for the head alone."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)
