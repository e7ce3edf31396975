"""What MetaMask, Rabby and a page do when a user pays: their calls, over HTTP, with the browser's CORS checks.

The wallets themselves need a browser and a person; the order, parameters and fees of their calls are drawn from their
source (docs/wallets.md). The libraries that other wallets are made with run in test_clients.py.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.types import TransactionDictType
from eth_utils.address import to_checksum_address

from chain.primitives.hashing import keccak256
from tests.helpers.client_tasks import DEVNET_CHAIN_ID, STAKE, make_task, prefunded
from tests.helpers.processes import NodeProcess, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

METAMASK = "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"
RABBY = "chrome-extension://acmacodkjbdgmoleebolmdjonilkdbch"
DAPP = "https://dapp.example"
STRANGER = "https://stranger.example"
REWARDS = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"
VALUE = 10**15
MINED_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser sees of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Browser:
    """Asks a node as a page or an extension with an origin does."""

    def __init__(self, node: NodeProcess, origin: str) -> None:
        self._url = node.rpc.url
        self._origin = origin
        self._id = 0

    def request(self, method: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send one request with this origin."""
        request = urllib.request.Request(self._url, body, {"Origin": self._origin, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answer(
                    answer.status, {name.lower(): text for name, text in answer.headers.items()}, answer.read()
                )
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, {name.lower(): text for name, text in error.headers.items()}, error.read())

    def preflight(self) -> Answer:
        """Ask whether a POST with JSON may be sent, as a browser does before the first one."""
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        return self.request("OPTIONS", asked)

    def admitted(self) -> bool:
        """Tell whether a browser would let the POST through after this preflight."""
        answer = self.preflight()
        return (
            answer.status in {200, 204}
            and answer.headers.get("access-control-allow-origin") in {self._origin, "*"}
            and "content-type" in answer.headers.get("access-control-allow-headers", "").lower()
            and "POST" in answer.headers.get("access-control-allow-methods", "")
        )

    def post(self, document: object) -> Answer:
        """Send JSON."""
        return self.request("POST", {"Content-Type": "application/json"}, json.dumps(document).encode())

    def call(self, method: str, *params: object) -> object:
        """Return a method's result, and check that the page may read it."""
        self._id += 1
        answer = self.post({"jsonrpc": "2.0", "id": self._id, "method": method, "params": list(params)})
        assert answer.status == 200, answer
        assert answer.headers["access-control-allow-origin"] in {self._origin, "*"}
        document = json.loads(answer.body)
        assert "error" not in document, document
        assert document["id"] == self._id
        result: object = document["result"]
        return result

    def number(self, method: str, *params: object) -> int:
        """Return a result that is a quantity."""
        return int(str(self.call(method, *params)), 16)

    def record(self, method: str, *params: object) -> dict[str, object]:
        """Return a result that is an object."""
        result = self.call(method, *params)
        assert isinstance(result, dict), result
        return result

    def send(self, account: LocalAccount, fields: TransactionDictType) -> str:
        """Sign a transaction, send it, and check that it is known at once."""
        raw = account.sign_transaction({"chainId": DEVNET_CHAIN_ID, **fields}).raw_transaction
        tx_hash = str(self.call("eth_sendRawTransaction", "0x" + raw.hex()))
        assert self.record("eth_getTransactionByHash", tx_hash)["hash"] == tx_hash
        return tx_hash

    def receipt(self, tx_hash: str) -> dict[str, object]:
        """Return the receipt when there is one; until then the wallet must still find the transaction."""

        def look() -> object:
            found = self.call("eth_getTransactionReceipt", tx_hash)
            assert found is not None or self.call("eth_getTransactionByHash", tx_hash) is not None, (
                "a wallet calls it failed"
            )
            return found

        found = wait_for(f"receipt of {tx_hash}", look, MINED_SECONDS)
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Run one mining node that lets one page in."""
    mining = ("--mine", "--reward-address", REWARDS, "--mine-threads", "1", "--mine-rate", "20")
    flags = ("--trust-own-clock", "--rpc-cors", DAPP, *mining)
    node = NodeProcess(tmp_path_factory.mktemp("wallets") / "node", *flags).start()
    try:
        wait_for("a first block", lambda: node.height() > 0, 60)
        yield node
    finally:
        code = node.stop()
    assert code == 0, node.tail()


@pytest.mark.parametrize(("origin", "admitted"), [(METAMASK, True), (RABBY, True), (DAPP, True), (STRANGER, False)])
def test_a_browser_lets_wallets_and_listed_pages_in(node: NodeProcess, origin: str, admitted: bool) -> None:
    browser = Browser(node, origin)
    assert browser.admitted() is admitted
    chain_id = browser.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    assert chain_id.status == (200 if admitted else 403)
    assert ("access-control-allow-origin" in chain_id.headers) is admitted


def test_metamask_adds_the_network_pays_speeds_up_and_cancels(node: NodeProcess) -> None:
    """It reads the state by number, sets cap and tip both to eth_gasPrice, and multiplies them by 1.1."""
    browser, account = Browser(node, METAMASK), prefunded(5)
    assert browser.admitted()
    me, you = account.address, Account.from_key((8_001).to_bytes(32, "big")).address

    # adding the network: it compares the chain id, then looks whether fees are of EIP-1559
    assert browser.number("eth_chainId") == DEVNET_CHAIN_ID
    assert browser.call("net_version") == str(DEVNET_CHAIN_ID)
    assert "baseFeePerGas" in browser.record("eth_getBlockByNumber", "latest", False)

    before = browser.number("eth_blockNumber")
    wait_for("a new head", lambda: browser.number("eth_blockNumber") > before, MINED_SECONDS)
    head = str(browser.call("eth_blockNumber"))
    assert browser.number("eth_getBalance", me, head) == 10_000 * 10**18
    assert browser.call("eth_getCode", you, head) == "0x"
    gas_limit = str(browser.record("eth_getBlockByNumber", head, False)["gasLimit"])
    assert int(gas_limit, 16) == 120_000_000
    wanted = {"from": me, "to": you, "value": hex(VALUE), "data": "0x"}
    gas = browser.number("eth_estimateGas", wanted)
    assert gas == 21_000
    price = browser.number("eth_gasPrice")
    nonce = browser.number("eth_getTransactionCount", me, head)

    fields: TransactionDictType = {"to": you, "value": VALUE, "gas": gas, "nonce": nonce, "type": 2}
    first = browser.send(account, {**fields, "maxFeePerGas": price, "maxPriorityFeePerGas": price})
    faster = price * 11 // 10 + bool(price * 11 % 10)
    second = browser.send(account, {**fields, "maxFeePerGas": faster, "maxPriorityFeePerGas": faster})
    away = faster * 11 // 10 + bool(faster * 11 % 10)
    fees = {"maxFeePerGas": away, "maxPriorityFeePerGas": away}
    third = browser.send(account, {**fields, "to": me, "value": 0, **fees})

    receipt = browser.receipt(third)
    assert receipt["status"] == "0x1"
    assert [browser.call("eth_getTransactionReceipt", gone) for gone in (first, second)] == [None, None]
    mined = str(receipt["blockNumber"])
    assert browser.number("eth_getTransactionCount", me, mined) == nonce + 1
    assert browser.number("eth_getBalance", you, mined) == 0
    spent = gas * int(str(receipt["effectiveGasPrice"]), 16)
    assert browser.number("eth_getBalance", me, mined) == 10_000 * 10**18 - spent


def test_rabby_pays_legacy_at_each_of_its_prices(node: NodeProcess) -> None:
    """It sends type 0 at 1.1, 1.2 and 1.25 times eth_gasPrice, with the nonce at `latest` and its own count."""
    browser, account = Browser(node, RABBY), prefunded(6)
    assert browser.admitted()
    me, you = account.address, Account.from_key((8_002).to_bytes(32, "big")).address
    nonce = browser.number("eth_getTransactionCount", me, "latest")
    wanted = {"chainId": DEVNET_CHAIN_ID, "from": me, "to": you, "value": hex(VALUE), "data": "0x", "gasPrice": "0x0"}
    gas = browser.number("eth_estimateGas", wanted)
    assert browser.call("eth_call", {**wanted, "gas": hex(gas)}, "latest") == "0x"
    price = browser.number("eth_gasPrice")
    offered = [price * factor // 100 for factor in (110, 120, 125)]
    sent = [
        browser.send(account, {"to": you, "value": VALUE, "gas": gas, "nonce": nonce + index, "gasPrice": offer})
        for index, offer in enumerate(offered)
    ]
    for tx_hash, offer in zip(sent, offered, strict=True):
        receipt = browser.receipt(tx_hash)
        assert (receipt["status"], receipt["type"]) == ("0x1", "0x0")
        assert int(str(receipt["effectiveGasPrice"]), 16) == offer
    assert browser.number("eth_getBalance", you, "latest") == len(sent) * VALUE


def test_a_page_stakes_through_metamask(node: NodeProcess) -> None:
    """The page reads over its own CORS admission, the wallet sees a contract, sends, and reads the log."""
    page, wallet, task = Browser(node, DAPP), Browser(node, METAMASK), make_task(node, 7)
    account = prefunded(7)
    assert page.admitted()
    staking = str(page.record("mappemonde_staking")["address"])
    assert wallet.call("eth_getCode", staking, str(wallet.call("eth_blockNumber"))) != "0x"
    key, proof = (bytes.fromhex(text[2:]) for text in (task.validator_key, task.proof))
    call = keccak256(b"deposit(bytes,bytes)")[:4] + encode(["bytes", "bytes"], [key, proof])
    wanted = {"from": account.address, "to": staking, "value": hex(STAKE), "data": "0x" + call.hex()}
    refused = wallet.post(
        {"jsonrpc": "2.0", "id": 1, "method": "eth_estimateGas", "params": [{**wanted, "value": "0x1"}]}
    )
    error = json.loads(refused.body)["error"]
    assert (refused.status, error["code"]) == (200, 3)
    assert "stake under the minimum" in error["message"]
    gas = wallet.number("eth_estimateGas", wanted)
    price = wallet.number("eth_gasPrice")
    fees = {"maxFeePerGas": price, "maxPriorityFeePerGas": price}
    nonce = wallet.number("eth_getTransactionCount", account.address, str(wallet.call("eth_blockNumber")))
    fields: TransactionDictType = {
        "to": to_checksum_address(staking),
        "value": STAKE,
        "data": call,
        "gas": gas,
        "nonce": nonce,
        "type": 2,
    }
    receipt = wallet.receipt(wallet.send(account, {**fields, **fees}))
    assert receipt["status"] == "0x1"
    block = receipt["blockNumber"]
    logs = page.call("eth_getLogs", {"address": staking, "fromBlock": block, "toBlock": block})
    assert logs == receipt["logs"]
    stake = keccak256(b"stakeOf(address)")[:4].hex() + account.address[2:].lower().rjust(64, "0")
    assert page.number("eth_call", {"to": staking, "data": "0x" + stake}, "latest") == STAKE
