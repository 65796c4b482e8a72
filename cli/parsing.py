"""A parser of arguments that suggests what was meant: argparse of Python 3.13 does not."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Suggests the nearest command, word or option, and takes no abbreviation.

    Where `--dry` meant `--dry-run`, whoever wrote `--dri` would act.
    """

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(prog, **options)

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Read the command line; SystemExit with code 2 where it cannot be read."""
        parsed, unknown = self.parse_known_args(argv)
        if unknown:
            parser: Parser = getattr(parsed, "parser", None) or self
            parser.error(f"unrecognized: {' '.join(unknown)}{parser.suggestion(unknown)}")
        return parsed

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
        raise SystemExit(2)


def meant(words: Iterable[str], known: Sequence[str]) -> str:
    """Return `: did you mean …?` for words that are like known ones, empty where none is."""
    near = [
        match for word in words for match in difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    ]
    return f": did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
