"""What may import what: ARCHITECTURE.md's table of rooms, held against every import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "api",
    "bench",
    "cli",
    "cloud",
    "conformance",
    "demo",
    "engine",
    "leaks",
    "rotators",
    "scripts",
    "simulated-azure",
)
SINGLE = ("composition.py", "function_app.py")
type Graph = Mapping[str, frozenset[str]]


def files(root: Path) -> Iterator[str]:
    """Yield the paths of all modules, relative to the root."""
    yield from (name for name in SINGLE if (root / name).exists())
    for folder in FOLDERS:
        for path in (root / folder).rglob("*.py"):
            if not any(part.startswith(".") for part in path.relative_to(root).parts):
                yield path.relative_to(root).as_posix()


@cache
def graph(root: Path) -> Graph:
    """Return which module imports which, wherever in the file, typing-only imports included."""
    modules = {_dotted(path): path for path in files(root)}
    return {path: frozenset(_imported(root, path, modules)) - {path} for path in modules.values()}


def _dotted(path: str) -> str:
    return (
        path.removeprefix("simulated-azure/")
        .removesuffix(".py")
        .removesuffix("/__init__")
        .replace("/", ".")
    )


def _imported(root: Path, path: str, modules: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(ast.parse((root / path).read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            if target := modules.get(name) or modules.get(name.rpartition(".")[0]):
                yield target
            elif name.split(".")[0] == "tests":
                yield "tests/"


def contract(page: str) -> dict[str, frozenset[str]]:
    """Read the table: each room with those that it may import."""
    rows = re.findall(r"^\| `([\w/.-]+)` \|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    return {room: frozenset(re.findall(r"`([\w/.-]+)`", allowed)) for room, allowed in rows}


def room_of(path: str, rooms: Mapping[str, frozenset[str]]) -> str:
    """Return the room with the longest path that holds the file; "tests/" is one without a row."""
    matches = [
        room
        for room in (*rooms, "tests/")
        if path == room or (room.endswith("/") and path.startswith(room))
    ]
    assert matches, f"{path} is in no room of ARCHITECTURE.md's table"
    return max(matches, key=len)


def forbidden(imports: Graph, rooms: Mapping[str, frozenset[str]]) -> set[tuple[str, str]]:
    """Return the imports that the table does not allow."""
    return {
        (path, target)
        for path, targets in imports.items()
        for target in targets
        if not _allowed(room_of(path, rooms), room_of(target, rooms), rooms)
    }


def _allowed(source: str, target: str, rooms: Mapping[str, frozenset[str]]) -> bool:
    """Return whether a room may import another; `engine/` means all its rooms but inside of it."""
    if source == target or target in rooms[source]:
        return True
    return not source.startswith("engine/") and any(
        target.startswith(room) for room in rooms[source] if room.endswith("/")
    )


def circle(imports: Graph) -> list[str]:
    """Return the modules of a circle of imports; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


ROOMS = contract((ROOT / "ARCHITECTURE.md").read_text())
PICTURE = ROOT / "docs" / "images" / "rooms.svg"


def test_every_import_is_one_that_the_table_of_rooms_allows() -> None:
    imports = graph(ROOT)
    assert len(imports) > 200
    surplus = sorted(forbidden(imports, ROOMS))
    assert not surplus, "move what is shared to a room below both: " + "; ".join(
        map(" -> ".join, surplus)
    )


def test_every_room_of_the_table_exists_and_names_rooms_that_do() -> None:
    assert len(ROOMS) > 15
    for room in {*ROOMS, *(room for allowed in ROOMS.values() for room in allowed)}:
        assert (ROOT / room).exists(), room


def test_the_picture_has_every_room_of_the_product_and_the_engines_in_their_order() -> None:
    drawn = re.findall(r"<text [^>]*>(.+)</text>", PICTURE.read_text())
    boxes, chain = set(drawn[2:-1]), re.split(r" → |, ", drawn[-1])
    rooms = {room.partition("/")[0].removesuffix(".py") for room in ROOMS}
    assert boxes == rooms - {"scripts", "simulated-azure", "demo", "bench"}
    paths = [next(_room(part)) for part in chain]
    inner = {room for room in ROOMS if room.startswith("engine/")} - {"engine/policy/"}
    assert {room_of(path, ROOMS) for path in paths} == inner
    steps = {(room_of(above, ROOMS), room_of(below, ROOMS)) for above, below in pairwise(paths)}
    assert not [step for step in steps if not _allowed(*step, ROOMS)]


def _room(name: str) -> Iterator[str]:
    """Yield the path of a room or a module of the engine."""
    places = (ROOT / "engine" / ending for ending in (f"{name}/__init__.py", f"{name}.py"))
    return (place.relative_to(ROOT).as_posix() for place in places if place.exists())


def test_the_rooms_themselves_form_no_circle() -> None:
    assert not circle({room: allowed - {room} for room, allowed in ROOMS.items()})


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    assert not circle(graph(ROOT))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/state/tags.py", "from engine.planning import decision"),
        ("engine/errors.py", "import cloud.azure"),
        ("api/app.py", "def late():\n    from cloud.azure import Azure"),
        ("simulated-azure/simulator/world.py", "from engine.errors import RekeyError"),
        ("cloud/azure.py", "from rotators.registry import build"),
        ("composition.py", "from simulator.world import World"),
    ],
)
def test_an_import_against_the_table_is_found(tmp_path: Path, path: str, text: str) -> None:
    for target in (
        "engine/planning/decision.py",
        "cloud/azure.py",
        "engine/errors.py",
        "rotators/registry.py",
        "simulated-azure/simulator/world.py",
    ):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / target).touch()
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert [source for source, _ in forbidden(graph(tmp_path), ROOMS)] == [path]


def test_a_circle_of_two_is_found() -> None:
    assert circle({"a": frozenset({"b"}), "b": frozenset({"a"})})
