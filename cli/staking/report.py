"""The report of `stake status`: stakes, when they count, what they may expect, and what their tickets won."""

from collections.abc import Sequence
from dataclasses import dataclass

from chain.genesis import load_genesis
from chain.params import ChainParams
from chain.primitives.units import Address, Wei
from cli.rpc_client import RpcClient, RpcRefused, as_list, as_object, integer, quantity
from cli.staking.holdings import Holding, fetch_holding
from cli.staking.tally import Earned, fetch_heads, tally
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.amounts import format_coins
from cli.wallet.transactions import check_chain, network_of

VALIDATORS_PAGE = 256
"""Validators asked for at once."""

MOST_OWNERS = 100_000
"""Stakes of a chain that are asked for: each is a call more."""

NOTHING = Earned(0, Wei(0))


@dataclass(frozen=True, slots=True)
class Report:
    """Stakes at one head."""

    params: ChainParams
    height: int
    counted: int
    """Blocks in which tickets were counted."""
    holdings: tuple[Holding, ...]
    earned: dict[str, Earned]
    """By validator key."""
    own: tuple[dict[str, object], ...]
    """The node's own validators as it tells its operator; empty without the token."""

    def of(self, holding: Holding) -> Earned:
        """Return what the tickets of a stake won in the counted blocks."""
        return self.earned.get(holding.validator_key or "", NOTHING)

    def as_json(self) -> dict[str, object]:
        """Return the report for scripts; wei as decimal texts."""
        return {
            "blockNumber": self.height,
            "countedBlocks": self.counted,
            "stakes": [self._stake_json(holding) for holding in self.holdings],
            "ownValidators": list(self.own),
        }

    def _stake_json(self, holding: Holding) -> dict[str, object]:
        now, coming, earned = holding.now, holding.counts_from, self.of(holding)
        return {
            "owner": format_address(holding.owner),
            "validatorKey": holding.validator_key,
            "stakeWei": str(holding.stake),
            "activeStakeWei": str(now.stake),
            "share": now.stake / now.total if now.total else 0.0,
            "countsFromBlock": coming.first_height,
            "expectedTicketsPerDay": coming.wins_per_day,
            "expectedRewardsPerDayWei": str(coming.rewards_per_day),
            "ticketsWon": earned.won,
            "rewardsWei": str(earned.minted),
            "withdrawals": [
                {"amountWei": str(entry.amount), "dueAtBlock": entry.release_height} for entry in holding.withdrawals
            ],
        }


def fetch_report(client: RpcClient, owners: Sequence[Address] | None, *, blocks: int, own: bool) -> Report:
    """Return the stakes of some owners, or of all validators if None; `own` needs the client's token."""
    params = load_genesis(network_of(check_chain(client, None))).params
    chosen = all_owners(client) if owners is None else owners
    height = client.number("eth_blockNumber")
    heads = fetch_heads(client, height, blocks)
    told = as_list(client.call("mappemonde_ownValidators")) if own else []
    return Report(
        params=params,
        height=height,
        counted=len(heads),
        holdings=tuple(fetch_holding(client, owner) for owner in chosen),
        earned=tally(heads, params),
        own=tuple(as_object(entry) for entry in told),
    )


def all_owners(client: RpcClient) -> list[Address]:
    """Return the owners of all stakes. Raises `RpcRefused` when the node tells of more than a chain can have."""
    owners: list[Address] = []
    while True:
        page = client.record("mappemonde_validators", len(owners), VALIDATORS_PAGE)
        entries = [as_object(entry) for entry in as_list(page["validators"])]
        owners += [parse_address(str(entry["owner"])) for entry in entries]
        if not entries or len(owners) >= integer(page["count"]):
            return owners
        if len(owners) > MOST_OWNERS:
            raise RpcRefused(0, f"the list of validators of the node at {client.url} does not end")


def report_lines(report: Report) -> list[str]:
    """Return the report for people."""
    shown = [holding for holding in report.holdings if _says_something(holding)]
    if not shown:
        return [f"no stakes among {len(report.holdings)} accounts at block {report.height}"]
    lines: list[str] = []
    for holding in shown:
        now, coming, earned = holding.now, holding.counts_from, report.of(holding)
        lines.append(format_address(holding.owner))
        if holding.validator_key is not None:
            lines.append(f"  validator    {holding.validator_key}")
        lines.append(f"  stake        {format_coins(holding.stake)}")
        share = f"{100 * now.stake / now.total:.2f} % of all stake" if now.total else "nobody's stake counts yet"
        lines.append(f"  counts now   {format_coins(now.stake)}, {share}")
        if coming.stake != now.stake:
            wait = (coming.first_height - report.height) * report.params.block_time // 60_000
            lines.append(f"  to come      {format_coins(coming.stake)} from block {coming.first_height}, in {wait} min")
        if coming.wins_per_day:
            reward = coming.rewards_per_day // 10**12 * 10**12
            lines.append(f"  may expect   {coming.wins_per_day:.1f} tickets and {format_coins(reward)} a day")
        lines.append(
            f"  won          {earned.won} tickets, {format_coins(earned.minted)} in the last {report.counted} blocks"
        )
        for entry in holding.withdrawals:
            due = "due" if entry.release_height <= holding.height + 1 else f"due at block {entry.release_height}"
            lines.append(f"  withdrawal   {format_coins(entry.amount)}, {due}")
    return lines


def own_lines(report: Report) -> list[str]:
    """Return what the node tells its operator of its own validators."""
    lines = []
    for entry in report.own:
        lines.append(f"this node stakes with {entry['validatorKey']}")
        reward = entry["rewardAddress"]
        to = format_address(parse_address(str(reward))) if reward else "the owner of the stake, once it counts"
        lines.append(f"  rewards to   {to}")
        minted = format_coins(quantity(entry["rewards"]))
        lines.append(f"  since start  {entry['ticketsSent']} tickets sent, {entry['ticketsWon']} won, {minted}")
        coming = [as_object(ticket) for ticket in as_list(entry["foreseen"])]
        heights = " ".join(f"{quantity(ticket['number'])}:{ticket['handicap']}ms" for ticket in coming)
        lines.append(f"  to come      {heights or 'none in this epoch'}   (height:handicap; keep it to yourself)")
    return lines


def _says_something(holding: Holding) -> bool:
    return bool(holding.stake or holding.withdrawals or any(entry.stake for entry in holding.epochs))
