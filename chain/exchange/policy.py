"""What this node prefers to relay, keep and answer; all of it can be configured, none of it makes a block invalid."""

from dataclasses import dataclass

from chain.primitives.units import Millis

CLOCKS_APART = 20_000
"""How far apart, ms, two mesh clocks may be that have agreed, each to 10 s."""


@dataclass(frozen=True, slots=True)
class ExchangePolicy:
    """The operator's settings of the exchange."""

    pre_relay: Millis = Millis(5_000)
    """PRE_RELAY: a block is relayed this long before it is ripe (rule 5); devnet 500."""
    max_ahead: Millis = Millis(30_000)
    """A block that ripens further ahead is dropped without blame (rule 5 says 600,000 at most); devnet 20,000. Others
    relay it `pre_relay` ahead. Within ten minutes anybody finds blocks with a few hashes each that the next honest one
    beats long before they are ripe: sent worst first, each is the best so far, to be fetched, executed and stored."""
    status_interval: Millis = Millis(30_000)
    """How often a neighbour is asked for its head; devnet 3,000."""
    serve_bytes_per_second: int = 1_000_000
    """Bytes of answers per second to one peer, and the most it can save up is four times that: half of what one
    link of a small device carries (DESIGN section 2, measured), so that serving never starves the blocks."""
    serve_requests_per_second: int = 20
    """Requests per second that one peer may make; four times that at once."""
    seal_checks_per_minute: int = 60
    """Argon2id checks per minute that one peer's announced headers may cost: 2 ms each, so 0.2 % of a core."""
    max_transactions_per_second: int = 200
    """Signature recoveries per second that one peer's transactions may cost: 65 µs each, so 1.3 % of a core."""

    @classmethod
    def for_block_time(cls, block_time: Millis) -> "ExchangePolicy":
        """Return the defaults scaled to a network's T_BLOCK: the stated ones at 120 s."""
        return cls(
            pre_relay=Millis(block_time // 24),
            max_ahead=Millis(max(CLOCKS_APART, block_time // 4)),
            status_interval=Millis(min(30_000, block_time // 4)),
        )
