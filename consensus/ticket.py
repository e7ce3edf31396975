"""Tickets: a validator's private draw for one parent (rule 8 of DESIGN section 5), and the chain's randomness.

A ticket says nothing about the content of a block: it cannot censor, signing several is no offence, and so there is
no slashing. What it is worth follows from the VRF alone, which nobody but the validator can compute in advance.
"""

from dataclasses import dataclass

from coincurve import PrivateKey

from chain.block import ChainedHeader, Ticket
from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import sha256, tagged_hash
from chain.primitives.keys import schnorr_sign, schnorr_valid
from chain.primitives.units import Address, Hash32, Millis
from chain.rules import InvalidBlock, Rule
from consensus import vrf
from consensus.ripening import ticket_handicap

SIGNATURE_TAG = "mappemonde/ticket"

FIRST_TICKET_EPOCH = 3
"""Tickets need a snapshot of epoch E - 3, so that a deposit cannot be timed to a seed that is already known."""

_ALPHA_PREFIX = b"ticket"
_MIX_PREFIX = b"mix"


@dataclass(frozen=True, slots=True)
class Draw:
    """A ticket and what it is worth on its parent."""

    ticket: Ticket
    beta: bytes
    """32-byte VRF output; enters the mix."""
    handicap: Millis

    def beats(self, other: "Draw | None") -> bool:
        """Tell whether this draw is the better one: the lower (handicap, beta)."""
        return other is None or (self.handicap, self.beta) < (other.handicap, other.beta)


def tickets_open(params: ChainParams, height: int) -> bool:
    """Tell whether a block of this height may carry a ticket."""
    return height >= params.stake_start and params.epoch(height) >= FIRST_TICKET_EPOCH


def ticket_alpha(seed: Hash32, height: int) -> bytes:
    """Return the VRF input of a height; the same for every parent, so that a fork is no second draw."""
    return _ALPHA_PREFIX + seed + height.to_bytes(8, "big")


def ticket_digest(
    params: ChainParams, *, validator_key: bytes, parent_id: Hash32, height: int, reward_address: Address
) -> Hash32:
    """Return what the validator signs: the tagged hash of the canonical array of these five."""
    return tagged_hash(SIGNATURE_TAG, pack([params.chain_id, validator_key, parent_id, height, reward_address]))


def next_mix(params: ChainParams, height: int, parent_mix: Hash32, parent_id: Hash32, beta: bytes | None) -> Hash32:
    """Return mix(n) of a block (rule 8); `beta` is its ticket's output, None without a ticket.

    Before the first tickets have had two epochs the parent's id stands in, so that the first seeds are not constants.
    """
    if beta is not None:
        source = beta
    elif height < params.stake_start + 2 * params.epoch_length:
        source = parent_id
    else:
        source = b""
    return sha256(_MIX_PREFIX + parent_mix + source)


def build_ticket(
    params: ChainParams,
    *,
    key: PrivateKey,
    proof: bytes,
    parent: ChainedHeader,
    reward_address: Address,
    auxiliary: bytes,
) -> Ticket:
    """Return the signed ticket for the block after `parent`.

    `proof` is `vrf.prove(key, ticket_alpha(seed, height))`, made in advance; `auxiliary` is 32 bytes of fresh entropy.
    """
    validator_key = bytes(key.public_key.format())
    digest = ticket_digest(
        params,
        validator_key=validator_key,
        parent_id=parent.id,
        height=parent.height + 1,
        reward_address=reward_address,
    )
    return Ticket(validator_key, proof, reward_address, schnorr_sign(key, digest, auxiliary))


def claimed_draw(params: ChainParams, ticket: Ticket, *, height: int, stake: EpochStake) -> Draw:
    """Return what a ticket is worth if its proof is valid: no signature or proof is checked. 15 µs.

    Raises `InvalidBlock` when tickets are not open, the key has no stake, the proof cannot be decoded, or the
    handicap is not under the cap.
    """
    if not tickets_open(params, height):
        raise InvalidBlock(Rule.TICKET_TOO_EARLY, got=height)
    held = stake.stakes.get(ticket.validator_key)
    if not held:
        raise InvalidBlock(Rule.TICKET_UNKNOWN_KEY, got=ticket.validator_key)
    beta = claimed_beta(ticket)
    handicap = ticket_handicap(params, height, beta, stake=held, total=stake.total, issued=stake.issued)
    cap = handicap_cap(height, params)
    if handicap >= cap:
        raise InvalidBlock(Rule.TICKET_WORTHLESS, expected=f"under {cap}", got=handicap)
    return Draw(ticket, beta, handicap)


def claimed_beta(ticket: Ticket) -> bytes:
    """Return the VRF output of a ticket whose proof is not yet checked.

    Raises `InvalidBlock` if the proof cannot be decoded.
    """
    try:
        return vrf.claimed_output(ticket.vrf_proof)
    except Malformed as error:
        raise InvalidBlock(Rule.TICKET_VRF, detail=str(error)) from None


def verify_ticket(params: ChainParams, ticket: Ticket, *, parent_id: Hash32, height: int, stake: EpochStake) -> Draw:
    """Check a ticket whole, cheap first, and return what it is worth. 0.4 ms. Raises `InvalidBlock`."""
    draw = claimed_draw(params, ticket, height=height, stake=stake)
    digest = ticket_digest(
        params,
        validator_key=ticket.validator_key,
        parent_id=parent_id,
        height=height,
        reward_address=ticket.reward_address,
    )
    if not schnorr_valid(ticket.validator_key[1:], digest, ticket.signature):
        raise InvalidBlock(Rule.TICKET_SIGNATURE, got=ticket.validator_key)
    try:
        vrf.verify(ticket.validator_key, ticket_alpha(stake.seed, height), ticket.vrf_proof)
    except Malformed as error:
        raise InvalidBlock(Rule.TICKET_VRF, detail=str(error)) from None
    return draw
