"""The exchange: one class that a driver holds."""

from collections.abc import Sequence
from random import Random

from chain.block import Block
from chain.exchange.effects import Effect, Tag
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource, ImportOutcome, PoolReader, StakeSource
from chain.exchange.topics import Topic
from chain.params import ChainParams
from chain.ports import SealRules
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from chain.rules import InvalidBlock, InvalidTransaction
from chain.transaction import SignedTransaction, Transaction


class Exchange:
    """What this node says to its neighbours about blocks and transactions, and what it does about what they say."""

    def __init__(
        self,
        params: ChainParams,
        policy: ExchangePolicy,
        rules: SealRules,
        *,
        source: BlockSource,
        stakes: StakeSource,
        pool: PoolReader,
        rng: Random,
    ) -> None:
        raise NotImplementedError

    def link_up(self, peer: PeerId, now: Millis) -> list[Effect]:
        """A neighbour can be talked to."""
        raise NotImplementedError

    def link_down(self, peer: PeerId, now: Millis) -> list[Effect]:
        """A neighbour is gone; what it owed goes to others."""
        raise NotImplementedError

    def validate(self, topic: Topic, key: bytes, payload: bytes, sender: PeerId, now: Millis) -> list[Effect]:
        """Judge a published message; a `Verdict` for `key` comes out now or later."""
        raise NotImplementedError

    def requested(self, request: int, topic: Topic, peer: PeerId, payload: bytes, now: Millis) -> list[Effect]:
        """Answer a peer's request: `Reply` or `Refuse`, at once."""
        raise NotImplementedError

    def responded(self, tag: Tag, payload: bytes, now: Millis) -> list[Effect]:
        """Take the answer to an `Ask`."""
        raise NotImplementedError

    def request_failed(self, tag: Tag, reason: str, now: Millis) -> list[Effect]:
        """An `Ask` got no answer: refused, silent, or the peer is gone."""
        raise NotImplementedError

    def seals_checked(self, tag: Tag, results: Sequence[InvalidBlock | None], now: Millis) -> list[Effect]:
        """Take the result of `CheckSeals`, one per header in order."""
        raise NotImplementedError

    def senders_recovered(
        self, tag: Tag, results: Sequence[SignedTransaction | InvalidTransaction], now: Millis
    ) -> list[Effect]:
        """Take the result of `RecoverSenders`, one per transaction in order."""
        raise NotImplementedError

    def body_checked(self, tag: Tag, result: tuple[SignedTransaction, ...] | InvalidBlock, now: Millis) -> list[Effect]:
        """Take the result of `CheckBody`."""
        raise NotImplementedError

    def imported(self, tag: Tag, outcome: ImportOutcome, now: Millis) -> list[Effect]:
        """Take what the importer said of an `Import`."""
        raise NotImplementedError

    def transaction_added(self, tag: Tag, error: InvalidTransaction | None, now: Millis) -> list[Effect]:
        """Take what the pool said of an `AddTransaction`."""
        raise NotImplementedError

    def found(self, block: Block, now: Millis) -> list[Effect]:
        """Take a block that this node's miner sealed: same path as a neighbour's."""
        raise NotImplementedError

    def submit(self, tx: Transaction, now: Millis) -> list[Effect]:
        """Publish a transaction that the pool has taken from this node's own user."""
        raise NotImplementedError

    def tick(self, now: Millis) -> list[Effect]:
        """Do what is due."""
        raise NotImplementedError

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work, None while nothing waits."""
        raise NotImplementedError
