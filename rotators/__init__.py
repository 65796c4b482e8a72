"""One file per kind of credential, and the registry, which reads the kinds from these files."""

from __future__ import annotations

import pkgutil

KINDS = tuple(
    module.name.replace("_", "-")
    for module in pkgutil.iter_modules(__path__)
    if not module.ispkg and module.name != "registry"
)
"""The kinds, by the names of their files: to know the names, no kind is imported."""
