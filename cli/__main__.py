"""`python -m cli` is `rekey`."""

import sys

from cli.main import run

sys.exit(run())
