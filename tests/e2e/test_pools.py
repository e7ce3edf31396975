"""A transaction that waits while nobody mines reaches a node that joins after it was published."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chain.primitives.units import Address
from tests.helpers.processes import NodeProcess, wait_for
from tests.helpers.transactions import DEVNET_KEYS, sign

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RECEIVER = Address(bytes.fromhex("c0ffee" * 6 + "beef"))
SENT = 5
GAINED = "mappemonde_exchange_gained_pool_transactions_total"
ASKED = "mappemonde_exchange_asked_pools_total"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[NodeProcess]]:
    """Return two linked nodes that do not mine, and a third that has not been started."""
    with ExitStack() as stack:
        first = NodeProcess(tmp_path / "first", "--trust-own-clock")
        join = ("--bootstrap", first.bootstrap_url)
        others = [NodeProcess(tmp_path / name, *join) for name in ("second", "late")]
        for node in (first, others[0]):
            node.start()
            stack.callback(node.stop)
        yield [first, *others]
        if others[1].running():
            others[1].stop()


def linked(node: NodeProcess, count: int) -> bool:
    """Tell whether a node has so many listed links."""
    peers = node.ask("mappemonde_peers")
    return isinstance(peers, list) and [peer["kind"] for peer in peers] == ["listed"] * count


def waits_at(node: NodeProcess, tx_hash: str) -> bool:
    """Tell whether a node knows a transaction that no block has."""
    found = node.ask("eth_getTransactionByHash", tx_hash)
    return isinstance(found, dict) and found["blockNumber"] is None


def test_a_joiner_learns_what_waited_before_it_came(nodes: list[NodeProcess]) -> None:
    """Published before it was there, shown by its RPC, without a block and before anybody publishes again."""
    first, second, late = nodes
    wait_for("a link", lambda: linked(first, 1) and linked(second, 1), 60)
    sent = [sign(DEVNET_KEYS[0], to=RECEIVER, nonce=nonce, value=1) for nonce in range(SENT)]
    names = [str(first.rpc.call("eth_sendRawTransaction", "0x" + signed.tx.raw.hex())) for signed in sent]
    wait_for("the relay", lambda: all(waits_at(second, name) for name in names), 30)
    late.start()
    wait_for("what waits is at the joiner", lambda: all(waits_at(late, name) for name in names), 90)
    metrics = late.metrics()
    assert metrics[GAINED] == SENT
    assert metrics[ASKED] >= 1
    assert late.height() == 0
    assert int(str(late.ask("eth_getTransactionCount", "0x" + sent[0].sender.hex(), "pending")), 16) == SENT
