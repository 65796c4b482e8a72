"""The order of sys.path, as in the real worker (utils/dependency.py).

A placeholder sees only the worker's folder. With an app, the order is: the app's packages, the
worker's folder, the standard library, and the app's own folder LAST. A package therefore wins over
an app module of the same name.
"""

from __future__ import annotations

import sys
from types import ModuleType


def prioritize_customer_dependencies(packages: str, worker_folder: str, app_root: str) -> None:
    """Set sys.path for an app, and forget the placeholder's imports."""
    kept = [path for path in sys.path if path not in (packages, worker_folder, app_root)]
    sys.path[:] = [packages, worker_folder, *kept, app_root]
    sys.path_importer_cache.clear()
    _forget_modules_of(worker_folder)


def _forget_modules_of(folder: str) -> None:
    for name, module in list(sys.modules.items()):
        if not name.startswith(("proxy_worker", "__main__")) and _comes_from(module, folder):
            del sys.modules[name]


def _comes_from(module: ModuleType, folder: str) -> bool:
    # Either attribute may be missing or read-only: namespace packages have no file, modules no
    # path.
    places = [*(getattr(module, "__path__", None) or ()), getattr(module, "__file__", None) or ""]
    return any(str(place).startswith(folder) for place in places)
