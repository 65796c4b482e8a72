"""Reads statements with Microsoft's own T-SQL parser, if its program is available.

The program answers each line of JSON with one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any, Self, cast

from simulator.sql import errors
from simulator.sql.statements import Alter, Statement, question

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

KINDS = {"alter login": "login", "alter user": "user"}


class MicrosoftGrammar:
    """See simulator.sql.statements.Grammar. As a context manager it ends the program."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the caller names the program
            [program, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lock = threading.Lock()

    def parse(self, text: str) -> dict[str, Any]:
        """Return the parser's full answer for a script."""
        with self._lock:
            request, answer = (
                cast("IO[str]", self._process.stdin),
                cast("IO[str]", self._process.stdout),
            )
            request.write(json.dumps({"sql": text}) + "\n")
            request.flush()
            return cast("dict[str, Any]", json.loads(answer.readline()))

    def read(self, text: str) -> Statement:
        """Return the statement."""
        parsed = self.parse(text)
        statements = parsed["statements"]
        if not parsed["ok"] or parsed["batches"] != 1 or len(statements) != 1:
            raise errors.syntax(text.partition(" ")[0])
        only = statements[0]
        if only["kind"] == "select":
            return question(only["source"])
        if only["kind"] not in KINDS or [
            option["option"] for option in only.get("options", ())
        ] != ["password"]:
            raise errors.syntax(str(only["kind"]))
        if (
            only["hashed"]
            or only["mustChange"]
            or only["unlock"]
            or only["oldPassword"] is not None
        ):
            raise errors.syntax("PASSWORD")
        return Alter(KINDS[only["kind"]], only["name"], only["password"])

    def close(self) -> None:
        """End the program."""
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(10)
        cast("IO[str]", self._process.stdout).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
