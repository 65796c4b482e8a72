"""The smallest app that could do the job: what any rotation app imports, and nothing else."""

import azure.functions as func
import azure.identity
import azure.keyvault.secrets.aio

app = func.FunctionApp()
imported = (azure.identity, azure.keyvault.secrets.aio)


@app.timer_trigger("timer", "0 0 * * * *")
async def tick(timer: func.TimerRequest) -> None:
    """Do nothing."""
    del timer
