"""Where a worker process begins, as `worker.py` does in the folder of the real one.

Set the path, run `proxy_worker`.

It runs in a bare interpreter (-I -S): no site-packages, no .pth files, nothing of the folder that
it starts in.
"""

import runpy
import sys
from pathlib import Path

WORKER_FOLDER = Path(__file__).parent

if __name__ == "__main__":
    sys.path.insert(0, str(WORKER_FOLDER))
    runpy.run_module("proxy_worker", run_name="__main__", alter_sys=True)
