"""Writes tests/vectors/consensus_chain.json: headers with their bytes, ids, seals, times, weights, mixes and tickets.

`python -m tests.consensus.vectors` writes the file; the test recomputes every derived value from the inputs in it.
"""

import json
from dataclasses import fields, replace
from pathlib import Path

from chain.block import ChainedHeader, Header, SealedHeader, encode_header, encode_ticket
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.units import COIN, Millis, Wei
from chain.rules import InvalidBlock
from chain.staking_snapshot import make_snapshot
from consensus.rules import ConsensusRules
from consensus.ticket import ticket_alpha, ticket_digest
from tests.consensus.blocks import make_draw, make_header, seal
from tests.consensus.networks import DEVNET, MAINNET, SEED, key, place

PATH = Path(__file__).parent.parent / "vectors" / "consensus_chain.json"
COINS = {1: 300, 2: 300, 3: 300}

NETWORKS = {"mainnet": MAINNET, "devnet": replace(DEVNET, pow_memory_kib=256)}
"""DESIGN section 5's constants with a fixed LT_GENESIS: a new genesis document leaves the vectors as they are."""


def stake_of(issued: int) -> EpochStake:
    """Return the snapshot of the vectors: validators 1, 2, 3 with 300 coins each."""
    made = make_snapshot(
        ((bytes(key(number).public_key.format()), Wei(coins * COIN)) for number, coins in COINS.items()),
        Wei(issued * COIN),
    )
    return EpochStake(SEED, made.total, made.issued, made.root, made.stakes, made.commitment)


def plain(header: Header) -> dict[str, str | int]:
    """Return the fields of a header as JSON values: bytes as hex."""
    values = {field.name: getattr(header, field.name) for field in fields(header)}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


def header_vector(params: ChainParams, sealed: SealedHeader, parent: ChainedHeader) -> dict[str, object]:
    """Return one vector: the inputs, and what follows from them."""
    chained = ConsensusRules(params).chain(sealed, parent)
    return {
        "network": params.name,
        "header": plain(sealed.header),
        "header_bytes": encode_header(sealed.header).hex(),
        "id": chained.id.hex(),
        "pow": f"{sealed.pow:064x}",
        "ticket": None if sealed.ticket is None else encode_ticket(sealed.ticket).hex(),
        "parent_mix": parent.header.mix.hex(),
        "log_target": chained.log_target,
        "time": chained.time,
        "err": chained.err,
        "work": str(chained.work),
    }


def strong_seal(params: ChainParams, header: Header, parent: ChainedHeader, ticket: object = None) -> SealedHeader:
    """Return the header with the first nonce whose seal passes the floor."""
    for nonce in range(10_000):
        sealed = seal(params, header, ticket, nonce=nonce)  # type: ignore[arg-type]
        if sealed.pow < 1 << min(256, (params.genesis_log_target >> 16) + params.seal_floor - 1):
            return sealed
    raise AssertionError("no seal found")


def _ticketed_place(params: ChainParams, stake: EpochStake) -> ChainedHeader:
    """Return the first place after the ramp at which all validators have a ticket under the cap."""
    height = params.stake_start + params.stake_ramp
    while True:
        parent = place(params, height, mix=SEED)
        try:
            for number in COINS:
                make_draw(params, key(number), parent, stake)
        except InvalidBlock:
            height += 1
            continue
        return parent


def documents() -> dict[str, object]:
    """Return the file's content."""
    stake = stake_of(1000)
    headers: list[dict[str, object]] = []
    tickets: list[dict[str, object]] = []
    for name, params in NETWORKS.items():
        low = place(params, 3)
        high = _ticketed_place(params, stake)
        draws = []
        for number in COINS:
            draw = make_draw(params, key(number), high, stake)
            draws.append(draw)
            digest = ticket_digest(
                params,
                validator_key=draw.ticket.validator_key,
                parent_id=high.id,
                height=high.height + 1,
                reward_address=draw.ticket.reward_address,
            )
            tickets.append(
                {
                    "network": name,
                    "secret_key": number,
                    "parent_id": high.id.hex(),
                    "height": high.height + 1,
                    "alpha": ticket_alpha(stake.seed, high.height + 1).hex(),
                    "signed_digest": digest.hex(),
                    "ticket": encode_ticket(draw.ticket).hex(),
                    "beta": draw.beta.hex(),
                    "handicap": draw.handicap,
                }
            )
        best = min(draws, key=lambda draw: (draw.handicap, draw.beta))
        stamped = make_header(params, low, stake)
        stamped = replace(stamped, mined_at=Millis(low.time + params.gap))
        headers.append(header_vector(params, strong_seal(params, make_header(params, low, stake), low), low))
        headers.append(header_vector(params, strong_seal(params, make_header(params, high, stake), high), high))
        headers.append(
            header_vector(params, strong_seal(params, make_header(params, high, stake, best), high, best.ticket), high)
        )
        headers.append(header_vector(params, strong_seal(params, stamped, low), low))
    return {
        "genesis_log_target": {name: params.genesis_log_target for name, params in NETWORKS.items()},
        "stakes": {
            "seed": SEED.hex(),
            "coins_by_secret_key": {str(number): coins for number, coins in COINS.items()},
            "total": str(stake.total),
            "issued": str(stake.issued),
            "root": stake.root.hex(),
            "commitment": stake.commitment.hex(),
        },
        "tickets": tickets,
        "headers": headers,
    }


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(documents(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
