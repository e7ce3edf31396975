import pytest

from chain.primitives.units import COIN
from cli.explain.transactions import Fate, Market, Sender, explain_mined, explain_unknown, explain_waiting

GWEI = 10**9
SENDER = Sender(mined_nonce=5, pool_nonce=7, balance=COIN)
MARKET = Market(base_fee=2 * GWEI, chosen=("0xa", "0xb"))


def transaction(nonce: int = 6, *, fee: int = 3 * GWEI, value: int = 1, name: str = "0xb") -> dict[str, object]:
    return {"hash": name, "nonce": hex(nonce), "maxFeePerGas": hex(fee), "value": hex(value), "gas": hex(21_000)}


def test_nothing_in_its_way() -> None:
    found = explain_waiting(transaction(), SENDER, MARKET, sent=True)
    assert found.fate is Fate.WAITING
    assert "number 2 of 2 for the next block" in found.reasons[1]
    other = explain_waiting(transaction(name="0xc"), SENDER, MARKET, sent=True)
    assert "pay better" in other.reasons[1]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (transaction(4), "nonce too low: 4 was used, the next is 5"),
        (transaction(8), "nonce 8 waits for nonce 7 "),
        (transaction(12), "nonce 12 waits for nonces 7 to 11 "),
        (transaction(fee=GWEI), "1 gwei is under the base fee of 2 gwei"),
        (transaction(value=COIN), "insufficient funds: value and highest fee are 1.000063 MND"),
    ],
)
def test_what_holds_it_is_named(facts: dict[str, object], text: str) -> None:
    found = explain_waiting(facts, SENDER, MARKET, sent=True)
    assert found.fate is Fate.HELD
    assert len(found.reasons) == 1
    assert text in found.reasons[0]


def test_a_legacy_price_counts_as_the_highest_fee() -> None:
    facts = {"hash": "0xb", "nonce": "0x5", "gasPrice": hex(GWEI), "value": "0x0", "gas": "0x5208"}
    assert explain_waiting(facts, SENDER, MARKET, sent=True).fate is Fate.HELD


def test_one_that_is_not_sent_meets_the_one_that_waits() -> None:
    assert "10 % more" in explain_waiting(transaction(), SENDER, MARKET, sent=False).reasons[0]
    assert explain_waiting(transaction(7), SENDER, MARKET, sent=False).fate is Fate.WAITING


def test_mined() -> None:
    receipt: dict[str, object] = {
        "blockNumber": "0xa",
        "status": "0x1",
        "effectiveGasPrice": hex(GWEI),
        "gasUsed": "0x5208",
        "transactionIndex": "0x3",
    }
    found = explain_mined(receipt, 10, 0)
    assert found.reasons[0] == "it is transaction 3 of block 10, 1 block deep, not final yet"
    assert "0.000021 MND: 21000 gas at 1 gwei" in found.reasons[2]
    failed = explain_mined(receipt | {"status": "0x0"}, 30, 12)
    assert "21 blocks deep, final" in failed.reasons[0]
    assert "failed" in failed.reasons[1]


def test_unknown() -> None:
    assert explain_unknown().fate is Fate.UNKNOWN
