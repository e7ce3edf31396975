"""Schemas of results; the objects' members are those of execution-apis and of docs/rpc.md."""

from net.rpc.encoding import Json
from net.rpc.kinds import ADDRESS_SCHEMA, BOOL_SCHEMA, DATA_SCHEMA, HASH_SCHEMA, QUANTITY_SCHEMA
from net.rpc.registry import Schema


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array_of(schema: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": schema}


def record(title: str, **members: Schema) -> Schema:
    """Return the schema of an object that has all of these members."""
    properties: dict[str, Json] = dict(members)
    required: list[Json] = list(members)
    return {"type": "object", "title": title, "properties": properties, "required": required}


TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
OBJECT: Schema = {"type": "object"}
PEER_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

LOG = record(
    "log",
    address=ADDRESS_SCHEMA,
    topics=array_of(HASH_SCHEMA),
    data=DATA_SCHEMA,
    blockNumber=QUANTITY_SCHEMA,
    blockHash=HASH_SCHEMA,
    transactionHash=HASH_SCHEMA,
    transactionIndex=QUANTITY_SCHEMA,
    logIndex=QUANTITY_SCHEMA,
    removed=BOOL_SCHEMA,
)
TRANSACTION = record(
    "transaction",
    type=QUANTITY_SCHEMA,
    chainId=QUANTITY_SCHEMA,
    nonce=QUANTITY_SCHEMA,
    gas=QUANTITY_SCHEMA,
    gasPrice=QUANTITY_SCHEMA,
    to=ADDRESS_SCHEMA,
    value=QUANTITY_SCHEMA,
    input=DATA_SCHEMA,
    v=QUANTITY_SCHEMA,
    r=QUANTITY_SCHEMA,
    s=QUANTITY_SCHEMA,
    hash=HASH_SCHEMA,
    blockHash=nullable(HASH_SCHEMA),
    blockNumber=nullable(QUANTITY_SCHEMA),
    blockTimestamp=nullable(QUANTITY_SCHEMA),
    transactionIndex=nullable(QUANTITY_SCHEMA),
)
RECEIPT = record(
    "receipt",
    type=QUANTITY_SCHEMA,
    status={"type": "string", "enum": ["0x0", "0x1"]},
    cumulativeGasUsed=QUANTITY_SCHEMA,
    logs=array_of(LOG),
    logsBloom=DATA_SCHEMA,
    transactionHash=HASH_SCHEMA,
    transactionIndex=QUANTITY_SCHEMA,
    blockHash=HASH_SCHEMA,
    blockNumber=QUANTITY_SCHEMA,
    to=ADDRESS_SCHEMA,
    gasUsed=QUANTITY_SCHEMA,
    contractAddress={"type": "null"},
    effectiveGasPrice=QUANTITY_SCHEMA,
)
BLOCK = record(
    "block",
    number=QUANTITY_SCHEMA,
    hash=nullable(HASH_SCHEMA),
    parentHash=HASH_SCHEMA,
    nonce=nullable(DATA_SCHEMA),
    mixHash=HASH_SCHEMA,
    sha3Uncles=HASH_SCHEMA,
    logsBloom=DATA_SCHEMA,
    transactionsRoot=HASH_SCHEMA,
    stateRoot=HASH_SCHEMA,
    receiptsRoot=HASH_SCHEMA,
    miner=ADDRESS_SCHEMA,
    difficulty=QUANTITY_SCHEMA,
    extraData=DATA_SCHEMA,
    gasLimit=QUANTITY_SCHEMA,
    gasUsed=QUANTITY_SCHEMA,
    timestamp=QUANTITY_SCHEMA,
    baseFeePerGas=QUANTITY_SCHEMA,
    size=QUANTITY_SCHEMA,
    uncles={"type": "array", "maxItems": 0},
    transactions={"type": "array", "items": {"anyOf": [HASH_SCHEMA, TRANSACTION]}},
)
PROOF = record(
    "account proof (EIP-1186)",
    address=ADDRESS_SCHEMA,
    accountProof=array_of(DATA_SCHEMA),
    balance=QUANTITY_SCHEMA,
    codeHash=HASH_SCHEMA,
    nonce=QUANTITY_SCHEMA,
    storageHash=HASH_SCHEMA,
    storageProof=array_of(record("slot proof", key=HASH_SCHEMA, value=QUANTITY_SCHEMA, proof=array_of(DATA_SCHEMA))),
)
FEE_HISTORY: Schema = {
    "type": "object",
    "title": "fee history",
    "properties": {
        "oldestBlock": QUANTITY_SCHEMA,
        "baseFeePerGas": array_of(QUANTITY_SCHEMA),
        "gasUsedRatio": array_of(NUMBER),
        "reward": array_of(array_of(QUANTITY_SCHEMA)),
    },
    "required": ["oldestBlock", "baseFeePerGas", "gasUsedRatio"],
}
CHAIN_HEAD = record(
    "consensus facts of a block",
    number=QUANTITY_SCHEMA,
    hash=HASH_SCHEMA,
    parentHash=HASH_SCHEMA,
    removed=BOOL_SCHEMA,
    time=INTEGER,
    parentTime=INTEGER,
    interval=nullable(INTEGER),
    minedAt=nullable(INTEGER),
    handicap=INTEGER,
    scheduleError=INTEGER,
    logTarget=INTEGER,
    pow=HASH_SCHEMA,
    work=QUANTITY_SCHEMA,
    totalWork=QUANTITY_SCHEMA,
    epoch=INTEGER,
    mix=HASH_SCHEMA,
    stakes=HASH_SCHEMA,
    miner=ADDRESS_SCHEMA,
    extra=DATA_SCHEMA,
    ticket=nullable(
        record(
            "ticket",
            validatorKey=DATA_SCHEMA,
            vrfProof=DATA_SCHEMA,
            rewardAddress=ADDRESS_SCHEMA,
            signature=DATA_SCHEMA,
        )
    ),
)
WORK = record(
    "mining work",
    id=HASH_SCHEMA,
    header=DATA_SCHEMA,
    number=QUANTITY_SCHEMA,
    parentHash=HASH_SCHEMA,
    logTarget=INTEGER,
    sealFloor=INTEGER,
    shareLogTarget=INTEGER,
    limit=HASH_SCHEMA,
    memoryKiB=INTEGER,
)
PEER = record(
    "neighbour",
    id=PEER_ID,
    kind=TEXT,
    direction={"type": "string", "enum": ["in", "out"]},
    since=INTEGER,
    signalled=TEXT,
    rtt=nullable(INTEGER),
    head=nullable(INTEGER),
    bytesIn=INTEGER,
    bytesOut=INTEGER,
)
MAP_NODE = record("peer on the map", id=PEER_ID, born=INTEGER, seen=INTEGER, reachability=TEXT, degree=INTEGER)
MAP_LINK = record("confirmed link", origin=PEER_ID, target=PEER_ID, rttClass=INTEGER)
LINK_ATTEMPT = record(
    "attempt at a link", started=INTEGER, ended=INTEGER, kind=TEXT, direction=TEXT, step=TEXT, reason=TEXT
)
PEER_WHY = record(
    "standing with a peer",
    id=PEER_ID,
    onMap=BOOL_SCHEMA,
    reachable=BOOL_SCHEMA,
    linked=nullable(TEXT),
    banned=BOOL_SCHEMA,
    quarantined=BOOL_SCHEMA,
    attempts=array_of(LINK_ATTEMPT),
)
