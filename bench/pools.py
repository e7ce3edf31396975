"""What it costs a joiner and its neighbour that the joiner learns what waits: questions, bytes, CPU, by difference.

Run: python -m bench.pools [--transactions 4000] [--full 16384]
"""

import argparse
import time
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TypeVar

from chain.exchange.effects import AddTransaction, Ask, Effect, RecoverSenders, Refuse, Reply, Tag
from chain.exchange.exchange import Exchange
from chain.exchange.messages import PickRequest, WaitingRequest, decode_request
from chain.exchange.policy import ExchangePolicy
from chain.exchange.topics import FEATURES, Topic
from chain.exchange.work import recover_senders
from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.primitives.peer import PeerId
from chain.primitives.units import GWEI, Millis, Wei
from chain.rules import InvalidTransaction
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import GENESIS, PARAMS, SmallChain
from tests.helpers.mempool_fakes import FakeAccounts, FakeJournal
from tests.helpers.transactions import key_of, sign

Value = TypeVar("Value")

ROUND_TRIP = Millis(100)
START = Millis(GENESIS.time)
LONG_AGO = Millis(600_000)
PER_SENDER = 10
ABOUT_POOLS = (WaitingRequest, PickRequest)


class Side:
    """A node: a real exchange and a real pool; its loop and its workers are timed apart."""

    def __init__(self, number: int) -> None:
        self.peer = PeerId(bytes((number,)) * 32)
        chain = SmallChain()
        self.pool = Mempool(PARAMS, MempoolPolicy(), FakeJournal(), accounts=FakeAccounts(), base_fee=Wei(GWEI))
        self.exchange = Exchange(
            PARAMS,
            ExchangePolicy(),
            chain.rules,
            source=chain,
            stakes=chain,
            pool=self.pool,
            rng=Random(number),
            entropy=Random(f"entropy/{number}").randbytes,
        )
        self.loop_seconds = self.worker_seconds = self.longest = 0.0

    def timed(self, work: Callable[[], Value]) -> Value:
        """Do something on the node's loop."""
        begun = time.process_time()
        result = work()
        spent = time.process_time() - begun
        self.loop_seconds += spent
        self.longest = max(self.longest, spent)
        return result

    def add(self, effect: AddTransaction, now: Millis) -> list[Effect]:
        """Offer a transaction to the pool."""
        error: InvalidTransaction | None = None
        try:
            self.pool.add(effect.signed, now, local=False)
        except InvalidTransaction as refused:
            error = refused
        return self.exchange.transaction_added(effect.tag, error, now)


class Meeting:
    """A joiner and its neighbour, and what goes between them about their pools."""

    def __init__(self, joiner: Side, host: Side) -> None:
        self.joiner, self.host = joiner, host
        self.now = START
        self.questions = self.asked_bytes = self.answered_bytes = 0
        self._todo: deque[tuple[Side, Effect]] = deque()

    def run(self) -> None:
        """Link them and let the joiner ask."""
        for near, far in ((self.joiner, self.host), (self.host, self.joiner)):
            self._do(near, near.exchange.link_up(far.peer, self.now, features=FEATURES if near is self.joiner else 0))
        while not self.joiner.exchange.statistics().pools_reconciled:
            due = self.joiner.exchange.deadline()
            assert due is not None, "it has not asked yet"
            self.now = Millis(max(self.now, due))
            self._do(self.joiner, self.joiner.timed(lambda: self.joiner.exchange.tick(self.now)))

    def _do(self, side: Side, effects: list[Effect]) -> None:
        self._todo += [(side, effect) for effect in effects]
        while self._todo:
            self._one(*self._todo.popleft())

    def _one(self, side: Side, effect: Effect) -> None:
        match effect:
            case Ask(_, _, payload, tag):
                self._ask(side, payload, tag)
            case RecoverSenders(tag, transactions):
                begun = time.process_time()
                found = recover_senders(transactions)
                side.worker_seconds += time.process_time() - begun
                more = side.timed(lambda: side.exchange.senders_recovered(tag, found, self.now))
                self._todo += [(side, item) for item in more]
            case AddTransaction():
                self._todo += [(side, item) for item in side.timed(lambda: side.add(effect, self.now))]
            case _:
                raise AssertionError(f"nobody is at fault here: {effect}")

    def _ask(self, side: Side, payload: bytes, tag: Tag) -> None:
        other = self.host if side is self.joiner else self.joiner
        (answer,) = other.timed(lambda: other.exchange.requested(1, Topic.SYNC, side.peer, payload, self.now))
        about = isinstance(decode_request(payload), ABOUT_POOLS)
        self.now = Millis(self.now + ROUND_TRIP)
        match answer:
            case Reply(_, reply):
                if about:
                    self.questions += 1
                    self.asked_bytes += len(payload)
                    self.answered_bytes += len(reply)
                more = side.timed(lambda: side.exchange.responded(tag, reply, self.now))
            case Refuse(_, reason):
                more = side.timed(lambda: side.exchange.request_failed(tag, reason, self.now))
            case _:
                raise AssertionError("a question is answered or refused")
        self._todo += [(side, item) for item in more]


def transfers(count: int) -> list[SignedTransaction]:
    """Return transfers, ten of each sender."""
    rng = Random(1)
    tips = [rng.randrange(GWEI // 2, GWEI) for _ in range(count)]
    return [
        sign(key_of(1 + at // PER_SENDER), to=GENESIS.header.miner, nonce=at % PER_SENDER, tip=tips[at])
        for at in range(count)
    ]


def fill(side: Side, some: list[SignedTransaction]) -> None:
    """Let transactions wait for long."""
    for signed in some:
        side.pool.add(signed, Millis(START - LONG_AGO), local=False)


def meet(some: list[SignedTransaction], lacking: int) -> None:
    """Let a joiner that lacks the last so many meet a neighbour that has all, and print what it cost."""
    joiner, host = Side(1), Side(2)
    fill(host, some)
    fill(joiner, some[: len(some) - lacking])
    meeting = Meeting(joiner, host)
    meeting.run()
    assert set(joiner.pool.hashes()) == set(host.pool.hashes()), "all are here"
    size = sum(len(signed.tx.raw) for signed in some[len(some) - lacking :])
    total = meeting.asked_bytes + meeting.answered_bytes
    ratio = f"{total / size:8.2f}" if size else "       -"
    print(
        f"{len(some):6} {lacking:8} {meeting.questions:9} {meeting.asked_bytes:9} {meeting.answered_bytes:9} {ratio} "
        f"{joiner.loop_seconds * 1e3:9.1f} {joiner.longest * 1e3:8.1f} {joiner.worker_seconds * 1e3:8.1f} "
        f"{host.loop_seconds * 1e3:8.1f} {host.longest * 1e3:8.1f}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=4_000)
    parser.add_argument("--full", type=int, default=16_384)
    arguments = parser.parse_args()
    print(
        "ratio: bytes asked and answered over those of the transactions lacking; times in ms, the longest at a stretch"
    )
    print("  pool  lacking questions     asked  answered    ratio  joiner's  longest  workers   host's  longest")
    some = transfers(max(arguments.transactions, arguments.full))
    for count in (arguments.transactions, arguments.full):
        for lacking in (0, count // 100, count // 2, count):
            meet(some[:count], lacking)


if __name__ == "__main__":
    main()
