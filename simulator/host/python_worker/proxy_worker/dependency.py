"""Whose packages an import finds, as the real worker arranges it (utils/dependency.py).

As a placeholder the worker sees its own folder alone. With an app: the app's packages first, the
worker's folder beneath them, the standard library, and the app's own folder LAST, so that a package
with a module of the same name wins over it.
"""

from __future__ import annotations

import sys
from types import ModuleType


def prioritize_customer_dependencies(packages: str, worker_folder: str, app_root: str) -> None:
    """Arrange sys.path for an app, and forget what the placeholder has imported."""
    kept = [path for path in sys.path if path not in (packages, worker_folder, app_root)]
    sys.path[:] = [packages, worker_folder, *kept, app_root]
    sys.path_importer_cache.clear()
    _forget_modules_of(worker_folder)


def _forget_modules_of(folder: str) -> None:
    for name, module in list(sys.modules.items()):
        if not name.startswith(("proxy_worker", "__main__")) and _comes_from(module, folder):
            del sys.modules[name]


def _comes_from(module: ModuleType, folder: str) -> bool:
    # Neither attribute is sure to be there, nor to be set: namespace packages have no file, modules
    # no path.
    places = [*(getattr(module, "__path__", None) or ()), getattr(module, "__file__", None) or ""]
    return any(str(place).startswith(folder) for place in places)
