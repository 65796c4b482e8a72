"""Hears whatever leaves the plug-in: errors, logs, and what is printed."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from conformance.faults import Broken, Died
from engine.contract import Issued
from engine.secret import Sensitive
from rotators.own.sandbox import Sandboxed

LEAST = 6
"""A shorter value stands in texts by chance."""


@dataclass
class Heard:
    """All that was heard, and the values that must not be in it."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    """Where each text was heard, and the text."""
    values: set[str] = field(default_factory=set)
    issued: dict[tuple[str, str], None] = field(default_factory=dict)
    """Ids with the values that were issued under them, in their order."""

    def say(self, where: str, text: str) -> None:
        """Keep a text."""
        self.texts.append((where, text))

    def leaks(self) -> list[str]:
        """Return where a value was heard, each place once, and forget the texts."""
        values = [value for value in self.values if len(value) >= LEAST]
        places = [where for where, text in self.texts if any(value in text for value in values)]
        self.texts.clear()
        return list(dict.fromkeys(places))


class _Handler(logging.Handler):
    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        where = f"the log {record.name}"
        self._heard.say(where, f"{record.getMessage()} {record.__dict__!r}")
        if record.exc_info and record.exc_info[1]:
            self._heard.say(where, everything(record.exc_info[1]))


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Hear every logger at DEBUG, and what is printed."""
    root, handler = logging.getLogger(), _Handler(heard)
    level, others, out, err = root.level, root.handlers, io.StringIO(), io.StringIO()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        root.setLevel(level)
        root.handlers = others
        heard.say("standard output", out.getvalue())
        heard.say("standard error", err.getvalue())


def everything(error: BaseException | None) -> str:
    """Write all that an exception carries: its chain, with arguments and attributes."""
    parts, seen = list[str](), set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        own = "".join(traceback.format_exception(error, chain=False))
        parts += [repr(error), repr(error.args), repr(vars(error)), own]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


class Spying(Sandboxed):
    """The sandbox of the product, with an ear at the plug-in's own side of it."""

    heard: Heard
    ended: BaseException | None = None
    """What ends the whole play, so that no guard may take it for the plug-in's own."""

    async def _run(self, *call: Any) -> Any:
        try:
            return await super()._run(*call)
        finally:
            ended, self.ended = self.ended, None
            if ended:
                raise ended

    async def _call(self, what: str, *arguments: object) -> Any:
        try:
            result = await super()._call(what, *arguments)
        except (Broken, Died) as ended:
            self.ended = ended
            raise
        except Exception as error:
            self.heard.say(f"an error of {what}", everything(error))
            raise
        fields = result.fields if isinstance(result, Issued) else result
        value = fields.get(self.value_field) if isinstance(fields, Mapping) else None
        if isinstance(value, Sensitive):
            self.heard.values.add(value.reveal())
            if isinstance(result, Issued):
                self.heard.issued[str(result.credential_id), value.reveal()] = None
        return result
