"""Webhooks of chats: Teams workflows answer 202 without a body, Slack 200 with `ok`.

Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and the recorded
exchanges of users' tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from simulator.wire import Request, Response

TEAMS = "default.westeurope.environment.api.powerplatform.com"
SLACK = "hooks.slack.com"


@dataclass
class WebhookService:
    """Stores the messages that arrive, by host, in order."""

    received: list[tuple[str, Any]] = field(default_factory=list)

    def answers(self, host: str) -> bool:
        """Return whether the host is a chat's."""
        return host in (TEAMS, SLACK)

    def handle(self, request: Request) -> Response:
        """Store a message."""
        if request.method != "POST":
            return Response(405)
        self.received.append((request.host, json.loads(request.body)))
        return (
            Response(202)
            if request.host == TEAMS
            else Response(200, {"Content-Type": "text/html"}, b"ok")
        )
