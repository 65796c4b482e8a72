"""How large the engine is, and what one rotation runs through: `python -m bench.figures`.

The figures say how much of the engine somebody has to hold in the head. They judge nothing.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
import inspect
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

from engine.secret import Sensitive
from engine.state.record import Record
from engine.state.request import WorkItem
from tests.proof.places import PLACES

ROOT = Path(__file__).parents[1]
PRODUCT = (
    "api",
    "cli",
    "cloud",
    "composition.py",
    "engine",
    "function_app.py",
    "leaks",
    "rotators",
)
CORNERS = {
    "compromised": (
        r"compromis|doomed|cut_?off|leaked",
        ("incident", "incidents", "leak", "leaked"),
    ),
    "derived": (
        r"deriv|parent_?key|dependent",
        ("derived",),
    ),
    "follow-up": (
        r"errand|follow_?up|refresh|notice",
        ("tasks", "refresh", "notices", "follow_up", "request"),
    ),
}
"""A concern, the words that name it, and the modules, or rooms of them, that are about it."""
LONG = 40
"""How long a text is that may hold a key."""
MOST_NESTING = 3
"""How deep an argument is searched for a value."""


def sources(below: str) -> list[Path]:
    """Return the Python files of a room."""
    return sorted((ROOT / below).rglob("*.py"))


def lines(files: list[Path]) -> int:
    """Return how many lines files have."""
    return sum(len(path.read_text().splitlines()) for path in files)


def names(path: Path) -> set[str]:
    """Return every name that a file uses or defines: no comments, docstrings or texts."""
    texts = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "attr", "name", "arg", "module"):
            text = getattr(node, field, None)
            texts |= {text} if isinstance(text, str) else set()
    return texts


def naming(pattern: str, own: tuple[str, ...]) -> int:
    """Return how many files of the engine name a concern outside its own modules."""
    others = [path for path in sources("engine") if not {path.stem, path.parent.name} & set(own)]
    return sum(
        any(re.search(pattern, name, re.IGNORECASE) for name in names(path)) for path in others
    )


def complexities() -> Iterator[int]:
    """Yield the cyclomatic complexity of each function of the engine."""
    loops = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
    forks = (*loops, ast.If, ast.IfExp, ast.ExceptHandler, ast.match_case)
    for path in sources("engine"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = list(ast.walk(function))
                forked = sum(isinstance(node, forks) for node in inside)
                joined = sum(
                    len(node.values) - 1 for node in inside if isinstance(node, ast.BoolOp)
                )
                yield 1 + forked + joined


def contexts() -> int:
    """Return how many classes of the room that rotates hold more than one of what a rotation shares."""
    shared = {"parts", "lease", "observed", "progress", "vault_writer"}
    return sum(
        len(shared & set(_fields(shape))) > 1
        for path in sources("engine/rotation")
        for shape in ast.walk(ast.parse(path.read_text()))
        if isinstance(shape, ast.ClassDef)
    )


def _fields(shape: ast.ClassDef) -> Iterator[str]:
    for field in shape.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            yield field.target.id


def leaves(shape: type) -> int:
    """Return how many plain values a dataclass holds, its parts included."""
    hints = dataclasses.fields(shape)
    parts = {part.__name__: part for part in _parts(shape)}
    return sum(
        next((leaves(parts[name]) for name in parts if name in str(field.type)), 1)
        for field in hints
    )


def _parts(shape: type) -> Iterator[type]:
    module = sys.modules[shape.__module__]
    for value in vars(module).values():
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value is not shape:
            yield value


@dataclasses.dataclass
class Walk:
    """What one rotation runs through."""

    files: set[str] = dataclasses.field(default_factory=set)
    crossings: int = 0
    depth: int = 0
    held: dict[str, dict[str, bool]] = dataclasses.field(default_factory=dict)
    """By text: who was given it, and whether that was only once it had been published."""
    is_published: bool = False

    def watch(self, code: CodeType, _: int) -> None:
        """Note the start of one of the product's own functions."""
        frame = inspect.currentframe()
        frame = frame.f_back if frame else None
        here = product(frame)
        if not (frame and here) or code.co_name.startswith("<"):
            return
        self.files.add(here)
        self.crossings += here != product(frame.f_back)
        self.depth = max(self.depth, sum(1 for _ in callers(frame)))
        for text in {text for part in list(frame.f_locals.values()) for text in long_texts(part)}:
            givens = self.held.setdefault(text, {})
            givens.setdefault(f"{here}:{code.co_qualname}", self.is_published)
        self.is_published |= code.co_qualname.endswith("landed")

    def given(self, key: str) -> dict[str, bool]:
        """Return the functions that were given a key, alone or inside of something."""
        late = dict[str, bool]()
        for text, givens in self.held.items():
            for name, is_late in givens.items() if key in text else ():
                late[name] = late.get(name, True) and is_late
        return late


def product(frame: FrameType | None) -> str | None:
    """Return the product's file that a frame runs in; None where it is none of its."""
    path = frame.f_code.co_filename.removeprefix(f"{ROOT}/") if frame else ""
    return path if path.split("/")[0] in PRODUCT else None


def callers(frame: FrameType | None) -> Iterator[str]:
    """Yield the product's files on the way to a frame, each turn into another file once."""
    last = None
    while frame:
        here = product(frame)
        if here and here != last:
            yield here
        last, frame = here or last, frame.f_back


def long_texts(part: object, nesting: int = MOST_NESTING) -> Iterator[str]:
    """Yield the long texts and the values that an argument holds."""
    if isinstance(part, Sensitive):
        # One that is being made has no text yet.
        with contextlib.suppress(AttributeError):
            yield part.reveal()
    elif isinstance(part, str) and len(part) >= LONG:
        yield part
    elif nesting and isinstance(part, tuple | list):
        for member in part:
            yield from long_texts(member, nesting - 1)
    elif nesting and dataclasses.is_dataclass(part) and not isinstance(part, type):
        for field in dataclasses.fields(part):
            yield from long_texts(getattr(part, field.name, None), nesting - 1)


async def rotation() -> tuple[Walk, dict[str, bool]]:
    """Rotate a storage key; return what that runs through, and who is given the new key."""
    walk, place = Walk(), PLACES["storage-key"]()
    item = place.rig.item(place.name, version=place.rig.latest(place.name).version)
    service = place.rig.service()
    monitoring = sys.monitoring
    monitoring.use_tool_id(monitoring.PROFILER_ID, "figures")
    monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.PY_START, walk.watch)
    monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.PY_START)
    try:
        await service.rotate(item.to_json(), 1)
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, 0)
        monitoring.free_tool_id(monitoring.PROFILER_ID)
    latest = await service.engine.vaults.read(item.ref)
    value = latest.value.reveal() if latest.value else ""
    key = re.search(r"AccountKey=([^;]+)", value)
    return walk, walk.given(key[1] if key else value)


async def report() -> None:
    """Print the figures."""
    engine, room = sources("engine"), sources("engine/rotation")
    hard = sorted(complexities())
    walk, holders = await rotation()
    late = sum(holders.values())
    print(f"engine: {len(engine)} files, {lines(engine):,} lines")
    print(f"the room that rotates: {len(room)} files, {lines(room):,} lines")
    print(f"classes that hold a cut of what a rotation shares: {contexts()}")
    print(f"a source's state: {len(dataclasses.fields(Record))} fields, {leaves(Record)} leaves")
    print(f"a message: {len(dataclasses.fields(WorkItem))} fields")
    for corner, (pattern, own) in CORNERS.items():
        print(f"files that name {corner} outside its own modules: {naming(pattern, own)}")
    p90 = statistics.quantiles(hard, n=10, method="inclusive")[-1]
    print(f"complexity of a function: p90 {p90:.0f}, at most {hard[-1]}")
    print(
        f"a rotation of a storage key: {len(walk.files)} files, {walk.crossings} calls from file"
        f" to file, {walk.depth} deep"
    )
    print(f"functions that are given the new value: {len(holders)}, {late} once published")


if __name__ == "__main__":
    asyncio.run(report())
