"""What the RPC shows of staking beyond the registry: expected rewards, and this node's own validators."""

from collections.abc import Sequence

from chain.params import ChainParams
from chain.primitives.units import Millis, Wei
from cli.services.tickets import TicketService
from consensus.staker import expected_rewards
from net.rpc.ports import OwnValidator


class StakingFacts:
    """Adapter of `net.rpc.ports.StakingFacts`; no state of its own."""

    def __init__(self, params: ChainParams, tickets: TicketService) -> None:
        self._params = params
        self._tickets = tickets

    def expected(self, height: int, *, stake: Wei, total: Wei, issued: Wei) -> tuple[float, Wei]:
        """Return (tickets won, wei minted) a day by a stake at a height, in a snapshot of these sums."""
        return expected_rewards(self._params, height, stake=stake, total=total, issued=issued)

    def own(self) -> Sequence[OwnValidator]:
        """Return this node's validators, with their foresight."""
        return [
            OwnValidator(
                validator_key=status.public,
                reward_address=status.reward_address,
                stake=status.stake,
                sent=status.tickets_sent,
                won=status.tickets_won,
                rewards=status.rewards,
                foreseen=[(entry.height, Millis(entry.handicap)) for entry in status.foreseen],
            )
            for status in self._tickets.validators()
        ]
