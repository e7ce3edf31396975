"""How mining goes on this node: its own threads, and the workers of a farm behind it."""

from net.rpc.chain_facts import mining_json
from net.rpc.encoding import Json
from net.rpc.kinds import QUANTITY_SCHEMA
from net.rpc.methods.results import INTEGER, NUMBER, TEXT, array_of, nullable, record
from net.rpc.registry import Method
from net.rpc.services import Services

WORKER = record(
    "worker",
    name=TEXT,
    shares=INTEGER,
    blocks=INTEGER,
    stale=INTEGER,
    refused=INTEGER,
    lastSeen=INTEGER,
    hashRate=NUMBER,
)

MINING = record(
    "mining",
    state=TEXT,
    number=QUANTITY_SCHEMA,
    hashRate=NUMBER,
    workersHashRate=NUMBER,
    hashes=INTEGER,
    bestTime=nullable(INTEGER),
    published=INTEGER,
    templates=INTEGER,
    workers=array_of(WORKER),
)


def mining_state_methods(services: Services) -> list[Method]:
    """Return the method that tells how mining goes."""

    def mining() -> Json:
        work = services.parts.mining
        return None if work is None else mining_json(work.state())

    return [
        Method(
            "mappemonde_mining",
            "State, hash rate, best block to come, and the workers' shares; null without a reward address",
            (),
            nullable(MINING),
            mining,
        )
    ]
