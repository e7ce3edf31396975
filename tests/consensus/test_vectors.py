"""Our own vectors: everything derived is recomputed from the inputs in the file, step by step."""

import json

import pytest
from argon2.low_level import Type, hash_secret_raw
from coincurve import PrivateKey

from chain.block import decode_header, decode_ticket, encode_header, header_id
from chain.fees import handicap_cap
from chain.primitives.hashing import sha256
from chain.primitives.keys import schnorr_valid
from chain.primitives.units import Hash32, Millis
from consensus import vrf
from consensus.ripening import block_time, block_work, ticket_handicap
from consensus.schedule import next_error, next_log_target
from tests.consensus.networks import key
from tests.consensus.vectors import NETWORKS, PATH, documents, plain, stake_of

DOCUMENT = json.loads(PATH.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_file_is_what_the_script_writes() -> None:
    assert json.loads(json.dumps(documents())) == DOCUMENT


def test_the_stakes_commitment() -> None:
    stake = stake_of(1000)
    assert (str(stake.total), str(stake.issued)) == (DOCUMENT["stakes"]["total"], DOCUMENT["stakes"]["issued"])
    assert (stake.root.hex(), stake.commitment.hex()) == (DOCUMENT["stakes"]["root"], DOCUMENT["stakes"]["commitment"])


@pytest.mark.parametrize("vector", DOCUMENT["tickets"])
def test_tickets(vector: dict[str, object]) -> None:
    ticket = decode_ticket(bytes.fromhex(str(vector["ticket"])))
    secret = PrivateKey.from_int(int(str(vector["secret_key"])))
    assert ticket.validator_key == secret.public_key.format()
    alpha = bytes.fromhex(str(vector["alpha"]))
    assert vrf.verify(ticket.validator_key, alpha, ticket.vrf_proof).hex() == vector["beta"]
    digest = bytes.fromhex(str(vector["signed_digest"]))
    assert schnorr_valid(ticket.validator_key[1:], digest, ticket.signature)
    stake, height = stake_of(1000), int(str(vector["height"]))
    handicap = ticket_handicap(
        NETWORKS[str(vector["network"])],
        height,
        bytes.fromhex(str(vector["beta"])),
        stake=stake.stakes[key(1).public_key.format()],
        total=stake.total,
        issued=stake.issued,
    )
    assert handicap == vector["handicap"]


@pytest.mark.parametrize("vector", DOCUMENT["headers"])
def test_headers(vector: dict[str, object]) -> None:
    params = NETWORKS[str(vector["network"])]
    raw = bytes.fromhex(str(vector["header_bytes"]))
    header = decode_header(raw)
    assert plain(header) == vector["header"]
    assert encode_header(header) == raw
    assert header_id(header).hex() == vector["id"]
    seal = hash_secret_raw(raw, b"mappemonde/pow/1", 1, params.pow_memory_kib, 1, 32, Type.ID, 0x13)
    assert seal.hex() == vector["pow"]
    pow_hash = int.from_bytes(seal, "big")
    target = next_log_target(params, header.parent_err)
    assert target == vector["log_target"]
    time = block_time(
        params,
        parent_time=header.parent_time,
        pow_hash=pow_hash,
        log_target=target,
        handicap=header.handicap,
        mined_at=header.mined_at,
    )
    assert time == vector["time"]
    assert next_error(params, header.parent_err, Millis(time - header.parent_time)) == vector["err"]
    assert str(block_work(params, pow_hash, target)) == vector["work"]
    source = b""
    if vector["ticket"] is not None:
        source = vrf.claimed_output(decode_ticket(bytes.fromhex(str(vector["ticket"]))).vrf_proof)
    elif header.height < params.stake_start + 2 * params.epoch_length:
        source = header.parent_id
    mix = sha256(b"mix" + Hash32(bytes.fromhex(str(vector["parent_mix"]))) + source)
    assert mix == header.mix
    if vector["ticket"] is None:
        assert header.handicap == handicap_cap(header.height, params)
