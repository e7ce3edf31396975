"""Whatever a pool yields, the template made of it is a block that every node takes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Block, SealedHeader, decode_block, encode_block, encode_header
from chain.execution import verify_block
from chain.primitives.units import COIN, GWEI, Address, Gas
from chain.staking_abi import encode_request_withdrawal, encode_withdraw
from chain.staking_registry import SYSTEM_ADDRESS
from chain.state import State
from chain.transaction import AccessEntry, SignedTransaction, TxType, recover_sender
from consensus.rules import ConsensusRules
from consensus.seal import seal_hash
from consensus.template import build_candidate
from tests.consensus.networks import epoch_stake
from tests.helpers.chain_builder import MemoryNodes
from tests.helpers.networks import FUNDED, RECEIVER, address_of, small_genesis
from tests.helpers.stakes import deposit
from tests.helpers.transactions import key_of, sign

GENESIS = small_genesis(gas_limit=400_000, max_body_bytes=1_200)
PARAMS = GENESIS.params
PARENT = GENESIS.chained
STAKE = epoch_stake({1: 1})
NODES = MemoryNodes(GENESIS.trie_nodes)
MINER = address_of(1)
"""One of the senders, so that rewards and payments meet in one account."""

NOBODY = Address(bytes(20))
_RICH = 900 * COIN
_CALLS = [encode_withdraw(), encode_request_withdrawal(COIN), encode_request_withdrawal(2**256 - 1), b"none"]
_ODD: dict[str, list[int]] = {
    "nonce": [0, 1, 5, 2**64 - 2],
    "gas": [0, 20_999, 399_999, 400_000, 400_001, 2**64 - 1],
    "value": [_RICH, 2**255, 2**256 - 1],
    "max_fee": [0, GWEI - 1, 10**6 * GWEI, 2**255],
    "tip": [0, 3 * GWEI],
}
"""What some of the transactions have in one field."""


@st.composite
def _pools(draw: st.DrawFn) -> list[SignedTransaction]:
    nonces: Counter[int] = Counter()
    pending = []
    for _ in range(draw(st.integers(0, 14))):
        sender = draw(st.sampled_from([0, 0, 1, 1, 2, 3, FUNDED]))  # the last one has nothing
        nonce = nonces[sender]
        nonces[sender] += 1
        shape = draw(st.integers(0, 5))
        if shape == 0:
            pending.append(deposit(GENESIS, sender, nonce, value=draw(st.sampled_from([0, COIN, 3 * COIN]))))
            continue
        data = draw(st.sampled_from(_CALLS)) if shape == 1 else bytes(draw(st.sampled_from([0, 0, 1, 100, 255, 900])))
        to = SYSTEM_ADDRESS if shape == 1 else draw(st.sampled_from([RECEIVER, MINER, address_of(0), NOBODY]))
        fields = {
            "nonce": nonce,
            "gas": 130_000 if shape == 1 else 26_000,
            "value": 0,
            "max_fee": 2 * GWEI,
            "tip": GWEI,
        }
        if draw(st.integers(0, 3)) == 0:
            name = draw(st.sampled_from(sorted(_ODD)))
            fields[name] = draw(st.sampled_from(_ODD[name]))
        kind = draw(st.sampled_from(TxType))
        pending.append(
            sign(
                key_of(sender + 1),
                to=to,
                nonce=fields["nonce"],
                value=fields["value"],
                data=data,
                gas=fields["gas"],
                max_fee=fields["max_fee"],
                tip=fields["tip"],
                kind=kind,
                access_list=() if kind is TxType.LEGACY else (AccessEntry(RECEIVER, ()),),
                chain_id=PARAMS.chain_id,
            )
        )
    return pending


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(_pools())
def test_a_template_of_any_pool_is_a_valid_block(pending: list[SignedTransaction]) -> None:
    made = build_candidate(
        PARAMS,
        parent=PARENT,
        state=State(NODES, PARENT.header.state_root),
        stake=STAKE,
        draw=None,
        pending=pending,
        miner=MINER,
    )
    sealed = SealedHeader(made.header, seal_hash(PARAMS, encode_header(made.header)), made.ticket)
    block = decode_block(encode_block(Block(sealed, made.transactions)), PARAMS)
    assert block == Block(sealed, made.transactions)
    chained = ConsensusRules(PARAMS).chain(block.sealed, PARENT)
    signed = [recover_sender(tx) for tx in block.transactions]
    done = verify_block(State(NODES, PARENT.header.state_root), PARENT.header, block.sealed, signed, PARAMS)
    assert chained.header.gas_used == done.gas_used <= Gas(PARAMS.gas_limit)
    state = State(MemoryNodes({**NODES, **done.trie_nodes}), done.state_root)
    accounts = {MINER, RECEIVER, SYSTEM_ADDRESS, NOBODY, *(address_of(n) for n in range(FUNDED + 1))}
    everything = sum(state.balance(account) for account in accounts)
    assert everything == 1_000 * COIN * FUNDED + done.reward.issued - done.burnt
    assert all(state.balance(account) >= 0 for account in accounts)
