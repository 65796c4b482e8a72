"""Whatever Python starts with this folder on PYTHONPATH resolves names that end in .localhost.

A resolver should do so by itself (RFC 6761, section 6.3); glibc's does not. So a shell that has taken over
the simulator's exports reaches it with any program, and no program needs to know of the simulator.
"""

from __future__ import annotations

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "loopback.py"))["resolve_localhost"]()
