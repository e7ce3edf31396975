"""Sealed headers for the tests: valid ones, and a way to break exactly one thing."""

from dataclasses import replace

from coincurve import PrivateKey

from chain.block import (
    HEADER_VERSION,
    ChainedHeader,
    Header,
    SealedHeader,
    Ticket,
    encode_header,
    ticket_commitment,
)
from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Gas, Millis
from consensus import vrf
from consensus.rules import ConsensusRules
from consensus.seal import seal_hash
from consensus.ticket import Draw, build_ticket, next_mix, ticket_alpha, verify_ticket

MINER = Address(b"\x11" * 20)
REWARD = Address(b"\x22" * 20)


def make_draw(params: ChainParams, key: PrivateKey, parent: ChainedHeader, stake: EpochStake) -> Draw:
    """Return the verified ticket of a key for the block after `parent`."""
    ticket = make_ticket(params, key, parent, stake)
    return verify_ticket(params, ticket, parent_id=parent.id, height=parent.height + 1, stake=stake)


def make_ticket(params: ChainParams, key: PrivateKey, parent: ChainedHeader, stake: EpochStake) -> Ticket:
    """Return the ticket of a key, whatever it is worth."""
    proof = vrf.prove(key, ticket_alpha(stake.seed, parent.height + 1))
    return build_ticket(params, key=key, proof=proof, parent=parent, reward_address=REWARD, auxiliary=bytes(32))


def make_header(params: ChainParams, parent: ChainedHeader, stake: EpochStake, draw: Draw | None = None) -> Header:
    """Return a header on `parent` whose roots are invented."""
    height = parent.height + 1
    return Header(
        version=HEADER_VERSION,
        height=height,
        parent_id=parent.id,
        parent_time=parent.time,
        parent_err=parent.err,
        mined_at=Millis(0),
        miner=MINER,
        state_root=keccak256(b"state"),
        transactions_root=keccak256(b"transactions"),
        receipts_root=keccak256(b"receipts"),
        gas_used=Gas(21_000),
        base_fee=params.initial_base_fee,
        extra=b"test",
        ticket_commitment=ticket_commitment(None if draw is None else draw.ticket),
        handicap=handicap_cap(height, params) if draw is None else draw.handicap,
        mix=next_mix(params, height, parent.header.mix, parent.id, None if draw is None else draw.beta),
        stakes=stake.commitment,
        nonce=bytes(8),
    )


def seal(params: ChainParams, header: Header, ticket: Ticket | None = None, *, nonce: int = 0) -> SealedHeader:
    """Return the header with its true seal."""
    turned = replace(header, nonce=nonce.to_bytes(8, "big"))
    return SealedHeader(turned, seal_hash(params, encode_header(turned)), ticket)


def verify_all(params: ChainParams, sealed: SealedHeader, parent: ChainedHeader, stake: EpochStake) -> ChainedHeader:
    """Check a sealed header whole, as a node does."""
    rules = ConsensusRules(params)
    chained = rules.chain(sealed, parent)
    rules.check_stake(sealed, stake)
    rules.check_seal(sealed)
    return chained
