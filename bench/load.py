"""Start a function app as Flex Consumption does: a placeholder gets environment and app."""

import asyncio
import os
import sys
from pathlib import Path

from simulator.host.app_folder import AppFolder
from simulator.host.worker import Worker


async def load(folder: Path) -> None:
    """Start the worker, end it, and print the number of functions."""
    worker = await Worker.specialise(AppFolder.at(folder), os.environ)
    worker.process.kill()
    await worker.process.gone()
    print(len(worker.functions), "functions")


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1])))
