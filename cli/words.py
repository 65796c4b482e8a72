"""Words of the command line that the app defines elsewhere.

They are written here a second time because their own modules take longer to import than `rekey
--help` may take
altogether. A test holds both together.
"""

from __future__ import annotations

STATES = ("ok", "due", "overdue", "parked", "drifted", "dropped", "disabled", "unmanaged")
ATTENTION = "attention"
SCANNERS = ("github", "gitleaks", "trufflehog")
LINES = "lines"
VERBS = ("rotate", "retire", "restore", "unpark")
MOST_WAIT = 120
MAX_REASON, MAX_PATH = 200, 4096
STAMP = "%Y-%m-%dT%H:%M:%SZ"
OUTPUTS = ("table", "json", "tsv", "csv")
SHELLS = ("bash", "zsh", "fish")
