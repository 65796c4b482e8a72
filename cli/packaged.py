"""What the installed package `rekey_keyvault` is.

It puts the app's modules on the path of its process, and starts. They import each other by their
own names (`cli`, `engine`, `cloud`), which are too common to lie in site-packages.
"""

from __future__ import annotations

import os
import sys


def run() -> int:
    """Run as the installed command."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "app"))  # noqa: PTH118, PTH120 - pathlib takes 10 ms
    from cli.main import run as start

    return start()
