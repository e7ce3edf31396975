"""The harness of the coverage-guided fuzzer finds the decoders, and hypothesis walks the same way in CI."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.atheris_decoders import chosen, decoders, main, try_one
from tests.fuzz.seeds import seeds

KNOWN = decoders()
UNSEEDED = {"gossip.decode_equivocation"}
"""A peaceful network sends none."""


def test_the_decoders_of_all_frames_are_found() -> None:
    assert {"record.decode_record", "frame.decode_frame", "reconcile.decode_range_ask"} <= set(KNOWN)
    assert len(KNOWN) > 15


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_message_or_malformed(data: bytes) -> None:
    try_one(list(KNOWN.values()), data)


@pytest.mark.parametrize("name", KNOWN)
@given(data=st.one_of(st.binary(max_size=64), st.binary(min_size=65, max_size=1_500)))
@settings(max_examples=40, deadline=None)
def test_any_bytes_give_each_decoder_a_message_or_malformed(name: str, data: bytes) -> None:
    try_one([KNOWN[name]], b"\0" + data)


@pytest.mark.slow
def test_what_a_network_really_sends_gives_a_message_or_malformed_however_it_is_damaged() -> None:
    """Bytes changed, cut out and put in, one to three at a time, in true inputs of each decoder."""
    targets, rng = list(KNOWN.values()), Random(7)
    for data in seeds(targets).values():
        for _ in range(200):
            raw = bytearray(data)
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                at = rng.randrange(1, len(raw) + 1)
                put = rng.choice((b"", b"\x00", b"\x7f", b"\x80", b"\xc0", b"\xdc", b"\xff", rng.randbytes(1)))
                raw[at : at + rng.choice((0, 1, 1, 1, rng.randrange(len(raw))))] = put
            try_one(targets, bytes(raw))


@pytest.mark.slow
def test_a_small_network_gives_every_decoder_something_true_to_start_from() -> None:
    targets = list(KNOWN.values())
    found = seeds(targets)
    for data in found.values():
        try_one(targets, data)
    seeded = {name.rsplit("-", 1)[0] for name in found}
    assert set(KNOWN) - seeded == UNSEEDED


def test_unknown_names_and_a_missing_fuzzer_are_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no decoder nothing; there are"):
        chosen(["nothing"], KNOWN)
    monkeypatch.setitem(__import__("sys").modules, "atheris", None)
    with pytest.raises(SystemExit, match="not installed"):
        main(["record.decode_record"])
