"""Load one function app through Microsoft's worker, as the Functions host does at a cold start, and end."""

import asyncio
import sys
from pathlib import Path

from simulator.host.worker import Worker

worker = asyncio.run(Worker.start(Path(sys.argv[1])))
print(len(worker.functions), "functions")
