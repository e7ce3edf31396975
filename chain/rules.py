"""What makes a block or a transaction invalid, each rule by its own name. None of it can be configured.

The functions that check stand where the knowledge is (`transaction`, `execution`, `importer`, `consensus`); all of them
raise one of the two errors here, so that tests, logs and peers' strikes can tell the rules apart.
"""

from enum import Enum

from chain.primitives.errors import NodeError, Penalty, RemoteError


class Rule(Enum):
    """Names of the rules of a block; the value is the text shown to people."""

    # form
    VERSION = "unknown block version"
    BODY_SIZE = "encoded body too long"
    EXTRA_SIZE = "extra data too long"
    TRANSACTIONS_ROOT = "transactions root differs from the body"
    # chain
    HEIGHT = "height is not the parent's plus one"
    PARENT_TIME = "parent_time is not the parent's time"
    PARENT_ERR = "parent_err is not the parent's schedule error"
    GENESIS = "not this network's genesis block"
    INVALID_PARENT = "descends from an invalid block"
    # consensus
    MINED_AT = "mined_at is too early or out of range"
    SEAL_TOO_WEAK = "seal misses the target by more than the floor"
    FALSE_CLAIM = "claimed seal is not the header's hash"
    TOO_FAR_AHEAD = "ripe too far in the future"
    BAD_HANDICAP = "handicap is not what the ticket gives"
    BAD_STAKES = "stakes commitment differs from the registry's snapshot"
    BAD_MIX = "mix does not follow from the parent's"
    TICKET_COMMITMENT = "ticket differs from its commitment"
    TICKET_TOO_EARLY = "ticket before tickets are open"
    TICKET_UNKNOWN_KEY = "ticket key is not in the stake snapshot"
    TICKET_SIGNATURE = "ticket signature is wrong"
    TICKET_VRF = "ticket proof is wrong"
    TICKET_WORTHLESS = "ticket gives no lower handicap than none"
    # execution
    GAS_LIMIT = "transactions use more gas than a block may"
    BASE_FEE = "base fee does not follow from the parent's"
    TRANSACTION = "a transaction is invalid"
    GAS_USED = "gas used differs"
    STATE_ROOT = "state root differs"
    RECEIPTS_ROOT = "receipts root differs"


class TxRule(Enum):
    """Names of the rules of a transaction; the value is the text that RPC clients sort errors by."""

    ENCODING = "transaction cannot be decoded"
    TYPE = "transaction type not supported"
    SIZE = "oversized data"
    CHAIN_ID = "invalid chain id for signer"
    UNPROTECTED = "only replay-protected (EIP-155) transactions allowed over RPC"
    SIGNATURE = "invalid sender"
    CREATION = "contract creation is not supported: this chain has no EVM"
    INTRINSIC_GAS = "intrinsic gas too low"
    GAS_LIMIT = "exceeds block gas limit"
    NONCE_LOW = "nonce too low"
    NONCE_HIGH = "nonce too high"
    NONCE_MAX = "nonce has max value"
    FUNDS = "insufficient funds for gas * price + value"
    FUNDS_FOR_TRANSFER = "insufficient funds for transfer"
    TIP_ABOVE_FEE = "max priority fee per gas higher than max fee per gas"
    FEE_BELOW_BASE = "max fee per gas less than block base fee"
    VALUE_RANGE = "a value is out of range"
    # the pool's own: they depend on what it holds
    ALREADY_KNOWN = "already known"
    REPLACEMENT = "replacement transaction underpriced"
    UNDERPRICED = "transaction underpriced"
    ACCOUNT_LIMIT = "account limit exceeded"
    POOL_FULL = "txpool is full"


class InvalidBlock(RemoteError):
    """A block breaks a rule."""

    def __init__(self, rule: Rule, *, expected: object = None, got: object = None, detail: str = "") -> None:
        parts = [rule.value]
        if expected is not None or got is not None:
            parts.append(f"expected {_plain(expected)}, got {_plain(got)}")
        if detail:
            parts.append(detail)
        super().__init__(": ".join(parts), penalty=Penalty.BAN)
        self.rule = rule
        self.expected = expected
        self.got = got


class InvalidTransaction(NodeError):
    """A transaction breaks a rule, for good or in the present state."""

    def __init__(self, rule: TxRule, *, expected: object = None, got: object = None, detail: str = "") -> None:
        parts = [rule.value]
        if expected is not None or got is not None:
            parts.append(f"expected {_plain(expected)}, got {_plain(got)}")
        if detail:
            parts.append(detail)
        super().__init__(": ".join(parts))
        self.rule = rule
        self.expected = expected
        self.got = got


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
