"""What is kept of a long run, so that it can be stopped and continued.

A file with one line of JSON for the run, and one for each chunk of cases that was played.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.proof.excuses import Excuse

if TYPE_CHECKING:
    from tests.proof.run import Part, Result


class OtherRunError(ValueError):
    """The file is that of a run with other options, or of other code."""


@dataclass
class Kept:
    """The file of one run; without a path nothing is kept."""

    path: Path | None = None
    done: set[tuple[str, int]] = field(default_factory=set)
    """The parts and chunks that an earlier start has played."""
    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begun(cls, path: Path | None, run: dict[str, Any]) -> Kept:
        """Begin or continue a run; raises OtherRunError where the file is another run's.

        A line that was cut off by the end of its process is played again.
        """
        kept = cls(path)
        if path is None:
            return kept
        texts = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [json.loads(text) for text in texts if text.endswith("\n")]
        if not whole:
            path.write_text(json.dumps(run) + "\n")
            return kept
        if whole[0] != run:
            raise OtherRunError(f"{path} is of another run: {whole[0]}; this one is {run}")
        path.write_text("".join(text for text in texts if text.endswith("\n")))
        kept.lines = whole[1:]
        kept.done = {(line["part"], line["chunk"]) for line in kept.lines}
        return kept

    def recall(self, part: Part) -> None:
        """Count what earlier starts have played of a part."""
        for line in self.lines:
            if line["part"] == part.name:
                part.played += line["played"]
                part.unfinished += line["unfinished"]
                part.violations += [(text, problem) for text, problem in line["violations"]]
                part.excuses.update({Excuse[name]: n for name, n in line["excuses"].items()})

    def note(self, part: Part, chunk: int, results: list[Result]) -> None:
        """Keep what came of a chunk."""
        if self.path is None:
            return
        excuses = [excuse.name for result in results for excuse in result.excuses]
        line = {
            "part": part.name,
            "chunk": chunk,
            "played": len(results),
            "unfinished": sum(result.same for result in results),
            "violations": [[it.text, it.problem] for it in results if it.problem],
            "excuses": {name: excuses.count(name) for name in sorted(set(excuses))},
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def header(path: Path | None) -> dict[str, Any]:
    """Return how the run of a file was begun; empty where there is none yet."""
    if path is None or not path.exists():
        return {}
    first = path.read_text().partition("\n")[0]
    return json.loads(first) if first else {}
