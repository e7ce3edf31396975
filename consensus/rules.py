"""Who may seal and when: the checks of a sealed header in the order of their cost (rules 1 to 10).

`chain.ports.SealRules` is the interface; the importer and the exchange call it. What a header says of itself is enough
for its time and its weight: `parent_time` and `parent_err` stand in it and are compared with the parent's.
"""

from chain.block import (
    EXTRA_MAX,
    HEADER_VERSION,
    ChainedHeader,
    Header,
    SealedHeader,
    encode_header,
    header_id,
    ticket_commitment,
)
from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.units import Millis
from chain.rules import InvalidBlock, Rule
from consensus.ripening import (
    MINED_AT_LIMIT,
    block_time,
    block_work,
    seal_bits,
    seal_passes_floor,
    work_at,
)
from consensus.schedule import next_error, next_log_target
from consensus.seal import seal_hash
from consensus.ticket import claimed_beta, next_mix, tickets_open, verify_ticket


class ConsensusRules:
    """The seal rules of one network; no state, safe from any thread."""

    def __init__(self, params: ChainParams) -> None:
        self._params = params

    def chain(self, sealed: SealedHeader, parent: ChainedHeader) -> ChainedHeader:
        """Check all that header, claim and parent say, and return the header in its place. 40 µs.

        Raises `InvalidBlock`. Neither the ticket's proof nor the seal is checked yet: the time and the weight are
        those of the claim.
        """
        header = sealed.header
        self._check_form(header)
        self._check_place(header, parent)
        self._check_mined_at(header)
        self._check_handicap(sealed)
        self._check_mix(sealed, parent)
        return self._placed(sealed, parent)

    def check_stake(self, sealed: SealedHeader, stake: EpochStake) -> None:
        """Check the stakes commitment and the ticket, if there is one. Raises `InvalidBlock`. 0.4 ms with a ticket."""
        header = sealed.header
        if header.stakes != stake.commitment:
            raise InvalidBlock(Rule.BAD_STAKES, expected=stake.commitment, got=header.stakes)
        if sealed.ticket is None:
            return  # `chain` has compared the handicap with the cap
        draw = verify_ticket(self._params, sealed.ticket, parent_id=header.parent_id, height=header.height, stake=stake)
        if header.handicap != draw.handicap:
            raise InvalidBlock(Rule.BAD_HANDICAP, expected=draw.handicap, got=header.handicap)

    def check_seal(self, sealed: SealedHeader) -> None:
        """Check the claimed hash by one Argon2id. Raises `InvalidBlock`. 2 ms on mainnet, releases the GIL."""
        actual = seal_hash(self._params, encode_header(sealed.header))
        if actual != sealed.pow:
            raise InvalidBlock(Rule.FALSE_CLAIM, expected=f"{actual:064x}", got=f"{sealed.pow:064x}")

    def schedule_work(self, block: ChainedHeader) -> int:
        """Return W(lt) of a block: the weight the schedule gives it, the unit of `safe` and `finalized` (rule 7)."""
        return work_at(block.log_target)

    def _check_form(self, header: Header) -> None:
        if header.version != HEADER_VERSION:
            raise InvalidBlock(Rule.VERSION, expected=HEADER_VERSION, got=header.version)
        if len(header.extra) > EXTRA_MAX:
            raise InvalidBlock(Rule.EXTRA_SIZE, expected=f"at most {EXTRA_MAX}", got=len(header.extra))

    def _check_place(self, header: Header, parent: ChainedHeader) -> None:
        assert header.parent_id == parent.id, "the caller found the parent by this id"
        if header.height != parent.height + 1:
            raise InvalidBlock(Rule.HEIGHT, expected=parent.height + 1, got=header.height)
        if header.parent_time != parent.time:
            raise InvalidBlock(Rule.PARENT_TIME, expected=parent.time, got=header.parent_time)
        if header.parent_err != parent.err:
            raise InvalidBlock(Rule.PARENT_ERR, expected=parent.err, got=header.parent_err)

    def _check_mined_at(self, header: Header) -> None:
        if header.mined_at == 0:
            return
        earliest = header.parent_time + self._params.gap
        if not earliest <= header.mined_at < MINED_AT_LIMIT:
            raise InvalidBlock(Rule.MINED_AT, expected=f"0 or {earliest} and later", got=header.mined_at)

    def _check_handicap(self, sealed: SealedHeader) -> None:
        header, params = sealed.header, self._params
        commitment = ticket_commitment(sealed.ticket)
        if header.ticket_commitment != commitment:
            raise InvalidBlock(Rule.TICKET_COMMITMENT, expected=commitment, got=header.ticket_commitment)
        cap = handicap_cap(header.height, params)
        if sealed.ticket is None:
            if header.handicap != cap:
                raise InvalidBlock(Rule.BAD_HANDICAP, expected=cap, got=header.handicap)
            return
        if not tickets_open(params, header.height):
            raise InvalidBlock(Rule.TICKET_TOO_EARLY, got=header.height)
        if header.handicap >= cap:
            raise InvalidBlock(Rule.TICKET_WORTHLESS, expected=f"under {cap}", got=header.handicap)
        if header.handicap < 0:
            raise InvalidBlock(Rule.BAD_HANDICAP, expected="0 or more", got=header.handicap)

    def _check_mix(self, sealed: SealedHeader, parent: ChainedHeader) -> None:
        header = sealed.header
        # The output is taken from the proof before the proof is checked: `check_stake` makes it true or refuses it.
        beta = None if sealed.ticket is None else claimed_beta(sealed.ticket)
        mix = next_mix(self._params, header.height, parent.header.mix, header.parent_id, beta)
        if header.mix != mix:
            raise InvalidBlock(Rule.BAD_MIX, expected=mix, got=header.mix)

    def _placed(self, sealed: SealedHeader, parent: ChainedHeader) -> ChainedHeader:
        header, params = sealed.header, self._params
        log_target = next_log_target(params, header.parent_err)
        if not seal_passes_floor(params, sealed.pow, log_target):
            missed = seal_bits(sealed.pow, log_target)
            raise InvalidBlock(Rule.SEAL_TOO_WEAK, expected=params.seal_floor << 16, got=missed, detail="bits in Q16")
        time = block_time(
            params,
            parent_time=header.parent_time,
            pow_hash=sealed.pow,
            log_target=log_target,
            handicap=header.handicap,
            mined_at=header.mined_at,
        )
        work = block_work(params, sealed.pow, log_target)
        return ChainedHeader(
            sealed=sealed,
            id=header_id(header),
            time=time,
            err=next_error(params, header.parent_err, Millis(time - header.parent_time)),
            log_target=log_target,
            work=work,
            total_work=parent.total_work + work,
        )
