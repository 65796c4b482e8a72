"""A parser of arguments that suggests what was meant: argparse of Python 3.13 does not."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

USAGE = 2
AS_JSON = re.compile(r"(?:^| )(?:--json|(?:-o|--output)[ =]?json)(?: |$)")


class _Unreadable(Exception):  # noqa: N818 - a state, like the errors of engine.errors
    """A command line cannot be read by the parser of one command."""

    def __init__(self, parser: Parser, problem: str) -> None:
        self.parser, self.problem = parser, problem
        super().__init__(problem)


class Parser(argparse.ArgumentParser):
    """Suggests the nearest command, word or option, and takes no abbreviation.

    Where `--dry` meant `--dry-run`, whoever wrote `--dri` would act.
    """

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(prog, **options)

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Read the command line; SystemExit with code 2 where it cannot be read."""
        try:
            parsed, unknown = self.parse_known_args(argv)
            if unknown:
                parser: Parser = getattr(parsed, "parser", None) or self
                parser.error(f"unrecognized: {' '.join(unknown)}{parser.suggestion(unknown)}")
        except _Unreadable as unreadable:
            parser, problem = unreadable.parser, unreadable.problem
            if not AS_JSON.search(" ".join(argv)):
                argparse.ArgumentParser.error(parser, problem)
            fix = f"see {parser.prog} --help"
            answer = {"problem": problem, "where": parser.prog, "fix": fix, "exit": USAGE}
            sys.stderr.write(json.dumps(answer, indent=2) + "\n")
            raise SystemExit(USAGE) from None
        return parsed

    def error(self, message: str) -> NoReturn:
        """Leave it to `read`, which knows in which form a problem is told."""
        raise _Unreadable(self, message)

    def suggestion(self, unknown: Iterable[str]) -> str:
        """Return which options were perhaps meant."""
        known = [
            name
            for action in self._actions
            for name in action.option_strings
            if name.startswith("--")
        ]
        return meant([word.partition("=")[0] for word in unknown if word.startswith("-")], known)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            words = [str(choice) for choice in action.choices]
            hint = meant([str(value)], words) or f": choose from {', '.join(words)}"
            raise argparse.ArgumentError(action, f"there is no {value!r}{hint}")

    def dead_end(self) -> NoReturn:
        """Show how to go on where a command was left out, and end as wrong usage does."""
        self.print_help(sys.stderr)
        raise SystemExit(USAGE)


def meant(words: Iterable[str], known: Sequence[str]) -> str:
    """Return `: did you mean …?` for words that are like known ones, empty where none is."""
    near = [
        match for word in words for match in difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    ]
    return f": did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
