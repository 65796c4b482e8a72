"""A worker process starts here, like `worker.py` in the real one's folder.

It sets the path and runs `proxy_worker`.

It runs in a bare interpreter (-I -S): no site-packages, no .pth files, nothing from its working
folder.
"""

import runpy
import sys
from pathlib import Path

WORKER_FOLDER = Path(__file__).parent

if __name__ == "__main__":
    sys.path.insert(0, str(WORKER_FOLDER))
    runpy.run_module("proxy_worker", run_name="__main__", alter_sys=True)
