"""Makes every Python with this folder on PYTHONPATH resolve names that end in .localhost.

Resolvers should do so themselves (RFC 6761, section 6.3); glibc's does not. After `eval` of the
simulator's exports, every Python program in that shell reaches it without knowing of it.
"""

from __future__ import annotations

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "loopback.py"))["resolve_localhost"]()
