"""What lies in a node's data directory, and how its identity comes to be.

```
identity.key   the node's secret key and proof of work, readable by the owner alone
chain/         the database: blocks, state, map records, mempool journal, blobs of the network
rpc.token      the token that admin calls of the RPC need, readable by the owner alone
```
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from chain.params import ChainParams
from chain.primitives.errors import ConfigError, Malformed, StorageError
from chain.primitives.units import Millis
from cli.private_files import create_private, write_private
from net.core.identity.identity import Identity, create_identity, decode_identity, encode_identity, proof_current, renew

TOKEN_CHARACTERS = 43
"""Length of an admin token: 32 random bytes in URL-safe base64."""

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}")


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths in one node's directory."""

    root: Path

    @property
    def identity_file(self) -> Path:
        """The node's key."""
        return self.root / "identity.key"

    @property
    def database(self) -> Path:
        """The LevelDB directory."""
        return self.root / "chain"

    @property
    def token_file(self) -> Path:
        """The admin token of the RPC."""
        return self.root / "rpc.token"


def user_path(path: str | Path) -> Path:
    """Return a path of the user's, `~` replaced by the home it means. Raises `ConfigError` if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(f"{path}: there is no such home directory") from None


def default_datadir(network: str) -> DataDir:
    """Return the directory of a network's node where this system keeps users' data."""
    return DataDir(Path(platformdirs.user_data_dir("mappemonde", appauthor=False)) / network)


def make_datadir(path: str, network: str) -> DataDir:
    """Make the directory at `path`, or the network's default one. Raises `StorageError`."""
    datadir = DataDir(user_path(path)) if path else default_datadir(network)
    try:
        datadir.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot make the data directory {datadir.root}: {error.strerror}") from None
    return datadir


def load_identity(datadir: DataDir, params: ChainParams, now: Millis, search: Callable[[], None]) -> Identity:
    """Return the node's identity with a current proof of work, made and stored when there is none.

    `search` is called before a proof is searched, which takes minutes on mainnet: say so to the operator. Raises
    `StorageError` when the file cannot be read, written or understood.
    """
    file = datadir.identity_file
    raw = _read_identity(file)
    if raw is None:
        search()
        identity = create_identity(os.urandom, now, params.id_difficulty)
        try:
            create_private(file, encode_identity(identity))
            return identity
        except FileExistsError:  # another process, `init` beside `run`, was quicker: its peer id has been told
            raw = _read_identity(file) or b""
    try:
        identity = decode_identity(raw)
    except Malformed as error:
        raise StorageError(
            f"{file} is damaged ({error}): restore it from a backup, or move it away to begin with a new identity"
        ) from None
    if not proof_current(identity, now):
        search()
        identity = renew(identity, now, params.id_difficulty)
        write_private(file, encode_identity(identity))
    return identity


def _read_identity(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read the identity {file}: {error.strerror}") from None


def read_token(file: Path) -> str:
    """Return the admin token of a node's file, for a command. Raises `ConfigError`."""
    try:
        with file.open("rb") as stream:
            token = stream.read(4 * TOKEN_CHARACTERS).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise ConfigError(
            f"cannot read the admin token {file} ({reason}): --token-file or --datadir names it"
        ) from None
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{file} does not hold an admin token of a node")
    return token


def load_token(datadir: DataDir) -> str:
    """Return the admin token, made at the first call. Raises `StorageError`."""
    try:
        token = datadir.token_file.read_text().strip() if datadir.token_file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {datadir.token_file}: {error}") from None
    if len(token) != TOKEN_CHARACTERS:
        token = secrets.token_urlsafe(32)
        write_private(datadir.token_file, token.encode())
    return token
