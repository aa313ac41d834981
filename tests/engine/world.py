"""What a seed draws: how many clients of which roles, and how the world treats them."""

import random
from dataclasses import dataclass, fields, replace

from identsync.engine.integration import Role
from identsync.engine.state import Policy, Spec

POLICY = Policy(
    seat_lease_ms=3_000, error_cap_ms=4_000, answer_ms=8_000, cancel_grace_ms=1_500, finish_grace_ms=500,
    backoff_cap_ms=24_000,
)  # fmt: skip
SEAT_LEASE_MS = 3_000
BASE_MS = 1_700_000_000_000  # what the database's clock says when the world begins
CROWD = 2_000  # one seed in so many has 2,000 clients


@dataclass(frozen=True)
class World:
    """Rates per second and client, per second, per statement, per run; a rate of 0 is a world without that fault."""

    branches: int = 2
    clients: int = 8
    seconds: int = 110
    calm: int = 60  # nothing bad happens in the last seconds
    deserted: float = 0.3  # share of the branches that have no administrator in the calm
    old: float = 0.0  # share of the clients that speak an older protocol
    start_ms: int = 3_000  # all start within this
    pace: int = 0  # clients' clocks run up to so many per mille fast or slow
    roles: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.ADMINISTRATOR, Role.DIRECTOR, Role.DOCTOR)
    # per second and client
    kill: float = 0.004
    leave: float = 0.004
    pause: float = 0.004
    suspend: float = 0.002
    block: float = 0.004
    sicken: float = 0.003
    poison: float = 0.001
    lack: float = 0.002
    # per second
    restart: float = 0.01
    read_only: float = 0.006
    jump: float = 0.01
    desert: float = 0.01
    poke: float = 0.1
    hold: float = 0.02
    restore: float = 0.004
    # per statement
    lose: float = 0.02
    double: float = 0.02
    slow: float = 0.01
    torn: float = 0.005
    # per run
    hang: float = 0.02
    stubborn: float = 0.02
    fail: float = 0.1
    retry: float = 0.05


FAULTS = (
    "kill", "leave", "pause", "suspend", "block", "sicken", "poison", "restart", "read_only", "jump", "desert",
    "poke", "hold", "lose", "double", "slow", "torn", "hang", "stubborn", "fail", "retry",
    "restore", "lack",
)  # fmt: skip
QUIET = replace(World(), deserted=0.0, **dict.fromkeys(FAULTS, 0.0))
assert {field.name for field in fields(World)} >= set(FAULTS)


def drawn(seed: int) -> World:
    """The world of a seed: every fault is there or not, mild or harsh, so that all their mixtures are met."""
    chance = random.Random(seed ^ 0x5EED)
    rates = {name: getattr(World, name) * chance.choice((0, 0, 1, 4)) for name in FAULTS}
    world = World(
        branches=chance.randint(1, 3), clients=chance.randint(2, 12), deserted=chance.choice((0.0, 0.5)),
        old=chance.choice((0.0, 0.0, 0.0, 0.3)), pace=chance.choice((0, 30)), **rates,
    )  # fmt: skip
    if seed % CROWD == CROWD - 1:
        return replace(world, branches=40, clients=2_000)
    return replace(world, branches=4, clients=120) if seed % 100 == 50 else world


def specs(branch: int, proto: int = 1) -> list[Spec]:
    """The tasks of a client: three of its branch, one of the network."""
    return [
        Spec("quick", branch, 4_000, 3_000, 6_000, proto),
        Spec("twin", branch, 4_000, 2_000, 5_000, proto),
        Spec("slow", branch, 12_000, 4_000, 8_000, proto),
        Spec("network", 0, 8_000, 3_000, 6_000, proto),
    ]
