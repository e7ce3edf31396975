"""Which processes a devnet has, where each lives and how it is started."""

import sys
from dataclasses import dataclass
from pathlib import Path

from cli.devnet.stakes import STAKES, StakePlan, plan_stake

RENDEZVOUS_PORT = 6369
RPC_PORT = 8545
METRICS_PORT = 9469

PORT_STEP = 10
"""Node i adds this times i to each port (DESIGN section 7)."""

MAX_NODES = 24
"""More processes than this are not pleasant on one machine; the simulator takes over (`mappemonde simulate`)."""

MINERS = 2
"""Nodes 0 and 1 hash."""

STAKING_NODES = 6
"""From this many nodes on, the nodes after the miners stake; smaller devnets are mined alone."""

MINER_RATE = 10
"""Hashes a second of each miner: the devnet's LT_GENESIS is fitted to two of them; a few per cent of a core."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One process of the devnet."""

    index: int
    datadir: Path
    rendezvous_port: int
    rpc_port: int
    metrics_port: int
    reward_address: str
    """Account that this node mines for; empty: it does not mine."""
    stake: StakePlan | None = None
    """What this node stakes with, if it does."""

    @property
    def rpc_url(self) -> str:
        """Address of the node's JSON-RPC."""
        return f"http://127.0.0.1:{self.rpc_port}"

    @property
    def websocket_url(self) -> str:
        """Address of the same over WebSocket."""
        return f"ws://127.0.0.1:{self.rpc_port}/ws"

    @property
    def metrics_url(self) -> str:
        """Address of the node's Prometheus metrics."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    @property
    def log_file(self) -> Path:
        """Where the process's output goes."""
        return self.datadir / "node.log"

    def command(self, bootstrap: str) -> list[str]:
        """Return the command line; `bootstrap` is the URL of node 0, empty for node 0 itself."""
        words = [sys.executable, "-m", "cli.main", "run", "--network", "devnet", "--datadir", str(self.datadir)]
        words += ["--rendezvous-host", "127.0.0.1", "--rendezvous-port", str(self.rendezvous_port)]
        words += ["--rendezvous-url", f"ws://127.0.0.1:{self.rendezvous_port}", "--link-address", "127.0.0.1"]
        words += ["--rpc-port", str(self.rpc_port), "--metrics-port", str(self.metrics_port), "--stop-with-parent"]
        if bootstrap:
            words += ["--bootstrap", bootstrap]
        else:
            words += ["--trust-own-clock"]
        if self.stake is not None:
            words += ["--stake-key", str(self.stake.key_file), "--stake-password-file", str(self.stake.password_file)]
        if self.reward_address:
            words += ["--mine", "--mine-threads", "1", "--mine-rate", str(MINER_RATE)]
            words += ["--reward-address", self.reward_address, "--extra", f"devnet node {self.index}"]
        return words


def plan_devnet(root: Path, nodes: int, port_offset: int, rewards: tuple[str, ...]) -> tuple[NodePlan, ...]:
    """Return the plan of a devnet under `root`; the first nodes mine, one for each reward address.

    With at least `STAKING_NODES` nodes, those after the miners stake.
    """
    stakers = range(len(rewards), len(rewards) + len(STAKES)) if nodes >= STAKING_NODES else range(0)
    return tuple(
        NodePlan(
            index=index,
            datadir=root / f"node-{index}",
            rendezvous_port=RENDEZVOUS_PORT + port_offset + PORT_STEP * index,
            rpc_port=RPC_PORT + port_offset + PORT_STEP * index,
            metrics_port=METRICS_PORT + port_offset + PORT_STEP * index,
            reward_address=rewards[index] if index < len(rewards) else "",
            stake=plan_stake(index - len(rewards), root / f"node-{index}") if index in stakers else None,
        )
        for index in range(nodes)
    )
