import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.genesis import load_genesis
from chain.primitives.units import LogTarget, Millis
from cli.explain.blocks import computed_time, explain_block
from cli.rpc_client import RpcRefused
from consensus.ripening import block_time

DEVNET = load_genesis("devnet").params
CHAIN: dict[str, object] = {
    "blockTime": DEVNET.block_time,
    "minInterval": DEVNET.min_interval,
    "tau": DEVNET.tau,
    "gap": DEVNET.gap,
    "stakeStart": DEVNET.stake_start,
}


def head(
    pow_hash: int = 1 << 246, *, handicap: int = 0, mined_at: int | None = None, height: int = 40
) -> dict[str, object]:
    time = block_time(
        DEVNET,
        parent_time=Millis(1_000_000),
        pow_hash=pow_hash,
        log_target=DEVNET.genesis_log_target,
        handicap=Millis(handicap),
        mined_at=Millis(mined_at or 0),
    )
    return {
        "number": hex(height),
        "hash": "0x" + "11" * 32,
        "time": time,
        "parentTime": 1_000_000,
        "interval": time - 1_000_000,
        "minedAt": mined_at,
        "handicap": handicap,
        "scheduleError": 1_500,
        "logTarget": DEVNET.genesis_log_target,
        "pow": f"0x{pow_hash:064x}",
        "ticket": None,
    }


def texts(facts: dict[str, object]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in explain_block(facts, CHAIN))


@given(st.integers(0, (1 << 256) - 1), st.integers(0, 3_000), st.integers(16 << 16, 256 << 16))
def test_the_arithmetic_is_that_of_the_rules(pow_hash: int, handicap: int, target: int) -> None:
    facts = head(pow_hash, handicap=handicap) | {"logTarget": target}
    expected = block_time(
        DEVNET,
        parent_time=Millis(1_000_000),
        pow_hash=pow_hash,
        log_target=LogTarget(target),
        handicap=Millis(handicap),
        mined_at=Millis(0),
    )
    assert computed_time(facts, CHAIN) == expected
    assert ("not what the rule gives" in texts(facts)) == (expected != facts["time"])


def test_a_plain_block() -> None:
    found = texts(head(handicap=600))
    assert "9 zero bits; beats the target by 1.26" in found
    assert "none: handicap 0.6 s" in found
    assert "12.0 s mean -0.758 s for the seal (0.6 s per bit) +0.600 s handicap = 11.842 s" in found
    assert "1.5 s late: the next target is easier" in found


def test_a_lucky_seal_is_held_to_the_least_interval() -> None:
    assert "never under 6.0 s" in texts(head(1 << 200))


def test_tickets() -> None:
    assert "they begin at block 15" in texts(head(height=3))
    with_ticket = head() | {"ticket": {"validatorKey": "0x02" + "ab" * 32}}
    assert "of validator 0x02abababababababab" in texts(with_ticket)


def test_a_block_that_states_its_time_and_block_0() -> None:
    assert "states when it was mined" in texts(head(mined_at=1_040_000))
    assert "the genesis document says so" in texts(head(height=0))


def test_an_answer_of_another_program_is_refused() -> None:
    with pytest.raises(RpcRefused, match="logTarget"):
        explain_block(head() | {"logTarget": "0x1"}, CHAIN)
    with pytest.raises(RpcRefused):
        explain_block({}, CHAIN)
