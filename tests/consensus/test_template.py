from dataclasses import replace

from chain.block import Block, ChainedHeader, SealedHeader, encode_header
from chain.execution import verify_block
from chain.primitives.units import Address, Gas, Hash32, Wei
from chain.state import State
from chain.transaction import TX_GAS
from consensus.miner import Candidate
from consensus.rules import ConsensusRules
from consensus.seal import seal_hash
from consensus.template import MISSES_MAX, build_candidate, shortlist
from tests.consensus.networks import epoch_stake
from tests.helpers.networks import payment, small_genesis

GENESIS = small_genesis()
PARENT = GENESIS.chained
STAKE = epoch_stake({1: 1})
MINER = Address(b"\x55" * 20)


class Nodes:
    def trie_node(self, node_hash: Hash32) -> bytes | None:
        return GENESIS.trie_nodes.get(node_hash)


def state() -> State:
    return State(Nodes(), PARENT.header.state_root)


def candidate(*pending: object) -> Candidate:
    return build_candidate(
        GENESIS.params,
        parent=PARENT,
        state=state(),
        stake=STAKE,
        draw=None,
        pending=pending,  # type: ignore[arg-type]
        miner=MINER,
    )


def sealed(made: Candidate) -> tuple[Block, ChainedHeader]:
    pow_hash = seal_hash(GENESIS.params, encode_header(made.header))
    header = SealedHeader(made.header, pow_hash, made.ticket)
    return Block(header, made.transactions), ConsensusRules(GENESIS.params).chain(header, PARENT)


def test_an_empty_candidate_is_a_valid_block_once_sealed() -> None:
    block, chained = sealed(candidate())
    assert chained.height == 1
    assert (
        verify_block(state(), PARENT.header, block.sealed, [], GENESIS.params).state_root == chained.header.state_root
    )


def test_what_cannot_be_executed_is_left_out_with_all_that_follows_by_nonce() -> None:
    good = [payment(GENESIS, 0, 0), payment(GENESIS, 0, 1)]
    poor = [payment(GENESIS, 9, 0), payment(GENESIS, 9, 1)]  # has no coins
    gap = [payment(GENESIS, 1, 1), payment(GENESIS, 1, 0)]  # the pool never yields this, but it must not matter
    made = candidate(*poor, *good, *gap)
    assert [tx.hash for tx in made.transactions] == [signed.tx.hash for signed in good]
    block, _ = sealed(made)
    verify_block(state(), PARENT.header, block.sealed, good, GENESIS.params)


def test_transactions_that_ask_for_a_whole_block_do_not_keep_the_others_out() -> None:
    # Plain payments use 21,000 gas whatever they ask for, so that each of these costs its sender next to nothing.
    limit = GENESIS.params.gas_limit
    greedy = [payment(GENESIS, number, 0, gas=limit) for number in range(10, 10 + MISSES_MAX + 2)]
    others = [payment(GENESIS, 0, 0), payment(GENESIS, 1, 0)]
    rich = state()
    for signed in greedy:
        rich.set_balance(signed.sender, Wei(limit * signed.tx.max_fee + signed.tx.value))
    made = build_candidate(
        GENESIS.params,
        parent=PARENT,
        state=rich,
        stake=STAKE,
        draw=None,
        pending=[*greedy, *others],
        miner=MINER,
    )
    assert [tx.hash for tx in made.transactions] == [signed.tx.hash for signed in (greedy[0], *others)]


def test_the_shortlist_passes_over_what_cannot_fit_whatever_it_bids() -> None:
    limit = GENESIS.params.gas_limit
    greedy = [payment(GENESIS, number, nonce, gas=limit) for number in range(10, 14) for nonce in range(3)]
    others = [payment(GENESIS, 0, 0), payment(GENESIS, 1, 0), payment(GENESIS, 2, 0)]
    assert shortlist(iter([*greedy, *others]), GENESIS.params, most=3) == (greedy[0], *others[:2])
    assert shortlist(iter(others), GENESIS.params, most=0) == ()


def test_the_shortlist_is_read_no_further_than_a_full_block() -> None:
    params = replace(GENESIS.params, gas_limit=Gas(3 * TX_GAS + 100))
    pending = (payment(GENESIS, number % 4, number // 4) for number in range(8))
    assert len(shortlist(pending, params, most=8)) == 3
    assert len(list(pending)) >= 4
