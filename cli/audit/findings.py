"""The outcome of an audit, shown to people and scripts."""

from dataclasses import dataclass

from chain.primitives.units import Wei
from cli.audit.supply import Audit, expect
from cli.wallet.amounts import format_coins


@dataclass(frozen=True, slots=True)
class Findings:
    """The recomputed sums and what they were compared with."""

    audit: Audit
    balances: Wei
    """Sum of all balances in the state after the last block."""
    accounts: int
    """How many accounts that sum has."""
    registry_issued: Wei
    """What the staking account's storage counts as issued: a part of consensus."""
    recorded_total: Wei
    """Issued less burnt by the node's own record."""

    def check(self) -> None:
        """Compare everything to the wei. Raises `AuditFailed`."""
        audit = self.audit
        expect(f"all balances at block {audit.height}, wei", audit.total, self.balances)
        expect(f"coins issued by the registry at block {audit.height}, wei", audit.issued, self.registry_issued)
        expect(f"the node's supply record at block {audit.height}, wei", audit.total, self.recorded_total)

    def as_json(self) -> dict[str, object]:
        """Return the findings for scripts; wei as decimal texts."""
        audit = self.audit
        return {
            "blockNumber": audit.height,
            "blockHash": "0x" + audit.block_id.hex(),
            "tickets": audit.tickets,
            "premineWei": str(audit.premine),
            "subsidiesWei": str(audit.subsidies),
            "ticketRewardsWei": str(audit.ticket_rewards),
            "issuedWei": str(audit.issued),
            "burntWei": str(audit.burnt),
            "totalWei": str(audit.total),
            "balancesWei": str(self.balances),
            "accounts": self.accounts,
            "exact": True,
        }

    def lines(self) -> list[str]:
        """Return the findings for people."""
        audit = self.audit
        return [
            f"blocks 1 to {audit.height}, {audit.tickets} with a ticket, head 0x{audit.block_id.hex()}",
            f"  premine         {format_coins(audit.premine)}",
            f"+ subsidies       {format_coins(audit.subsidies)}",
            f"+ ticket rewards  {format_coins(audit.ticket_rewards)}",
            f"= issued          {format_coins(audit.issued)}, as the registry says",
            f"- burnt           {format_coins(audit.burnt)}",
            f"= total           {format_coins(audit.total)}",
            f"  balances        {format_coins(self.balances)} in {self.accounts} accounts: exact to the wei",
        ]
