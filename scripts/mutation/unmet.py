"""Find the conditions that nothing decides otherwise: no test and no schedule needs them.

`make unmet`, or `python -m scripts.mutation.unmet engine/rotation --seeds 2000`. Each condition of
these modules, and each part of a compound one, asks as it is decided: would it end in the same way
always, or without this part? The tests run once, then fresh schedules are played. What is printed
was never decided otherwise by any of them. Either nothing needs it, or nothing tests it.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import copy
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import override

import pytest

from tests.parts import ROOT

RUNS = (["--part=product"], ["tests/adversary", "tests/crash"])
"""What pytest runs, one after the other."""
ASK, ASK_PARTS = "__decided__", "__compared__"
"""The names of what a changed module calls; no module has one of its own."""


class Conditions(ast.NodeTransformer):
    """Lets each condition of a module say how it is decided; knows how many ways there are."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ways: dict[str, str] = {}
        """Each way in which a condition may be decided, and what it means that it never is."""

    def visit_If(self, node: ast.If) -> ast.AST:
        """Ask whether it ever holds, and whether it ever does not."""
        node.test = self._asked(node.test)
        self._visit(node.body)
        self._visit(node.orelse)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """Ask whether it ever holds, and whether it ever does not."""
        node.test = self._asked(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Ask of each part whether the whole ever ends in another way without it."""
        whole = copy.deepcopy(node)
        node.values = [self.visit(value) for value in node.values]
        if not _can_be_repeated(whole):
            return node
        others = list[ast.expr]()
        for number, part in enumerate(whole.values):
            left = [value for at, value in enumerate(whole.values) if at != number]
            rest = left[0] if len(left) == 1 else ast.BoolOp(whole.op, left)
            name = self._way(node, f"nothing needs `{ast.unparse(part)}` in", ast.unparse(whole))
            others.append(ast.Tuple([ast.Constant(name), _later(copy.deepcopy(rest))], ast.Load()))
        return _call(ASK_PARTS, node, ast.Tuple(others, ast.Load()))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave what is decided as the class is made: it runs once, at import."""
        self._visit_functions(node.body)
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Leave what is decided as the module is imported."""
        self._visit_functions(node.body)
        return node

    def visit_FunctionDef[F: ast.FunctionDef | ast.AsyncFunctionDef](self, node: F) -> F:
        """Leave decorators and defaults."""
        self._visit(node.body)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name of its base class

    def _visit_functions(self, body: list[ast.stmt]) -> None:
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        body[:] = [self.visit(part) if isinstance(part, kinds) else part for part in body]

    def _visit(self, body: list[ast.stmt]) -> None:
        body[:] = [self.visit(part) for part in body]

    def _asked(self, test: ast.expr) -> ast.expr:
        text = ast.unparse(test)
        names = [self._way(test, f"never {value}:", text) for value in (True, False)]
        return _call(ASK, self.visit(test), *map(ast.Constant, names))

    def _way(self, node: ast.expr, what: str, whole: str) -> str:
        name = f"{self.path}:{node.lineno}:{node.col_offset} {what}"
        self.ways[name] = f"{self.path}:{node.lineno} {what} {whole}"
        return name


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _later(value: ast.expr) -> ast.Lambda:
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), value)


def _can_be_repeated(node: ast.expr) -> bool:
    """Return whether an expression may be put into a function of its own, and evaluated again."""
    kinds = ast.Await | ast.NamedExpr | ast.Yield | ast.YieldFrom
    for inner in ast.walk(node):
        if isinstance(inner, kinds) or (isinstance(inner, ast.comprehension) and inner.is_async):
            return False
    return True


class Met:
    """The ways in which conditions were decided."""

    def __init__(self) -> None:
        self.ways: set[str] = set()

    def decided[T](self, value: T, if_true: str, if_false: str) -> T:
        """Note how a condition is decided; return that."""
        self.ways.add(if_true if value else if_false)
        return value

    def compared[T](self, value: T, others: Sequence[tuple[str, Callable[[], object]]]) -> T:
        """Note without which parts it would end in another way; return how it ends."""
        for name, other in others:
            if name not in self.ways and not _is_same(value, other):
                self.ways.add(name)
        return value


def _is_same(value: object, other: Callable[[], object]) -> bool:
    try:
        ended = other()
    except Exception:  # noqa: BLE001 - the part that is left out kept it from that
        return False
    return ended is value or ended == value or (isinstance(value, bool) and bool(ended) == value)


class Asking(SourceFileLoader):
    """Loads a module whose conditions say how they are decided."""

    def __init__(self, name: str, path: str, ways: dict[str, str]) -> None:
        super().__init__(name, path)
        self._ways = ways

    @override
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        changed = Conditions(str(Path(path).relative_to(Path.cwd())))
        module = changed.visit(ast.parse(self.get_data(path)))
        self._ways.update(changed.ways)
        return compile(ast.fix_missing_locations(module), path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules of these targets first."""

    def __init__(self, targets: Sequence[str], met: Met) -> None:
        self._targets = [Path(target).resolve() for target in targets]
        self._met = met
        self.ways: dict[str, str] = {}

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        file = Path(spec.loader.path)
        if not any(file.is_relative_to(folder) for folder in self._targets):
            return None
        spec.loader = Asking(fullname, spec.loader.path, self.ways)
        return spec

    def unmet(self) -> Iterator[str]:
        """Yield what was never decided otherwise, in the order of the files."""
        return (text for name, text in self.ways.items() if name not in self._met.ways)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="unmet", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("targets", nargs="*", default=["engine"])
    parser.add_argument("--tests", nargs="+", help="what pytest runs, instead of most of the tests")
    parser.add_argument("--seeds", type=int, default=2000, help="so many schedules of the proof")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    options = parser.parse_args(arguments)
    met = Met()
    finder = Finder(options.targets, met)
    vars(builtins).update({ASK: met.decided, ASK_PARTS: met.compared})
    sys.meta_path.insert(0, finder)
    runs = [options.tests] if options.tests else RUNS
    failed = [pytest.main(["-q", "-p", "no:cacheprovider", "-n0", *tests]) for tests in runs]
    _play(options.first, options.seeds)
    unmet = [*finder.unmet()]
    print(*unmet, sep="\n")
    print(
        f"{len(unmet)} of {len(finder.ways)} ways in which a condition may be decided were not met"
    )
    return int(any(failed))


def _play(first: int, count: int) -> None:
    from tests.proof import campaign
    from tests.proof.run import result

    logging.disable(logging.CRITICAL)
    for text in map(str, campaign.seeds(first, count)):
        if problem := result(text).problem:
            print(f"{text}: {problem}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
