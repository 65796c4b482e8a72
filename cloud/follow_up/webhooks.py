"""Messages to Teams, Slack and programs by webhook. The URL is a secret, so only the request contains it.

Teams: a workflow with the trigger "When a Teams webhook request is received" accepts an Adaptive
Card as an attachment and answers 202. The card uses text runs, in which Markdown has no effect:
https://learn.microsoft.com/adaptive-cards/create/textfeatures. Slack:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks. The blocks use
`plain_text`, in which markup has no effect. Only the line for notifications is escaped:
https://docs.slack.dev/messaging/formatting-message-text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud.azure import BUSY, CHANGING, Azure, no_answer
from cloud.follow_up import signatures
from cloud.meter.metering import NO_ANSWER, count
from cloud.rest.client import Json, quiet_pipeline, without_logging
from cloud.waiting import retry_after
from engine.errors import NeedsHuman, PermanentError, RekeyError, Throttled, TransientError
from engine.secret import Sensitive
from engine.state.policy import Webhook
from engine.state.request import Event, Notice

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

SECONDS = 15.0
"""The longest that one message may take."""
MOST_TITLE = 150
"""The most characters of a Slack header."""
SENDING = "sending a message"


class ChatWebhooks:
    """Posts messages; see engine.ports.Webhooks. It follows no redirect and reads no answer."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def send(self, hook: Webhook, url: Sensitive, message: Notice | Event) -> None:
        """Post a message once, within 15 s; raises only RekeyErrors, which never show the URL."""
        where = f"the webhook in the secret {hook.secret}"
        if not _fit(url.reveal()):
            raise NeedsHuman(
                "the webhook's secret holds no URL that starts with https://",
                where=where,
                fix="write the webhook's URL there",
            )
        content, headers = _written(hook, message)
        status, problem = await self._posted(url, content, headers, where)
        count("webhook", "Send", status)
        if problem:
            raise problem

    async def _posted(
        self, url: Sensitive, content: bytes, headers: Mapping[str, str], where: str
    ) -> tuple[str, RekeyError | None]:
        """Post, and return the status and the problem, if any.

        The SDK's error holds the URL, so it stays inside this method.
        """
        from azure.core.exceptions import AzureError

        try:
            async with asyncio.timeout(SECONDS):
                status, wait = await self._exchange(url, content, headers)
        except (AzureError, TimeoutError, ValueError) as error:
            why, fix = no_answer(error)
            return NO_ANSWER, TransientError(
                f"{SENDING} got no answer: {why}", where=where, fix=fix
            )
        return str(status), _problem(status, wait, where)

    async def _exchange(
        self, url: Sensitive, content: bytes, headers: Mapping[str, str]
    ) -> tuple[int, float | None]:
        from azure.core.rest import HttpRequest

        request = HttpRequest("POST", url.reveal().strip(), content=content, headers=dict(headers))
        # The answer is not read, since it may have any length.
        response = await self._pipeline().send_request(
            request, stream=True, **without_logging(CHANGING)
        )
        await response.close()
        return response.status_code, retry_after(response)

    def _pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        if self._client is None:
            from cloud.meter.call_counter import unmetered

            self._client = quiet_pipeline(
                replace(self._azure, options=unmetered(self._azure.options)), ""
            )
        return self._client


def _written(hook: Webhook, message: Notice | Event) -> tuple[bytes, dict[str, str]]:
    """Return a message's body and headers."""
    kind = {"Content-Type": "application/json"}
    if isinstance(message, Notice):
        return json.dumps(SHAPES[hook.kind](message)).encode(), kind
    content = signatures.body(message)
    return content, kind | signatures.headers(message, content, f"the secret {hook.signing}")


def _fit(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _problem(status: int, wait: float | None, where: str) -> RekeyError | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    what = f"{SENDING} was answered {status}"
    if status in BUSY:
        kind = Throttled if status == HTTPStatus.TOO_MANY_REQUESTS else TransientError
        return kind(what, where=where, retry_after=wait)
    return PermanentError(
        what, where=where, fix="create a new webhook, and write its URL to that secret"
    )


def teams(notice: Notice) -> Json:
    """Return the message for Teams."""

    def text(*runs: Json) -> Json:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run} for run in runs]}

    title = text({"text": notice.title, "weight": "Bolder", "size": "Medium"})
    facts = [
        text({"text": f"{name}: ", "weight": "Bolder"}, {"text": value})
        for name, value in notice.facts
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [title, *facts],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def slack(notice: Notice) -> Json:
    """Return the message for Slack."""

    def text(content: str) -> Json:
        return {"type": "plain_text", "text": content, "emoji": False}

    facts = "\n".join(f"{name}: {value}" for name, value in notice.facts)
    return {
        "text": escape(notice.title, quote=False),
        "blocks": [
            {"type": "header", "text": text(notice.title[:MOST_TITLE])},
            {"type": "section", "text": text(facts)},
        ],
    }


SHAPES: Mapping[str, Callable[[Notice], dict[str, Any]]] = {"teams": teams, "slack": slack}
