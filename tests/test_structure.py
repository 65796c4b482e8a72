"""What the folders promise: the engine knows no cloud, and the triggers hold no logic."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.figures import complexities
from cloud.azure import Azure
from cloud.clock import SystemClock
from engine.errors import ConfigError, PermanentError, RekeyError, TransientError
from rotators import registry
from rotators.storage_key import StorageKey
from simulator.reach.transport import SimulatedCredential
from tests.shared.rig import Rig
from tests.test_rooms import files

ROOT = Path(__file__).parents[1]
PRODUCTION = (
    "engine",
    "leaks",
    "rotators",
    "api",
    "cloud",
    "cli",
    "composition.py",
    "function_app.py",
)


def sources(*places: str) -> list[Path]:
    return [
        path
        for place in places
        for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]


@cache
def imports(path: Path) -> Sequence[str]:
    """Return the modules that a file imports, wherever in it, typing-only ones included."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            modules += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return modules


def importing(places: Sequence[str], *modules: str) -> list[str]:
    """Return which files import one of these modules, or what is in it."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(*places)
        for name in imports(path)
        if any(name == module or name.startswith(f"{module}.") for module in modules)
    ]


SDKS = ("azure", "aiohttp", "mssql_python")


HEAVY = ("azure.mgmt", "azure.storage", "azure.monitor", "mssql")
FORBIDDEN: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "the engine knows no Azure SDK and nothing of cloud": (
        ("engine", "leaks"),
        (*SDKS, "cloud", "opentelemetry", "simulator"),
    ),
    "the HTTP API knows no Azure SDK and no Functions runtime": (("api",), SDKS),
    "a rotator knows nothing of vaults, queues and leases": (
        ("rotators",),
        (
            "azure.keyvault",
            "azure.storage.queue",
            "cloud.vaults",
            "cloud.storage.queues",
            "cloud.storage.leases",
            "engine.rotation.controller",
        ),
    ),
}


INNER = ("engine.planning", "engine.rotation", "engine.sweep", "engine.follow_up")
BEHIND_THE_DOORS = {
    "shared/builders.py": "the one door to what is decided: the answers, and what is asked",
    "engine/rotation/held.py": "the one door to the steps of a rotation, under a lease",
    "engine/rotation/test_proof.py": "a proof is paused in mid-air, which no port can do",
    "engine/planning/test_forecast.py": "what is foreseen, a pure function of listings",
    "engine/state/test_index.py": "which retirement is believed, the tag's or the record's",
    "engine/sweep/test_cut_off.py": "when an incident is over, from records alone",
    "engine/sweep/test_pace.py": "ten thousand starts in every window of time",
    "engine/follow_up/test_notices.py": "the moments at which people are told, hour by hour",
    "engine/follow_up/test_consumers.py": "shortens the twenty seconds that an app may be silent",
    "engine/follow_up/test_silent_app.py": "shortens them, too",
}
"""The only tests beside the proof that name modules behind the engine's doors, each with why."""


def test_tests_speak_through_the_doors_of_the_engine() -> None:
    """Service, ports, contract, errors, secret, state and policy: what is behind may be built anew."""
    naming = {
        line.partition(" imports ")[0].removeprefix("tests/")
        for line in importing(("tests",), *INNER)
        if not line.startswith("tests/proof/")
    }
    assert naming == set(BEHIND_THE_DOORS), "use the doors, or say here why not"


def test_the_api_and_the_command_line_speak_to_the_engine_through_its_doors_alone() -> None:
    rooms = ("api", "cli", "cloud", "conformance", "bench", "demo", "composition.py")
    naming = importing(rooms, *INNER)
    assert not naming, "give the engine's service, or engine/engine.py, a method for it"


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_a_room_imports_nothing_that_it_must_not_know(rule: str) -> None:
    places, modules = FORBIDDEN[rule]
    assert len(sources(*places)) > 10
    assert importing(places, *modules) == []


def test_heavy_sdks_load_when_first_used() -> None:
    """A module-level import of one of these would be paid at every cold start."""
    for path in sources(*PRODUCTION):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = [name for name in names if name.startswith(HEAVY)]
            assert not heavy, f"{path} imports {heavy} at once"


def test_the_trigger_file_is_short() -> None:
    assert len((ROOT / "function_app.py").read_text().splitlines()) < 120


def test_two_rotators_of_one_kind_are_refused() -> None:
    rig = Rig()
    azure = Azure(SimulatedCredential(rig.world, rig.identity))
    with pytest.raises(ValueError, match="share a kind"):
        registry.build(azure, SystemClock(), (StorageKey, StorageKey))


WITHOUT_VALUES = tuple(f"engine/{room}" for room in ("planning", "state", "sweep", "follow_up"))
COMPARING_VALUES = {
    "engine/state/record.py": "recognises a version by the keyed digest of its value",
    "engine/follow_up/notices.py": "signs events with a key that a secret holds",
}


def test_what_decides_and_tells_sees_no_value() -> None:
    """A plan, a listing or a text takes a `Version`, which has none: mypy refuses `.value` of it."""
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in sources(*WITHOUT_VALUES)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.alias) and node.name == "SecretVersion")
        or (isinstance(node, ast.Attribute) and node.attr == "value")
    }
    assert naming == set(COMPARING_VALUES), "take a Version, or say here why not"


def test_every_error_says_what_where_and_the_fix() -> None:
    for kind in (RekeyError, PermanentError, TransientError):
        assert str(kind("it broke", where="here", fix="mend it")) == "it broke (here). Fix: mend it"
    assert "2 wrong setting(s)" in str(ConfigError(["a", "b"]))


LONGEST_LINE, MOST_LINES, MOST_COMPLEX = 100, 40, 12
USUAL_COMPLEX = 7
"""What nine in ten functions have at most."""
MOST_LONG = 0.005
"""The share of lines that may be longer: URLs and answers of Azure cannot always be wrapped."""
NO_NAMES = {"found", "each", "one", "asked", "told", "given", "wanted", "taken", "said"}
"""Names that say that there is something, and not what it is."""
type Function = ast.FunctionDef | ast.AsyncFunctionDef


CHANGES = tuple(
    f"{rotator}.{change}"
    for rotator in ("rotator", "_rotator_of(at)")
    for change in ("issue", "tidy", "retire", "undo")
)


BOUNDS = (".changing(", ".sending(")


def unbounded(text: str) -> list[str]:
    """Return the calls that change a source outside `changing` or `sending`, while its lease may end.

    A key makes a credential without a call.
    """
    tree = ast.parse(text)
    bounded = {
        part
        for block in ast.walk(tree)
        if isinstance(block, ast.AsyncWith)
        and any(call in ast.unparse(item) for item in block.items for call in BOUNDS)
        for part in ast.walk(block)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node not in bounded]
    changing = [ast.unparse(call) for call in calls if ast.unparse(call.func).endswith(CHANGES)]
    return [call for call in changing if "keyed" not in call]


def test_a_source_is_changed_only_while_its_lease_is_certain_to_last() -> None:
    assert [call for path in sources("engine") for call in unbounded(path.read_text())] == []
    assert unbounded("await rotator.tidy(source)") == ["rotator.tidy(source)"]


def all_files() -> Iterator[Path]:
    """Yield all Python files of the repository, those of tools' environments left out."""
    yield from (ROOT / name for name in files(ROOT))
    yield from (ROOT / "tests").rglob("*.py")


@lru_cache(maxsize=1)
def functions(text: str) -> Sequence[Function]:
    """Return all functions of a file; what is asked of one file in a row reads it once."""
    nodes = ast.walk(ast.parse(text))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def overlong(text: str) -> list[str]:
    """Return the functions with more than forty lines."""
    return [
        node.name
        for node in functions(text)
        if (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES
    ]


def nameless(text: str) -> list[str]:
    """Return the functions with a local or an argument that is not named for what it is."""
    return [
        function.name
        for function in functions(text)
        if any(
            (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NO_NAMES)
            or (isinstance(node, ast.arg) and node.arg in NO_NAMES)
            for node in ast.walk(function)
        )
    ]


class Limits(NamedTuple):
    """What of a file is held against the limits of functions."""

    overlong: Sequence[str]
    nameless: Sequence[str]
    functions: int


@pytest.fixture(scope="module")
def limits() -> Mapping[str, Limits]:
    """All files, each of which takes long to read."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in all_files()}
    return {
        path: Limits(overlong(text), nameless(text), len(functions(text)))
        for path, text in texts.items()
    }


def test_no_function_is_longer_than_forty_lines(limits: Mapping[str, Limits]) -> None:
    assert not {path: of.overlong for path, of in limits.items() if of.overlong}


def room_of(path: Path) -> str:
    """Return the folder at the top that holds a file; of tests and simulator, the one below it."""
    parts = path.relative_to(ROOT).parts
    return "/".join(
        parts[: 2 if parts[0] in ("tests", "simulated-azure") and len(parts) > 2 else 1]
    )


def test_nearly_all_lines_have_at_most_a_hundred_characters() -> None:
    """In every room, and in every folder of the tests."""
    lines: dict[str, list[bool]] = {}
    for path in all_files():
        room = lines.setdefault(room_of(path), [])
        room += [len(line) > LONGEST_LINE for line in path.read_text().splitlines()]
    shares = {room: sum(is_long) / len(is_long) for room, is_long in lines.items()}
    assert not {room: share for room, share in shares.items() if share > MOST_LONG}


def test_locals_are_named_for_what_they_are(limits: Mapping[str, Limits]) -> None:
    """Fewer than one function in a hundred has a local that is called `found` or the like."""
    total = sum(of.functions for of in limits.values())
    assert sum(len(of.nameless) for of in limits.values()) < total / 100


def test_no_function_of_the_engine_forks_too_often_to_be_followed() -> None:
    forks = sorted(complexities())
    assert forks[-1] <= MOST_COMPLEX
    assert forks[9 * len(forks) // 10] <= USUAL_COMPLEX


def defined(text: str) -> Iterator[str]:
    """Yield the public classes, aliases and constants that a module defines."""
    for node in ast.parse(text).body:
        shape = node.name if isinstance(node, ast.ClassDef | ast.TypeAlias) else None
        assigned = getattr(node, "targets", [getattr(node, "target", None)])
        names = [
            shape,
            *(part for target in assigned for part in getattr(target, "elts", [target])),
        ]
        texts = (getattr(name, "id", name) for name in names)
        yield from (text for text in texts if isinstance(text, str) and text[0].isupper())


def test_a_name_of_the_engine_means_one_thing() -> None:
    """No two of its modules define a class, an alias or a constant of one name."""
    texts = [path.read_text() for path in sources("engine")]
    names = [name for text in texts for name in {*defined(text)}]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_what_breaks_a_limit_is_found() -> None:
    text = "class A: ...\nB, C = 1, 2\nD: int = 3\ntype E = int\nf = _G = 4\ndef H(): ..."
    assert [*defined(text)] == ["A", "B", "C", "D", "E"]
    assert overlong("def f():\n" + "    x = 1\n" * 40) == ["f"]
    assert overlong("def f():\n" + "    x = 1\n" * 39) == []
    assert nameless("def f(rows):\n    return [each for each in rows]") == ["f"]
    assert nameless("def f(found):\n    return lambda row: row") == ["f"]
    assert nameless("def f(rows):\n    return [row for row in rows]") == []
