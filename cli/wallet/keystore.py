"""The wallet: a directory of spending keys, one keystore V3 file each, named as geth names them."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
from coincurve import PrivateKey

from chain.primitives.errors import StorageError
from chain.primitives.keys import address_of
from chain.primitives.units import Address, Millis
from cli.wallet.addresses import format_address
from cli.wallet.errors import AccountExists, BadKeyFile, NoSuchAccount
from cli.wallet.key_file import SCRYPT_N, KeyFile, decrypt, encrypt, read_key_file, write_key_file

MAX_FILES = 10_000
"""Files looked at in the wallet's directory."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account whose key lies in the wallet."""

    address: Address
    file: Path


def default_wallet() -> Path:
    """Return where the wallet lies on this system; all networks share it, since an address is the same on all."""
    return Path(platformdirs.user_data_dir("mappemonde", appauthor=False)) / "wallet"


class Keystore:
    """The files of one wallet directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def accounts(self) -> list[StoredAccount]:
        """Return the accounts, oldest first; files that are no key files are passed over. Raises `StorageError`."""
        if not self.directory.exists():
            return []
        try:
            files = sorted(entry for entry in self.directory.iterdir() if entry.is_file())[:MAX_FILES]
        except OSError as error:
            raise StorageError(f"cannot read the wallet {self.directory}: {error.strerror}") from None
        found: list[StoredAccount] = []
        for file in files:
            try:
                address = _address_in(read_key_file(file))
            except BadKeyFile:
                continue
            if address is not None and all(address != entry.address for entry in found):
                found.append(StoredAccount(address, file))
        return found

    def find(self, address: Address | None) -> StoredAccount:
        """Return the account of an address, or the only one there is. Raises `NoSuchAccount`."""
        accounts = self.accounts()
        if address is None:
            if len(accounts) == 1:
                return accounts[0]
            lacking = "has several accounts: name one with --from" if accounts else "is empty: `mappemonde wallet new`"
            raise NoSuchAccount(f"the wallet {self.directory} {lacking}")
        for account in accounts:
            if account.address == address:
                return account
        raise NoSuchAccount(f"the wallet {self.directory} has no key of {format_address(address)}")

    def check_new(self, keys: Sequence[PrivateKey]) -> None:
        """Raise `AccountExists` if one of the keys is in the wallet."""
        addresses = {address_of(key.public_key) for key in keys}
        for account in self.accounts():
            if account.address in addresses:
                raise AccountExists(
                    f"{format_address(account.address)} is in the wallet already, nothing was imported: {account.file}"
                )

    def add(self, key: PrivateKey, password: str, now: Millis, *, work: int = SCRYPT_N) -> StoredAccount:
        """Store a key under a password. Raises `AccountExists`, or `StorageError`."""
        self.check_new([key])
        address = address_of(key.public_key)
        made = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%dT%H-%M-%S.%f000Z")
        file = self.directory / f"UTC--{made}--{address.hex()}"
        write_key_file(file, encrypt(key, password, work=work))
        return StoredAccount(address, file)

    @contextmanager
    def turn(self, account: StoredAccount) -> Iterator[None]:
        """Let one process at a time take the account's next nonce, the others on this machine wait.

        Raises `BadKeyFile` when the file has gone.
        """
        try:
            stream = account.file.open("rb")
        except OSError as error:
            raise BadKeyFile(f"cannot read the key file {account.file}: {error.strerror}") from None
        with stream:
            with suppress(OSError):  # a file system without locks: as good as one process
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def unlock(self, account: StoredAccount, password: str) -> PrivateKey:
        """Return an account's key. Raises `WrongPassword` or `BadKeyFile`."""
        key = decrypt(read_key_file(account.file), password, account.file)
        if address_of(key.public_key) != account.address:
            raise BadKeyFile(f"{account.file} holds the key of another address than it says")
        return key


def _address_in(content: KeyFile) -> Address | None:
    text = content.get("address")
    if "mappemonde" in content or not isinstance(text, str):
        return None  # a validator key (`cli.staking.keys`) is no spending key
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return None
    return Address(raw) if len(raw) == 20 else None
