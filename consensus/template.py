"""Templates: the block that a miner seals, made from a parent, a ticket and the mempool."""

from collections.abc import Iterable

from chain.block import EXTRA_MAX, HEADER_VERSION, NONCE_BYTES, ChainedHeader, Header, ticket_commitment
from chain.execution import BodyBuilder, TicketReward, facts_after
from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.units import Address, Millis
from chain.rules import InvalidTransaction
from chain.state import State
from chain.transaction import TX_GAS, SignedTransaction, intrinsic_gas
from consensus.miner import Candidate
from consensus.ticket import Draw, next_mix

MISSES_MAX = 256
"""Transactions that cannot be executed before the body is closed: the best have been taken by then, and a pool full of
misfits must not cost the miner its time. Those that do not fit are not counted, it takes 0.3 µs to see that: a payment
may ask for all gas of a block and use 21,000, so that a few hundred of them, of which one is paid for in each block,
would close every body before anybody else's transactions."""


def build_candidate(
    params: ChainParams,
    *,
    parent: ChainedHeader,
    state: State,
    stake: EpochStake,
    draw: Draw | None,
    pending: Iterable[SignedTransaction],
    miner: Address,
    extra: bytes = b"",
) -> Candidate:
    """Return the best block that can be built on `parent` now, lacking its seal. 100 ms for a full body.

    `state` is the parent's and is used up; `stake` is for the block after `parent`; `pending` yields transactions best
    first, each sender's by nonce; `draw` is the best ticket known for this parent.
    """
    assert len(extra) <= EXTRA_MAX, "checked with the configuration"
    height = parent.height + 1
    reward = None if draw is None else TicketReward(draw.ticket.reward_address, draw.handicap)
    facts = facts_after(parent.header, params, miner, reward)
    builder = BodyBuilder(state, facts, params)
    _fill(builder, pending)
    done = builder.finish()
    ticket, beta = (None, None) if draw is None else (draw.ticket, draw.beta)
    header = Header(
        version=HEADER_VERSION,
        height=height,
        parent_id=parent.id,
        parent_time=parent.time,
        parent_err=parent.err,
        mined_at=Millis(0),
        miner=miner,
        state_root=done.state_root,
        transactions_root=done.transactions_root,
        receipts_root=done.receipts_root,
        gas_used=done.gas_used,
        base_fee=facts.base_fee,
        extra=extra,
        ticket_commitment=ticket_commitment(ticket),
        handicap=handicap_cap(height, params) if draw is None else draw.handicap,
        mix=next_mix(params, height, parent.header.mix, parent.id, beta),
        stakes=stake.commitment,
        nonce=bytes(NONCE_BYTES),
    )
    return Candidate(header, ticket, tuple(signed.tx for signed in done.transactions))


def shortlist(pending: Iterable[SignedTransaction], params: ChainParams, *, most: int) -> tuple[SignedTransaction, ...]:
    """Return the transactions that are worth trying, best first, `most` at most.

    0.2 µs for each one read, and what `pending` takes. What asks for more gas than those before it leave, even if they
    use no more than their intrinsic cost, is passed over with all that follows by nonce: else payments that ask for a
    whole block could fill the list.
    """
    chosen: list[SignedTransaction] = []
    stuck: set[Address] = set()
    left = int(params.gas_limit)
    for signed in pending:
        if len(chosen) >= most or left < TX_GAS:
            break
        if signed.sender in stuck:
            continue
        if signed.tx.gas_limit > left:
            stuck.add(signed.sender)
            continue
        left -= intrinsic_gas(signed.tx)
        chosen.append(signed)
    return tuple(chosen)


def _fill(builder: BodyBuilder, pending: Iterable[SignedTransaction]) -> None:
    misses = 0
    stuck: set[Address] = set()
    for signed in pending:
        if builder.gas_left() < TX_GAS or misses >= MISSES_MAX:
            return
        if signed.sender in stuck:
            continue
        try:
            if builder.add(signed):
                continue
        except InvalidTransaction:
            misses += 1  # the pool is a block behind, or the sender's balance went with an earlier transaction
        stuck.add(signed.sender)  # what follows by nonce cannot be executed either
