"""The pool's rules one by one; their texts are what wallets sort errors by."""

import pytest

from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.primitives.units import GWEI, Address, Gas, Millis, Wei
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import PARAMS
from tests.helpers.mempool_fakes import FakeAccounts, FakeJournal, plain, sender
from tests.helpers.transactions import address_of_key, key_of, sign

NOW = Millis(1_000_000)
BASE = Wei(GWEI)
DEFAULTS = MempoolPolicy()


class Bench:
    """A pool with its fakes."""

    def __init__(self, policy: MempoolPolicy = DEFAULTS) -> None:
        self.accounts = FakeAccounts()
        self.journal = FakeJournal()
        self.policy = policy
        self.pool = Mempool(PARAMS, self.policy, self.journal, accounts=self.accounts, base_fee=BASE)

    def restarted(self) -> Mempool:
        """Return a pool that has taken what the journal holds."""
        pool = Mempool(PARAMS, self.policy, self.journal, accounts=self.accounts, base_fee=BASE)
        pool.restore(NOW)
        return pool

    def add(self, *signed: SignedTransaction, local: bool = False) -> None:
        for item in signed:
            self.pool.add(item, NOW, local=local)

    def refusal(self, signed: SignedTransaction) -> tuple[TxRule, str]:
        with pytest.raises(InvalidTransaction) as caught:
            self.pool.add(signed, NOW, local=False)
        return caught.value.rule, str(caught.value)

    def mine(self, *applied: SignedTransaction, undone: tuple[SignedTransaction, ...] = (), now: Millis = NOW) -> None:
        for signed in undone:
            self.accounts.nonces[signed.sender] = min(self.accounts.nonces[signed.sender], signed.tx.nonce)
        for signed in applied:
            self.accounts.nonces[signed.sender] = signed.tx.nonce + 1
        self.pool.head_changed(applied, undone, accounts=self.accounts, base_fee=BASE, now=now)

    def order(self, base_fee: int = GWEI) -> list[SignedTransaction]:
        return list(self.pool.pending(Wei(base_fee)))


@pytest.mark.parametrize(
    ("signed", "rule"),
    [
        (plain(1, 0, gas=20_999), TxRule.INTRINSIC_GAS),
        (plain(1, 0, gas=PARAMS.gas_limit + 1), TxRule.GAS_LIMIT),
        (plain(1, 0, tip=4 * GWEI), TxRule.TIP_ABOVE_FEE),
        (plain(1, 0, fee=GWEI - 1, tip=GWEI - 1), TxRule.FEE_BELOW_BASE),
        (plain(1, 0, tip=999_999), TxRule.UNDERPRICED),
        (plain(1, 0, size=200_000), TxRule.SIZE),
        (plain(1, 0, value=10**24), TxRule.FUNDS),
        (plain(1, 1_025), TxRule.NONCE_HIGH),
    ],
)
def test_a_transaction_that_breaks_a_rule_is_refused_by_its_name(signed: SignedTransaction, rule: TxRule) -> None:
    bench = Bench()
    assert bench.refusal(signed)[0] is rule
    assert bench.pool.statistics().refused == {rule.name: 1}
    assert bench.pool.statistics().pending == 0


def test_texts_are_those_wallets_know() -> None:
    bench = Bench()
    bench.accounts.nonces[sender(1)] = 1
    bench.add(plain(1, 1))
    assert bench.refusal(plain(1, 0))[1].startswith("nonce too low")
    assert bench.refusal(plain(1, 1))[1].startswith("already known")
    assert bench.refusal(plain(1, 1, salt=1))[1].startswith("replacement transaction underpriced")
    assert bench.refusal(plain(1, 2, value=10**25))[1].startswith("insufficient funds for gas * price + value")


def test_exactly_ten_percent_more_on_both_fees_replaces() -> None:
    bench = Bench()
    old = plain(1, 0, tip=10 * GWEI, fee=20 * GWEI)
    bench.add(old)
    assert bench.refusal(plain(1, 0, tip=11 * GWEI, fee=22 * GWEI - 1))[0] is TxRule.REPLACEMENT
    assert bench.refusal(plain(1, 0, tip=11 * GWEI - 1, fee=22 * GWEI))[0] is TxRule.REPLACEMENT
    new = plain(1, 0, tip=11 * GWEI, fee=22 * GWEI)
    added = bench.pool.add(new, NOW, local=False)
    assert added.replaced == old
    assert added.pending
    assert bench.order() == [new]
    assert bench.pool.get(old.tx.hash) is None


def test_a_gap_waits_and_is_promoted_when_filled() -> None:
    bench = Bench()
    late = plain(1, 1)
    assert not bench.pool.add(late, NOW, local=False).pending
    assert bench.order() == []
    assert bench.pool.next_nonce(sender(1)) == 0
    first = plain(1, 0)
    assert bench.pool.add(first, NOW, local=False).promoted == (first, late)
    assert bench.order() == [first, late]
    assert bench.pool.next_nonce(sender(1)) == 2


def test_the_balance_covers_all_of_a_senders_transactions_together() -> None:
    bench = Bench()
    bench.accounts.balances[sender(1)] = Wei(2 * 21_000 * 3 * GWEI + 10)
    bench.add(plain(1, 0, value=5))
    bench.add(plain(1, 1, value=5))
    assert bench.refusal(plain(1, 2))[0] is TxRule.FUNDS
    # a replacement is charged for the difference alone
    assert bench.refusal(plain(1, 1, value=5, tip=2 * GWEI, fee=4 * GWEI))[0] is TxRule.FUNDS
    bench.accounts.balances[sender(1)] = Wei(10**20)
    bench.mine()
    bench.add(plain(1, 1, value=5, tip=2 * GWEI, fee=4 * GWEI))


def test_best_tip_first_each_sender_in_order() -> None:
    bench = Bench()
    cheap_then_dear = (plain(1, 0, tip=GWEI), plain(1, 1, tip=9 * GWEI, fee=20 * GWEI))
    middle, capped = plain(2, 0, tip=2 * GWEI), plain(3, 0, tip=3 * GWEI, fee=3 * GWEI)
    bench.add(*cheap_then_dear, middle, capped)
    assert bench.order() == [middle, capped, *cheap_then_dear]  # by effective tip: both 2 gwei, then by arrival
    # at a base fee of 3 gwei nothing is left for a tip but of nonce 1, which must wait for nonce 0
    assert bench.order(3 * GWEI) == [cheap_then_dear[0], cheap_then_dear[1], middle, capped]
    assert bench.order(4 * GWEI) == []


def test_ties_go_by_arrival() -> None:
    bench = Bench()
    some = [plain(who, 0) for who in (5, 3, 9, 1)]
    bench.add(*some)
    assert bench.order() == some


def test_by_merit_tells_everything_in_an_order_that_another_pool_takes() -> None:
    bench = Bench()
    bench.accounts.nonces[sender(1)] = 3
    best, low_first = plain(2, 0, tip=5 * GWEI, fee=9 * GWEI), plain(1, 3, tip=2 * GWEI, fee=9 * GWEI)
    high_next = plain(1, 4, tip=8 * GWEI, fee=9 * GWEI)
    too_poor, after_it = plain(3, 0, fee=GWEI, tip=1_000_000), plain(3, 1, tip=8 * GWEI, fee=9 * GWEI)
    gap, behind_it = plain(4, 2, tip=9 * GWEI, fee=9 * GWEI), plain(4, 3, tip=9 * GWEI, fee=9 * GWEI)
    bench.add(behind_it, gap, after_it, too_poor, high_next, low_first, best)
    bench.pool.head_changed((), (), accounts=bench.accounts, base_fee=Wei(2 * GWEI), now=NOW)
    assert list(bench.pool.by_merit()) == [best, low_first, high_next, too_poor, after_it, gap, behind_it]


def test_own_transactions_are_told_apart() -> None:
    bench = Bench()
    own, others = plain(1, 0), plain(2, 0)
    bench.add(own, local=True)
    bench.add(others)
    assert [bench.pool.is_local(signed.tx.hash) for signed in (own, others, plain(3, 0))] == [True, False, False]


def test_the_lowest_tip_leaves_a_full_pool_and_takes_no_dependent_with_it() -> None:
    bench = Bench(MempoolPolicy(max_transactions=4))
    chain = [plain(1, 0, tip=2 * GWEI), plain(1, 1, tip=9 * GWEI, fee=20 * GWEI)]
    others = [plain(2, 0, tip=3 * GWEI, fee=9 * GWEI), plain(3, 0, tip=5 * GWEI, fee=9 * GWEI)]
    bench.add(*chain, *others)
    added = bench.pool.add(plain(4, 0, tip=4 * GWEI, fee=9 * GWEI), NOW, local=False)
    # nonce 1 can only be mined after the tip of 2 gwei below it: it is worth no more, and goes before what it needs
    assert added.evicted == (chain[1].tx.hash,)
    assert bench.refusal(plain(5, 0, tip=2 * GWEI))[0] is TxRule.UNDERPRICED
    assert len(bench.order()) == 4


def test_queued_leave_before_pending() -> None:
    bench = Bench(MempoolPolicy(max_transactions=2))
    bench.add(plain(1, 5, tip=9 * GWEI, fee=20 * GWEI), plain(2, 0))
    added = bench.pool.add(plain(3, 0), NOW, local=False)
    assert len(added.evicted) == 1
    assert bench.pool.statistics().queued == 0


def test_bytes_are_bounded_too() -> None:
    bench = Bench(MempoolPolicy(max_bytes=10_000))
    for who in range(1, 30):
        bench.pool.add(plain(who, 0, size=900, tip=(who + 1) * GWEI, fee=99 * GWEI), NOW, local=False)
    statistics = bench.pool.statistics()
    assert statistics.size_bytes <= 10_000
    assert statistics.evicted > 15
    assert bench.order()[0].sender == sender(29)


def test_one_sender_cannot_fill_the_pool_nor_block_itself() -> None:
    bench = Bench(MempoolPolicy(max_per_sender=3))
    bench.add(plain(1, 1), plain(1, 2), plain(1, 3))
    assert bench.refusal(plain(1, 4))[0] is TxRule.ACCOUNT_LIMIT
    bench.add(plain(1, 0))
    assert [signed.tx.nonce for signed in bench.order()] == [0, 1, 2]


def test_mined_leave_and_undone_come_back() -> None:
    bench = Bench()
    first, second = plain(1, 0), plain(1, 1)
    bench.add(first, second)
    bench.mine(first)
    assert bench.order() == [second]
    changed = bench.pool.head_changed((), (), accounts=bench.accounts, base_fee=BASE, now=NOW)
    assert (changed.mined, changed.dropped, changed.restored) == (0, (), ())
    bench.mine(undone=(first,))
    assert bench.order() == [first, second]


def test_what_another_branch_mined_is_not_taken_back() -> None:
    bench = Bench()
    first, other = plain(1, 0), plain(1, 0, salt=1)
    bench.add(first)
    bench.mine(first)
    bench.mine(other, undone=(first,))
    assert bench.order() == []


def test_a_sender_that_became_poor_loses_its_last_ones() -> None:
    bench = Bench()
    bench.add(plain(1, 0), plain(1, 1), plain(1, 2))
    spent = plain(1, 0, salt=1)
    bench.accounts.balances[sender(1)] = Wei(21_000 * 3 * GWEI)
    bench.mine(spent)
    assert [signed.tx.nonce for signed in bench.order()] == [1]


def test_queued_ones_expire() -> None:
    bench = Bench()
    bench.add(plain(1, 1), plain(2, 0))
    bench.mine(now=Millis(NOW + bench.policy.queue_lifetime + 1))
    assert bench.pool.statistics().queued == 0
    assert bench.pool.statistics().pending == 1


def test_fee_statistics_tell_what_fills_the_coming_blocks() -> None:
    bench = Bench()
    gas = Gas(PARAMS.gas_limit // 4)
    for who in range(1, 7):
        bench.add(plain(who, 0, tip=who * GWEI, fee=50 * GWEI, gas=gas))
    statistics = bench.pool.fee_statistics(BASE)
    assert statistics.pending == 6
    assert statistics.pending_gas == 6 * gas
    assert statistics.tips == (3 * GWEI, 0, 0, 0, 0)


def test_content_tells_pending_from_queued() -> None:
    bench = Bench()
    first, late = plain(1, 0), plain(1, 2)
    bench.add(first, late)
    assert bench.pool.content() == {sender(1): ((first,), (late,))}
    assert bench.pool.is_pending(first.tx.hash)
    assert not bench.pool.is_pending(late.tx.hash)
    assert bench.pool.is_settled(first.tx.hash, 0, NOW)
    assert not bench.pool.is_settled(first.tx.hash, 1, NOW)


def test_next_nonce_follows_the_chain_between_heads() -> None:
    bench = Bench()
    assert bench.pool.next_nonce(Address(bytes(20))) == 0
    bench.add(plain(1, 0))
    bench.mine()
    bench.accounts.nonces[sender(1)] = 5
    assert bench.pool.next_nonce(sender(1)) == 5


def signed_by(number: int, nonce: int, tip: int = GWEI) -> SignedTransaction:
    return sign(key_of(number), to=sender(9), nonce=nonce, tip=tip, max_fee=3 * tip)


def test_what_rpc_accepted_is_in_the_journal_when_add_returns_and_survives_a_restart() -> None:
    bench = Bench()
    own = [signed_by(1, 0), signed_by(1, 1)]
    bench.add(*own, local=True)
    bench.add(signed_by(2, 0))
    assert [raw for _, raw in bench.journal.records()] == [signed.tx.raw for signed in own]
    again = Mempool(PARAMS, bench.policy, bench.journal, accounts=bench.accounts, base_fee=BASE)
    assert again.restore(NOW) == tuple(own)
    assert list(again.pending(BASE)) == own
    assert again.local() == tuple(own)


def test_the_journal_forgets_what_is_replaced_evicted_or_long_mined() -> None:
    bench = Bench(MempoolPolicy(journal_heads=2))
    first, better = signed_by(1, 0), signed_by(1, 0, tip=2 * GWEI)
    bench.add(first, better, local=True)
    assert list(bench.journal.kept.values()) == [better.tx.raw]
    bench.mine(better)
    assert len(bench.journal.kept) == 1
    bench.mine(undone=(better,))
    assert bench.pool.local() == (better,)
    bench.mine(better)
    for _ in range(3):
        bench.mine()
    assert not bench.journal.kept


def test_a_restart_forgets_what_is_unreadable() -> None:
    bench = Bench()
    bench.journal.append(7, b"\x02garbage")
    again = bench.restarted()
    assert again.local() == ()
    assert not bench.journal.kept
    again.add(signed_by(1, 1), NOW, local=True)
    assert min(bench.journal.kept) > 7


def test_what_was_mined_before_a_restart_is_kept_in_case_its_block_is_undone() -> None:
    bench = Bench(MempoolPolicy(journal_heads=2))
    own = signed_by(1, 0)
    bench.add(own, local=True)
    bench.mine(own)
    bench.pool = bench.restarted()
    assert bench.pool.local() == ()
    bench.mine(undone=(own,))
    assert bench.pool.local() == (own,)
    assert bench.restarted().local() == (own,)
    bench.mine(own)
    bench.pool = bench.restarted()
    for _ in range(3):
        bench.mine()
    assert not bench.journal.kept


def test_a_full_journal_survives_a_restart_whole() -> None:
    bench = Bench(MempoolPolicy(max_journal=2))
    own = (signed_by(1, 0), signed_by(1, 1))
    bench.add(*own, local=True)
    assert bench.restarted().local() == own


def test_what_a_restart_refused_is_journalled_when_it_is_accepted_later() -> None:
    bench = Bench()
    own, poor = signed_by(1, 0), address_of_key(key_of(1))
    bench.add(own, local=True)
    bench.accounts.balances[poor] = Wei(0)
    bench.pool = bench.restarted()
    assert not bench.journal.kept
    assert bench.pool.statistics().journalled == 0
    del bench.accounts.balances[poor]
    bench.mine()
    bench.add(own, local=True)
    assert bench.restarted().local() == (own,)


def test_a_full_journal_refuses_and_changes_nothing() -> None:
    bench = Bench(MempoolPolicy(max_journal=1))
    bench.add(signed_by(1, 0), local=True)
    with pytest.raises(InvalidTransaction, match="txpool is full"):
        bench.pool.add(signed_by(2, 0), NOW, local=True)
    assert bench.pool.statistics().pending == 1
    assert len(bench.journal.kept) == 1
