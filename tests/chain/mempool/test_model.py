"""Any run of additions and heads keeps the pool's promises; a plain model says which."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.primitives.units import GWEI, Hash32, Millis, Wei
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import PARAMS
from tests.helpers.mempool_fakes import FakeAccounts, FakeJournal, plain, sender

COST = 21_000 * 10 * GWEI

additions = st.tuples(
    st.just("add"),
    st.builds(
        plain,
        st.integers(1, 4),
        st.integers(0, 6),
        tip=st.integers(1, 10).map(lambda tip: tip * GWEI),
        fee=st.just(10 * GWEI) | st.just(12 * GWEI),
        size=st.sampled_from((0, 300)),
        salt=st.integers(0, 3),
    ),
    st.booleans(),
)
heads = st.tuples(st.just("head"), st.integers(0, 5), st.booleans())
poverty = st.tuples(st.just("balance"), st.integers(1, 4), st.integers(0, 8))


def check(pool: Mempool, policy: MempoolPolicy, accounts: FakeAccounts, journal: FakeJournal) -> None:
    """Assert what must hold at any time."""
    content = pool.content()
    statistics = pool.statistics()
    pending = list(pool.pending(Wei(GWEI)))
    everything = [signed for lists in content.values() for some in lists for signed in some]
    assert len(everything) == len(set(pool.hashes())) == statistics.pending + statistics.queued
    assert statistics.size_bytes == sum(len(signed.tx.raw) for signed in everything)
    assert len(everything) <= policy.max_transactions
    assert statistics.size_bytes <= policy.max_bytes
    assert statistics.pending == len(pending) == sum(len(lists[0]) for lists in content.values())
    local = {signed.tx.raw for signed in pool.local()}
    assert local <= set(journal.kept.values())
    for address, (ready, waiting) in content.items():
        assert len(ready) + len(waiting) <= policy.max_per_sender
        nonces = [signed.tx.nonce for signed in ready]
        if nonces:
            assert nonces == list(range(nonces[0], nonces[0] + len(nonces)))
        # in the order of the pool a sender's nonces rise without a gap: nothing is offered before what it needs
        assert [signed for signed in pending if signed.sender == address] == list(ready)
        assert pool.next_nonce(address) >= accounts.nonces.get(address, 0)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(additions | heads | poverty, max_size=40))
def test_any_run_keeps_the_promises(steps: list[tuple[object, ...]]) -> None:
    accounts, journal = FakeAccounts(), FakeJournal()
    policy = MempoolPolicy(max_transactions=8, max_bytes=2_000, max_per_sender=4, journal_heads=2)
    pool = Mempool(PARAMS, policy, journal, accounts=accounts, base_fee=Wei(GWEI))
    mined: list[SignedTransaction] = []
    now = Millis(1_000)
    is_fresh = True
    for step in steps:
        now = Millis(now + 1_000)
        match step:
            case ("add", SignedTransaction() as signed, bool(local)):
                before = set(pool.hashes())
                owners = {tx_hash: found.sender for tx_hash in before if (found := pool.get(tx_hash))}
                lowest = _lowest_tip(pool)
                try:
                    added = pool.add(signed, now, local=local)
                except InvalidTransaction as error:
                    # a refusal changes nothing, but that the sender's account was read again
                    assert set(pool.hashes()) <= before
                    assert {tx_hash for tx_hash in before if owners[tx_hash] != signed.sender} <= set(pool.hashes())
                    assert not is_fresh or set(pool.hashes()) == before
                    if error.rule is TxRule.ALREADY_KNOWN:
                        assert signed.tx.hash in before
                else:
                    gone = before - set(pool.hashes())
                    expected = set(added.evicted) | ({added.replaced.tx.hash} if added.replaced else set())
                    assert expected <= gone
                    assert signed.tx.hash in set(pool.hashes())
                    if added.evicted and added.pending and lowest is not None:
                        assert signed.tx.max_priority_fee >= lowest
            case ("head", int(count), bool(undo)):
                undone = tuple(mined[-count:]) if undo and count else ()
                for signed in reversed(undone):
                    mined.remove(signed)
                    accounts.nonces[signed.sender] = signed.tx.nonce
                applied = [] if undo else list(pool.pending(Wei(GWEI)))[:count]
                for signed in applied:
                    mined.append(signed)
                    accounts.nonces[signed.sender] = signed.tx.nonce + 1
                pool.head_changed(applied, undone, accounts=accounts, base_fee=Wei(GWEI), now=now)
                _mined_are_gone(pool, [signed.tx.hash for signed in applied])
                for address, (ready, _) in pool.content().items():
                    assert not ready or ready[0].tx.nonce == accounts.nonces.get(address, 0)
            case ("balance", int(who), int(costs)):
                accounts.balances[sender(who)] = Wei(costs * COST)
                is_fresh = False
        check(pool, policy, accounts, journal)


def _lowest_tip(pool: Mempool) -> int | None:
    return min((signed.tx.max_priority_fee for signed in pool.pending(Wei(GWEI))), default=None)


def _mined_are_gone(pool: Mempool, hashes: list[Hash32]) -> None:
    assert not set(pool.hashes()) & set(hashes)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 20)), max_size=30))
def test_the_order_is_the_greedy_one(pairs: list[tuple[int, int]]) -> None:
    """At each step the best of all senders' next transactions is yielded."""
    pool = Mempool(PARAMS, MempoolPolicy(), FakeJournal(), accounts=FakeAccounts(), base_fee=Wei(GWEI))
    nonces: dict[int, int] = {}
    for who, tip in pairs:
        nonce = nonces.get(who, 0)
        pool.add(plain(who, nonce, tip=tip * GWEI, fee=100 * GWEI), Millis(0), local=False)
        nonces[who] = nonce + 1
    queues = {address: list(ready) for address, (ready, _) in pool.content().items()}
    for signed in pool.pending(Wei(GWEI)):
        best = max(queue[0].tx.max_priority_fee for queue in queues.values() if queue)
        assert signed.tx.max_priority_fee == best
        assert queues[signed.sender].pop(0) == signed
    assert not any(queues.values())
