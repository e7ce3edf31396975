import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.genesis import load_genesis
from chain.primitives.errors import Malformed
from cli.mining_client.orders import Order, Verdict, decode_order, decode_verdict

DEVNET = load_genesis("devnet").params
WORK: dict[str, object] = {
    "id": "0x" + "01" * 32,
    "header": "0x" + "ab" * 300 + "00" * 8,
    "number": "0x2a",
    "parentHash": "0x" + "02" * 32,
    "logTarget": 16_000_000,
    "sealFloor": 17_000_000,
    "shareLogTarget": 246 << 16,
    "limit": "0x" + "00" * 30 + "1234",
    "memoryKiB": 256,
}


def test_work_is_read() -> None:
    order = decode_order(WORK, DEVNET)
    assert order == Order(b"\x01" * 32, b"\xab" * 300, 42, b"\x02" * 32, 0x1234, (1 << 246) - 1)  # type: ignore[arg-type]
    assert decode_order(None, DEVNET) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "0x01"),
        ("id", 5),
        ("header", "0x" + "00" * 8),
        ("header", "0x" + "00" * 5_000),
        ("header", "0xzz"),
        ("number", "42"),
        ("number", "0x1_0"),
        ("number", "0x" + "f" * 17),
        ("parentHash", None),
        ("shareLogTarget", True),
        ("shareLogTarget", (256 << 16) + 1),
        ("shareLogTarget", -1),
        ("limit", "0x00"),
        ("memoryKiB", 1 << 40),
    ],
)
def test_work_with_a_wrong_member_is_malformed(name: str, value: object) -> None:
    with pytest.raises(Malformed):
        decode_order({**WORK, name: value}, DEVNET)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(WORK)), inner, max_size=9),
    max_leaves=12,
)


@given(JSON)
def test_any_answer_is_work_nothing_or_malformed(answer: object) -> None:
    try:
        order = decode_order(answer, DEVNET)
    except Malformed:
        return
    assert (order is None) == (answer is None)


@given(st.sampled_from(sorted(WORK)), st.text() | st.integers() | st.none())
def test_any_member_is_read_or_malformed(name: str, value: object) -> None:
    try:
        assert decode_order({**WORK, name: value}, DEVNET) is not None
    except Malformed:
        return


def test_verdicts() -> None:
    assert [decode_verdict(verdict.value) for verdict in Verdict] == list(Verdict)
    wrongs: tuple[object, ...] = ("good", None, 1, [], {})
    for wrong in wrongs:
        with pytest.raises(Malformed):
            decode_verdict(wrong)
