"""Start one function app as Flex Consumption does.

A placeholder that gets the environment and the app; then end.
"""

import asyncio
import os
import sys
from pathlib import Path

from simulator.host.app_folder import AppFolder
from simulator.host.worker import Worker


async def load(folder: Path) -> None:
    """Start the worker, end it, and print how many functions there are."""
    worker = await Worker.specialise(AppFolder.at(folder), os.environ)
    worker.process.kill()
    await worker.process.gone()
    print(len(worker.functions), "functions")


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1])))
