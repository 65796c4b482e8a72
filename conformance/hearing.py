"""Hears whatever leaves the plug-in: errors, logs, and what is printed; and what blocks the loop."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import sys
import traceback
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conformance.faults import Broken, Died
from engine.contract import Issued
from engine.secret import Sensitive
from rotators.own.sandbox import Sandboxed

LEAST = 6
"""A shorter value stands in texts by chance."""
RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}")
"""What may hold a value of that length in base64."""


@dataclass
class Heard:
    """All that was heard, and the values that must not be in it."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    """Where each text was heard, and the text."""
    values: set[str] = field(default_factory=set)
    issued: dict[tuple[str, str], None] = field(default_factory=dict)
    """Ids with the values that were issued under them, in their order."""
    blocking: dict[str, None] = field(default_factory=dict)
    """What kept the event loop from its work, each once."""

    def say(self, where: str, text: str) -> None:
        """Keep a text."""
        self.texts.append((where, text))

    def leaks(self) -> list[str]:
        """Return where a value was heard, each place once, and forget the texts."""
        values = [value for value in self.values if len(value) >= LEAST]
        runs = defaultdict[str, set[str]](set)
        for where, text in self.texts:
            runs[where].update(RUN.findall(text))
        texts = [*self.texts, *((where, _decoded(runs[where])) for where in runs)]
        places = [where for where, text in texts if any(value in text for value in values)]
        self.texts.clear()
        return list(dict.fromkeys(places))

    def log(self, record: logging.LogRecord) -> None:
        """Keep all that a record of a log carries."""
        where = f"the log {record.name}"
        for write in (record.getMessage, lambda: repr(record.__dict__)):
            # A plug-in's own objects may fail to say what they are.
            with suppress(Exception):
                self.say(where, write())
        if record.exc_info and record.exc_info[1]:
            self.say(where, everything(record.exc_info[1]))


def _decoded(runs: Iterable[str]) -> str:
    """Return what they hold in base64, wherever in them that begins."""
    parts = list[bytes]()
    for run in runs:
        text = run.replace("+", "-").replace("/", "_")
        for skipped in range(4):
            rest = text[skipped:]
            whole = rest[:-1] if len(rest) % 4 == 1 else rest
            parts.append(urlsafe_b64decode(whole + "=" * (-len(whole) % 4)))
    return b"\n".join(parts).decode(errors="replace")


EARS: list[Heard] = []
"""Who listens now, the latest one last."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Notice what makes a whole event loop wait. Nothing that it raises may reach the plug-in."""
    match event, arguments:
        case "time.sleep", (seconds,):
            waits = seconds > 0
        case "socket.connect", (own, _):
            waits = own.gettimeout() != 0
        case _:
            waits = event == "socket.getaddrinfo"
    if waits and EARS:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            EARS[-1].blocking[event] = None


@cache
def _watch() -> None:
    """Begin to notice it. Python never ends that."""
    sys.addaudithook(_audit)


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Hear every logger at DEBUG, what is printed, and what blocks the event loop."""
    root, out, err, records = logging.getLogger(), io.StringIO(), io.StringIO(), []
    level, others, make = root.level, root.handlers, logging.getLogRecordFactory()

    def keep(*arguments: Any, **options: Any) -> logging.LogRecord:
        # A logger that hands nothing on would never reach a handler of the root.
        record = make(*arguments, **options)
        records.append(record)
        return record

    root.handlers = [logging.NullHandler()]
    root.setLevel(logging.DEBUG)
    logging.setLogRecordFactory(keep)
    _watch()
    EARS.append(heard)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        EARS.pop()
        logging.setLogRecordFactory(make)
        for record in records:
            heard.log(record)
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
