"""How fast the mempool is: additions, the order for a template, a new head, the journal's part.

Run: python -m bench.mempool [--transactions 16000] [--senders 4000]
"""

import argparse
import time
from collections.abc import Callable
from random import Random

from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.primitives.units import GWEI, Millis, Wei
from chain.rules import InvalidTransaction
from tests.helpers.exchange_chain import PARAMS
from tests.helpers.mempool_fakes import FakeAccounts, FakeJournal, plain

NOW = Millis(1_000_000)


def timed(label: str, count: int, work: Callable[[], object]) -> None:
    """Run once and print the time per item."""
    begun = time.perf_counter()
    work()
    spent = time.perf_counter() - begun
    print(f"{label:<58} {spent * 1e3:9.1f} ms  {spent / count * 1e6:8.2f} µs each  {count / spent:10,.0f}/s")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=16_000)
    parser.add_argument("--senders", type=int, default=4_000)
    arguments = parser.parse_args()
    count, senders = arguments.transactions, arguments.senders
    rng = Random(1)
    transactions = [
        plain(index % senders + 1, index // senders, tip=rng.randrange(1, 100) * GWEI, fee=200 * GWEI)
        for index in range(count)
    ]
    better = [
        plain(index + 10**6, 0, tip=rng.randrange(100, 200) * GWEI, fee=300 * GWEI) for index in range(count // 4)
    ]
    accounts = FakeAccounts()
    pool = Mempool(PARAMS, MempoolPolicy(max_transactions=count), FakeJournal(), accounts=accounts, base_fee=Wei(GWEI))

    def add_all() -> None:
        for signed in transactions:
            pool.add(signed, NOW, local=False)

    def add_again() -> None:
        for signed in transactions:
            try:
                pool.precheck(signed.tx)
            except InvalidTransaction:
                continue

    def push_out() -> None:
        for signed in better:
            pool.add(signed, NOW, local=False)

    timed("add to an empty pool (sender known)", count, add_all)
    timed("refuse what is known", count, add_again)
    timed("add to a full pool, one leaves for each", len(better), push_out)
    block = list(pool.pending(Wei(GWEI)))[:5_000]
    timed("all pending, best first", len(pool.hashes()), lambda: list(pool.pending(Wei(GWEI))))
    timed("fee statistics", len(pool.hashes()), lambda: pool.fee_statistics(Wei(GWEI)))
    for signed in block:
        accounts.nonces[signed.sender] = signed.tx.nonce + 1
    timed(
        "new head that mines 5,000 of them",
        len(block),
        lambda: pool.head_changed(block, (), accounts=accounts, base_fee=Wei(GWEI), now=NOW),
    )


if __name__ == "__main__":
    main()
