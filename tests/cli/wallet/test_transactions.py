"""Drafts, and waiting for a receipt: what the node may answer, one by one."""

from collections.abc import Callable

import pytest

from chain.primitives.units import COIN, GWEI, Address, Gas, Hash32, Wei
from chain.transaction import parse_transaction, recover_sender
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable
from cli.wallet.errors import (
    CallRefused,
    FeeTooHigh,
    InsufficientFunds,
    NotMined,
    TransactionFailed,
    TransactionLost,
    TransactionRefused,
    Unanswered,
    WrongChain,
)
from cli.wallet.transactions import (
    LOST_POLLS,
    Draft,
    Waiting,
    check_chain,
    draft_transaction,
    send_transaction,
    sign_transaction,
    wait_for_receipt,
)
from tests.helpers.transactions import DEVNET_CHAIN_ID, address_of_key, key_of

SENDER, RECEIVER = address_of_key(key_of(1)), Address(b"\x77" * 20)
HASH = Hash32(b"\x11" * 32)
DRAFT = Draft(DEVNET_CHAIN_ID, SENDER, RECEIVER, Wei(5), b"", 3, Gas(21_000), Wei(2), Wei(9), Wei(4))


class Scripted(RpcClient):
    """A node that answers by a table: values, errors, or functions of the call's number."""

    def __init__(self, **answers: object) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answers = answers
        self.asked: list[str] = []

    def call(self, method: str, *parameters: object) -> object:
        self.asked.append(method)
        answer = self.answers[method]
        if isinstance(answer, Callable):  # type: ignore[arg-type]  # a Protocol at run time
            answer = answer(self.asked.count(method))  # type: ignore[operator]
        if isinstance(answer, Exception):
            raise answer
        return answer


def node(**changes: object) -> Scripted:
    """Return a node with a rich account and cheap gas."""
    answers: dict[str, object] = {
        "eth_chainId": hex(DEVNET_CHAIN_ID),
        "eth_getBalance": hex(10**18),
        "eth_estimateGas": hex(21_000),
        "eth_getBlockByNumber": {"baseFeePerGas": hex(GWEI)},
        "eth_maxPriorityFeePerGas": hex(10**7),
        "eth_getTransactionCount": "0x3",
        "eth_blockNumber": "0x9",
        "eth_getTransactionReceipt": None,
        "eth_getTransactionByHash": {},
    }
    return Scripted(**{**answers, **changes})


def draft(client: RpcClient, value: int = 5, *, max_fee: Wei | None = None) -> Draft:
    """Return a plain payment."""
    return draft_transaction(client, DEVNET_CHAIN_ID, sender=SENDER, to=RECEIVER, value=Wei(value), max_fee=max_fee)


def test_a_draft_takes_the_nodes_advice() -> None:
    made = draft(node())
    assert (made.nonce, made.gas, made.tip, made.max_fee) == (3, 21_000, 10**7, 2 * GWEI + 10**7)
    assert made.likely_fee == 21_000 * (GWEI + 10**7)
    assert made.most_fee == 21_000 * made.max_fee
    assert draft(node(), max_fee=Wei(5)).tip == 5, "the tip stays under the cap"


def test_what_cannot_be_paid_is_named() -> None:
    with pytest.raises(InsufficientFunds):
        draft(node(), value=10**18 + 1)
    with pytest.raises(InsufficientFunds):
        draft(node(), value=10**18)
    with pytest.raises(InsufficientFunds):
        draft(node(eth_estimateGas=RpcRefused(-32000, "insufficient funds for transfer")))
    with pytest.raises(CallRefused, match="no such function"):
        draft(node(eth_estimateGas=RpcRefused(3, "execution reverted: no such function")))
    with pytest.raises(RpcRefused):
        draft(node(eth_estimateGas=RpcRefused(-32000, "boom")))


def test_a_signed_draft_is_a_transaction_of_this_chain() -> None:
    signed = recover_sender(parse_transaction(sign_transaction(DRAFT, key_of(1)), DEVNET_CHAIN_ID))
    assert signed.sender == SENDER
    tx = signed.tx
    assert (tx.nonce, tx.to, tx.value, tx.gas_limit, tx.max_fee, tx.max_priority_fee) == (3, RECEIVER, 5, 21_000, 9, 2)


def test_the_chain_must_be_the_one_that_was_meant() -> None:
    assert check_chain(node(), None) == check_chain(node(), "devnet") == DEVNET_CHAIN_ID
    for network in ("mainnet", "testnet"):
        with pytest.raises(WrongChain, match=network):
            check_chain(node(), network)
    with pytest.raises(WrongChain, match="no network of Mappemonde"):
        check_chain(node(eth_chainId="0x1"), None)


def test_a_refusal_quotes_the_rule() -> None:
    with pytest.raises(TransactionRefused, match="nonce too low"):
        send_transaction(node(eth_sendRawTransaction=RpcRefused(-32000, "nonce too low")), b"")
    with pytest.raises(InsufficientFunds):
        send_transaction(node(eth_sendRawTransaction=RpcRefused(-32000, "insufficient funds for gas")), b"")
    raw = sign_transaction(DRAFT, key_of(1))
    tx_hash = recover_sender(parse_transaction(raw, DEVNET_CHAIN_ID)).tx.hash
    assert send_transaction(node(eth_sendRawTransaction="0x" + tx_hash.hex()), raw) == tx_hash


@pytest.mark.parametrize("answer", [None, "0x" + HASH.hex(), "0xzz", [], 7, RpcUnreachable("reset by peer")])
def test_a_transaction_that_may_be_on_its_way_is_named(answer: object) -> None:
    """Who pays again because nobody answered pays twice."""
    raw = sign_transaction(DRAFT, key_of(1))
    tx_hash = recover_sender(parse_transaction(raw, DEVNET_CHAIN_ID)).tx.hash
    with pytest.raises(Unanswered, match=f"0x{tx_hash.hex()} was sent and may be mined"):
        send_transaction(node(eth_sendRawTransaction=answer), raw)


def test_no_advice_of_a_node_costs_a_fortune() -> None:
    rich = hex(10**30)
    for lie in (
        {"eth_getBlockByNumber": {"baseFeePerGas": hex(COIN)}},
        {"eth_maxPriorityFeePerGas": hex(COIN)},
        {"eth_estimateGas": hex(10**12)},
    ):
        with pytest.raises(FeeTooHigh, match="--max-fee"):
            draft(node(eth_getBalance=rich, **lie))
    dear = node(eth_getBalance=rich, eth_getBlockByNumber={"baseFeePerGas": hex(COIN // 10_000)})
    assert draft(dear, max_fee=Wei(COIN // 1_000)).most_fee == 21 * COIN, "whoever says so may pay it"


class Patience:
    """A clock that pauses move on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[tuple[int, float]] = []

    def waiting(self, seconds: float = 60.0) -> Waiting:
        return Waiting(seconds, self.pause, lambda: self.now, lambda height, waited: self.told.append((height, waited)))

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_ends_with_the_receipt() -> None:
    patience = Patience()
    receipt = {"status": "0x1", "blockNumber": "0xa"}
    client = node(eth_getTransactionReceipt=lambda times: receipt if times == 4 else None)
    assert wait_for_receipt(client, HASH, DRAFT, patience.waiting()) == receipt
    assert patience.told == [(9, 0.0), (9, 1.0), (9, 2.0)]


def test_a_node_that_is_started_anew_is_waited_for() -> None:
    receipt = {"status": "0x1", "blockNumber": "0xa"}

    def answer(times: int) -> object:
        return receipt if times == 6 else RpcUnreachable("no node answers") if times % 2 else None

    assert wait_for_receipt(node(eth_getTransactionReceipt=answer), HASH, DRAFT, Patience().waiting()) == receipt


def test_a_reverted_lost_or_late_transaction_is_named() -> None:
    failed = node(eth_getTransactionReceipt={"status": "0x0", "blockNumber": "0xa"})
    with pytest.raises(TransactionFailed, match="block 10"):
        wait_for_receipt(failed, HASH, DRAFT, Patience().waiting())
    replaced = node(eth_getTransactionByHash=None, eth_getTransactionCount="0x4")
    with pytest.raises(TransactionLost, match="took its nonce"):
        wait_for_receipt(replaced, HASH, DRAFT, Patience().waiting())
    assert replaced.asked.count("eth_getTransactionByHash") == LOST_POLLS
    with pytest.raises(TransactionLost, match="no longer has it"):
        wait_for_receipt(node(eth_getTransactionByHash=None), HASH, DRAFT, Patience().waiting())
    away = node(eth_blockNumber=RpcUnreachable("no node answers"))
    with pytest.raises(Unanswered, match=f"0x{HASH.hex()} was sent"):
        wait_for_receipt(away, HASH, DRAFT, Patience().waiting())
    assert away.asked.count("eth_blockNumber") == LOST_POLLS
    with pytest.raises(NotMined, match="nonce is 3"):
        wait_for_receipt(node(), HASH, DRAFT, Patience().waiting(2.0))
