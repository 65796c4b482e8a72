"""What the folders promise: the engine knows no cloud, production knows no simulator, the triggers hold no logic."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.azure import Azure
from cloud.clock import SystemClock
from engine.errors import ConfigError, PermanentError, RekeyError, TransientError
from rotators import registry
from rotators.storage_key import StorageKey
from simulator.reach.transport import SimulatedCredential
from tests.shared.rig import Rig

ROOT = Path(__file__).parents[1]
PRODUCTION = ("engine", "rotators", "api", "cloud", "cli", "composition.py", "function_app.py")


def sources(*places: str) -> list[Path]:
    return [
        path
        for place in places
        for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it, typing-only ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", sources("engine"), ids=lambda path: path.name)
def test_the_engine_imports_no_azure_sdk_and_nothing_of_cloud(path: Path) -> None:
    forbidden = ("azure", "cloud", "opentelemetry", "aiohttp", "mssql_python", "simulator")
    assert not [name for name in imports(path) if name.split(".")[0] in forbidden]


@pytest.mark.parametrize("path", sources("api"), ids=lambda path: path.name)
def test_the_http_api_imports_neither_an_azure_sdk_nor_the_functions_runtime(path: Path) -> None:
    assert not [
        name for name in imports(path) if name.split(".")[0] in ("azure", "aiohttp", "mssql_python")
    ]


@pytest.mark.parametrize(
    "path", sources(*PRODUCTION), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_production_code_never_imports_the_simulator_or_the_tests(path: Path) -> None:
    assert not [
        name for name in imports(path) if name.split(".")[0] in ("simulator", "tests", "bench")
    ]


@pytest.mark.parametrize("path", sources("rotators"), ids=lambda path: path.name)
def test_a_rotator_knows_nothing_of_vaults_queues_and_leases(path: Path) -> None:
    forbidden = (
        "azure.keyvault",
        "azure.storage.queue",
        "cloud.vaults",
        "cloud.storage.queues",
        "cloud.storage.leases",
        "engine.rotate.run",
    )
    assert not [name for name in imports(path) if name.startswith(forbidden)]


def test_heavy_sdks_load_when_first_used() -> None:
    """A module-level import of one of these would be paid at every cold start."""
    for path in sources(*PRODUCTION):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = [
                name
                for name in names
                if name.startswith(("azure.mgmt", "azure.storage", "azure.monitor", "mssql"))
            ]
            assert not heavy, f"{path} imports {heavy} at once"


def test_the_trigger_file_is_short() -> None:
    assert len((ROOT / "function_app.py").read_text().splitlines()) < 120


def test_two_rotators_of_one_kind_are_refused() -> None:
    rig = Rig()
    azure = Azure(SimulatedCredential(rig.world, rig.identity))
    with pytest.raises(ValueError, match="share a kind"):
        registry.build(azure, SystemClock(), (StorageKey, StorageKey))


def test_every_error_says_what_where_and_the_fix() -> None:
    for kind in (RekeyError, PermanentError, TransientError):
        assert str(kind("it broke", where="here", fix="mend it")) == "it broke (here). Fix: mend it"
    assert "2 wrong setting(s)" in str(ConfigError(["a", "b"]))
