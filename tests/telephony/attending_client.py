"""One client that attends a line until it is killed: ``attending_client.py SETTINGS``; JSON: store, clinic, port."""

import asyncio
import json
import sys

import structlog
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.demo.pbx.peer import USER
from identsync.engine.integration import Role
from identsync.engine.loop import Engine
from identsync.engine.loops import new_loop
from identsync.engine.state import Policy
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.task import tasks
from identsync.store import open_store

NAME = "pbx"


def line(port: int) -> Line:
    """Settings of the line."""
    return Line(kind="asterisk", host="127.0.0.1", port=port, user=USER, password="env:TEST_AMI", lease=1_500)


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # our output is read by its first line
    settings = json.loads(sys.argv[1])
    clinic = create_engine(settings["clinic"])
    engine = Engine(
        store=open_store(settings["store"]),
        clinic=ClinicSource(clinic),
        tasks=tasks({NAME: line(settings["port"])}, []),
        role=Role.ADMINISTRATOR,
        branch=1,
        policy=Policy(seat_lease_ms=1_500),
    )
    await engine.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
