"""The harness of the coverage-guided fuzzer finds the decoders, and hypothesis walks the same way in CI."""

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
