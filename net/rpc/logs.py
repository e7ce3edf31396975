"""Which logs a client asks for, and where they stand."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from chain.block import ChainedHeader
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Hash32
from chain.receipt import Log, union_bloom
from net.rpc.blocks import Blocks, LoadedBlock
from net.rpc.encoding import Json, dump
from net.rpc.errors import failed, invalid_params, limited
from net.rpc.kinds import (
    ADDRESS_SCHEMA,
    HASH_SCHEMA,
    SELECTOR_SCHEMA,
    ByHash,
    Selector,
    Tag,
    decode_address,
    decode_hash,
    decode_selector,
)
from net.rpc.objects import Object, log_json
from net.rpc.policy import RpcLimits
from net.rpc.registry import Kind

BLOOMS_REMEMBERED = 65_536
"""Blocks whose union of blooms is remembered, so that a second scan reads no receipts: under 20 MB."""

_NO_LOGS = bytes(256)

MAX_TOPICS = 4
"""Positions of topics in a log (yellow paper 4.3.1)."""


@dataclass(frozen=True, slots=True)
class LogCriteria:
    """What a log must be."""

    first: Selector | None
    """First block; None for the latest."""
    last: Selector | None
    block: ByHash | None
    """The one block asked for, instead of a range."""
    addresses: frozenset[Address]
    """Empty for any."""
    topics: tuple[frozenset[Hash32], ...]
    """By position, alternatives; an empty set for any."""

    @property
    def parts(self) -> int:
        """Number of addresses and topics: what keeping it costs."""
        return len(self.addresses) + sum(len(wanted) for wanted in self.topics)

    def wants(self, log: Log) -> bool:
        """Tell whether a log is meant."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(not wanted or log.topics[place] in wanted for place, wanted in enumerate(self.topics))

    def may_be_in(self, bloom: bytes) -> bool:
        """Tell whether a block whose blooms unite to `bloom` can have such a log; without any log it has none."""
        if not any(bloom):
            return False
        if self.addresses and not any(_in_bloom(address, bloom) for address in self.addresses):
            return False
        return all(not wanted or any(_in_bloom(topic, bloom) for topic in wanted) for wanted in self.topics)


def _in_bloom(value: bytes, bloom: bytes) -> bool:
    digest = keccak256(value)
    for place in (0, 2, 4):
        bit = int.from_bytes(digest[place : place + 2], "big") & 2047
        if not bloom[255 - bit // 8] & (1 << bit % 8):
            return False
    return True


CRITERIA_SCHEMA: dict[str, Json] = {
    "type": "object",
    "title": "log filter",
    "properties": {
        "fromBlock": SELECTOR_SCHEMA,
        "toBlock": SELECTOR_SCHEMA,
        "blockHash": HASH_SCHEMA,
        "address": {"anyOf": [ADDRESS_SCHEMA, {"type": "array", "items": ADDRESS_SCHEMA}, {"type": "null"}]},
        "topics": {
            "type": "array",
            "maxItems": MAX_TOPICS,
            "items": {"anyOf": [HASH_SCHEMA, {"type": "array", "items": HASH_SCHEMA}, {"type": "null"}]},
        },
    },
}


def criteria_kind(limits: RpcLimits) -> Kind:
    """Return the kind of log filters that keep to the limits."""

    def decode(value: object) -> LogCriteria:
        if not isinstance(value, dict):
            raise invalid_params("invalid argument: a filter object expected")
        first, last, block = value.get("fromBlock"), value.get("toBlock"), value.get("blockHash")
        if block is not None and (first is not None or last is not None):
            raise invalid_params("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
        return LogCriteria(
            first=None if first is None else decode_selector(first),
            last=None if last is None else decode_selector(last),
            block=None if block is None else ByHash(decode_hash(block)),
            addresses=frozenset(decode_address(item) for item in _alternatives(value.get("address"), limits)),
            topics=_topics(value.get("topics"), limits),
        )

    return Kind("LogFilter", CRITERIA_SCHEMA, decode)


def _alternatives(value: object, limits: RpcLimits) -> list[object]:
    items: list[object] = [] if value is None else value if isinstance(value, list) else [value]
    if len(items) > limits.log_criteria:
        raise invalid_params(f"invalid argument: more than {limits.log_criteria} alternatives")
    return items


def _topics(value: object, limits: RpcLimits) -> tuple[frozenset[Hash32], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_TOPICS:
        raise invalid_params(f"invalid argument: topics is an array of at most {MAX_TOPICS} positions")
    topics = []
    for position in value:
        wanted = _alternatives(position, limits)
        # a null among the alternatives stands for any topic
        topics.append(frozenset() if None in wanted else frozenset(decode_hash(item) for item in wanted))
    return tuple(topics)


def logs_of(loaded: LoadedBlock, criteria: LogCriteria) -> Iterator[Object]:
    """Yield a block's logs that are meant, in their order."""
    if not criteria.may_be_in(loaded.bloom):
        return
    log_index = 0
    for tx_index, receipt in enumerate(loaded.receipts):
        for log in receipt.logs:
            if criteria.wants(log):
                yield log_json(log, loaded, tx_index, log_index)
            log_index += 1


class LogTexts:
    """A block's logs as JSON texts: each is made once and held once, however many filters want it."""

    def __init__(self, loaded: LoadedBlock, *, removed: bool) -> None:
        self._loaded = loaded
        self._removed = removed
        self._texts: dict[int, bytes] = {}

    def wanted(self, criteria: LogCriteria) -> Iterator[bytes]:
        """Yield the logs that are meant, in their order."""
        if not criteria.may_be_in(self._loaded.bloom):
            return
        log_index = 0
        for tx_index, receipt in enumerate(self._loaded.receipts):
            for log in receipt.logs:
                if criteria.wants(log):
                    text = self._texts.get(log_index)
                    if text is None:
                        text = dump(log_json(log, self._loaded, tx_index, log_index, removed=self._removed))
                        self._texts[log_index] = text
                    yield text
                log_index += 1


class LogScanner:
    """Finds logs in stored blocks; for worker threads."""

    def __init__(self, blocks: Blocks, limits: RpcLimits, *, remembered: int = BLOOMS_REMEMBERED) -> None:
        self._blocks = blocks
        self._limits = limits
        self._remembered = remembered
        self._lock = Lock()
        self._blooms: OrderedDict[Hash32, bytes] = OrderedDict()

    def scan(self, criteria: LogCriteria) -> list[Object]:
        """Return the logs that are meant, oldest first. Raises `RpcError` past the limits, naming the one to keep."""
        if criteria.block is not None:
            block = self._blocks.find(criteria.block)
            if block is None:
                raise failed("unknown block")
            return list(logs_of(self._blocks.load(block), criteria))
        first, last = self._range(criteria)
        if last - first >= self._limits.log_blocks:
            raise limited(f"query spans over {self._limits.log_blocks} blocks, ask for less at once")
        found: list[Object] = []
        receipts_read = 0
        for height in range(first, last + 1):
            chained = self._blocks.chain.header_at(height)
            if chained is None:
                break
            if not chained.header.gas_used:
                continue
            bloom, read = self._bloom(chained)
            if criteria.may_be_in(bloom):
                loaded = self._blocks.load(chained)
                read = len(loaded.receipts)  # loading costs more than the bloom, remembered or not
                found.extend(logs_of(loaded, criteria))
            receipts_read += read
            if len(found) > self._limits.log_results:
                raise limited(f"query returned more than {self._limits.log_results} results")
            if receipts_read > self._limits.log_receipts:
                raise limited(f"query reads over {self._limits.log_receipts} receipts, ask for fewer blocks at once")
        return found

    def _bloom(self, chained: ChainedHeader) -> tuple[bytes, int]:
        """Return the union of a block's blooms, and how many receipts had to be read for it."""
        with self._lock:
            bloom = self._blooms.get(chained.id)
            if bloom is not None:
                self._blooms.move_to_end(chained.id)
                return bloom, 0
        receipts = self._blocks.chain.receipts(chained)
        union = union_bloom(receipt.bloom for receipt in receipts)
        bloom = union if any(union) else _NO_LOGS
        with self._lock:
            self._blooms[chained.id] = bloom
            if len(self._blooms) > self._remembered:
                self._blooms.popitem(last=False)
        return bloom, len(receipts)

    def _range(self, criteria: LogCriteria) -> tuple[int, int]:
        head = self._blocks.chain.head().height
        first, last = self._height(criteria.first), self._height(criteria.last)
        if first > last:
            raise invalid_params("invalid block range params")
        return first, min(last, head)  # clients ask past the head: there is nothing yet

    def _height(self, selector: Selector | None) -> int:
        if isinstance(selector, int):
            return selector
        return self._blocks.require(Tag.LATEST if selector is None else selector).height
