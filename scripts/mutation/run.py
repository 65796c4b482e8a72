"""Play the tests against each change.

`make mutate`, or `python -m scripts.mutation.run engine/state/record.py`. The tests of `make test`
run once, to learn which of them run which lines. Then the same process forks for each change of a
sample, puts the changed code into the function, and runs the tests that run its line until one
fails. What is printed: how many changes a test noticed, and each that none did, with its reason if
`reasons.toml` has one.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TextIO

import pytest

from scripts.mutation.changes import Change, changes
from scripts.mutation.reach import Reach, functions_in
from scripts.mutation.reasons import Reasons
from scripts.mutation.trial import Trials

TARGETS = ("engine", "leaks", "rotators")
PART = "--part=product"
"""What `make test` runs: `tests/parts.py`."""
SAMPLE = 200
ENOUGH = 0.95
SECONDS = 20
"""Tests of a change, as long as they take together when nothing is changed."""
QUIET = ("-q", "-p", "no:cacheprovider", "--tb=no", "--hypothesis-profile=mutation")


@dataclass(frozen=True)
class Mutant:
    """A change of a file."""

    path: Path
    change: Change

    @property
    def name(self) -> str:
        """It holds until what is changed reads differently."""
        return f"{self.path} {self.change.function}: {self.change.what}"


def mutants(targets: Sequence[str]) -> list[Mutant]:
    """Return every change of these modules, in their order."""
    paths = [
        path
        for name in targets
        for path in ([Path(name)] if name.endswith(".py") else sorted(Path(name).rglob("*.py")))
    ]
    return [Mutant(path, change) for path in paths for change in changes(path.read_text())]


def drawn[T](made: Sequence[T], count: int, seed: int) -> list[T]:
    """Return so many changes, each as likely as any other; all of them if there are no more."""
    numbers = Random(seed).sample(range(len(made)), min(count, len(made)))  # noqa: S311 - a sample
    return [made[number] for number in sorted(numbers)]


@dataclass
class Tally:
    """How many changes were tried, and what became of them."""

    tried: int = 0
    noticed: int = 0
    explained: int = 0
    """Not noticed, for a reason."""

    def add(self, *, noticed: bool, explained: bool) -> None:
        """Count a change."""
        self.tried += 1
        self.noticed += noticed
        self.explained += explained and not noticed

    @property
    def is_enough(self) -> bool:
        """Return whether enough changes were noticed, or each that lives has a reason."""
        living = self.tried - self.noticed - self.explained
        return not living or self.noticed >= ENOUGH * self.tried

    def __str__(self) -> str:
        share = self.noticed / max(self.tried, 1)
        living = self.tried - self.noticed - self.explained
        return (
            f"{self.noticed} of {self.tried} changes were noticed ({share:.1%}); "
            f"of those that live, {self.explained} have a reason and {living} have none"
        )


@dataclass(eq=False)
class Mutation:
    """A plugin: what pytest does in place of running its tests once."""

    options: argparse.Namespace
    out: TextIO
    tally: Tally = field(default_factory=Tally)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Make the same examples each time, and keep none: no change's tests teach the next."""
        from hypothesis import settings

        settings.register_profile("mutation", derandomize=True, database=None, deadline=None)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once, then against each change of the sample."""
        began = time.monotonic()
        made = [
            m
            for m in mutants(self.options.targets)
            if any(text in m.name for text in self.options.only)
        ]
        sample = drawn(made, self.options.sample, self.options.seed)
        for path in {mutant.path for mutant in made}:
            importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        functions = functions_in(frozenset(str(mutant.path.resolve()) for mutant in made))
        reach = Reach()
        session.config.pluginmanager.register(reach)
        reach.run(session.items, [function for same in functions.values() for function in same])
        self._say(
            f"{len(session.items)} tests have run once, {len(reach.passed)} of them passed, "
            f"in {time.monotonic() - began:.0f} s; {len(sample)} of {len(made)} changes follow"
        )
        self._try(sample, Trials(session.items, reach, functions, self.options.seconds))
        self._say(f"{(time.monotonic() - began) / 60:.0f} minutes")
        return True

    def _try(self, sample: Sequence[Mutant], trials: Trials) -> None:
        reasons = Reasons.read()
        for first in sample[:1]:
            trials.prepare(first.path.resolve(), first.change)
        for number, mutant in enumerate(sample):
            outcome = trials.of(mutant.path.resolve(), mutant.change)
            reason = reasons.of(mutant.name, mutant.change.digest)
            self.tally.add(noticed=outcome.noticed, explained=bool(reason))
            if self.options.verbose or reason or not outcome.noticed:
                where = f"{mutant.path}:{mutant.change.lines.start}"
                self._say(f"{number + 1}. {where} {mutant.name.partition(' ')[2]}")
                self._say(f"    digest {mutant.change.digest}; {outcome.text}")
            if reason:
                self._say(f"    said to live: {reason}")
        self._say(str(self.tally))

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(
        prog="mutate", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="so many changes, or all")
    parser.add_argument("--seed", type=int, default=0, help="another draws other changes")
    parser.add_argument("--only", nargs="+", default=[""], help="changes whose name holds this")
    parser.add_argument("--tests", nargs="+", default=[PART], help="in place of `make test`")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of tests against a change, at most"
    )
    parser.add_argument("--verbose", action="store_true", help="print what noticed each change")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    options = options_of(arguments)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out, redirect_stdout(io.StringIO()) as said:
        mutation = Mutation(options, out)
        code = pytest.main([*QUIET, *options.tests], plugins=[mutation])
    if code:
        print(said.getvalue())
    return int(code) or (0 if mutation.tally.is_enough else 1)


if __name__ == "__main__":
    sys.exit(main())
