"""Where an app's code and packages are, and the environment that its worker starts with."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SIMULATOR = Path(__file__).parents[1]
WORKER_SCRIPT = Path(__file__).parent / "python_worker" / "worker.py"
LOOPBACK_SCRIPT = SIMULATOR / "reach" / "loopback.py"
PACKAGED = Path(".python_packages") / "lib" / "site-packages"
OF_THIS_PROCESS = Path(sysconfig.get_path("purelib"))
# Variables that the platform's image sets for every process. The rest comes with the environment
# reload.
PLATFORM = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class AppFolder:
    """One deployed app: `root` is its wwwroot, `packages` its site-packages."""

    root: Path
    packages: Path

    @classmethod
    def at(cls, root: Path) -> AppFolder:
        """Return the app in a folder.

        Its packages are its own if it ships any, otherwise those of this process.
        """
        root = root.resolve()
        own = root / PACKAGED
        return cls(root, own if own.is_dir() else OF_THIS_PROCESS)


def app_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that reach the app.

    Settings without a value do not (GrpcWorkerChannel, issue 4488).
    """
    return {name: value for name, value in environ.items() if value}


def placeholder_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker before it has an app."""
    platform = {name: environ[name] for name in PLATFORM if name in environ}
    return {**platform, "FUNCTIONS_WORKER_RUNTIME": "python", "WEBSITE_PLACEHOLDER_MODE": "1"}
