"""Session descriptions: the part of SDP a link needs, written and read by us.

What a peer sent never reaches the SDP parser of aiortc, which asserts, looks names up in mDNS and builds media tracks:
`decode_description` accepts one data-channel section under hard limits and raises `Malformed` for all else. What
`encode_description` writes is ordinary non-trickle WebRTC (RFC 8829, 8839, 8841): browsers and aiortc read it.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from chain.primitives.errors import Malformed

SDP_MAX = 8 * 1024
"""Largest description in bytes; ours have about 700, a browser's with all its candidates under 3,000."""

CANDIDATES_MAX = 16
"""Most candidates of one description: each makes us send connectivity checks to an address of the peer's choice."""

LINE_MAX = 512
"""Longest line in characters; an ice-pwd of the maximum of 256 fits."""

FINGERPRINT_BYTES = 32
MID = "0"
SCTP_PORT = 5000

_CREDENTIAL = {
    "ice-ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}"),
    "ice-pwd": re.compile(r"[A-Za-z0-9+/]{22,256}"),
}
_MID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_FOUNDATION = re.compile(r"[A-Za-z0-9+/]{1,32}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_MEDIA = re.compile(r"m=application [0-9]{1,5} (?:UDP/)?DTLS/SCTP webrtc-datachannel")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")


class Setup(Enum):
    """Who opens DTLS (RFC 5763): an offer leaves it open, an answer decides."""

    EITHER = "actpass"
    CLIENT = "active"
    SERVER = "passive"


class CandidateKind(Enum):
    """How the peer knows this address of its own (RFC 8445 section 5.1.1)."""

    HOST = "host"
    REFLEXIVE = "srflx"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One UDP address at which the peer may be reached."""

    foundation: str
    """Equal for candidates whose checks succeed or fail together (RFC 8445 section 5.1.1.3)."""
    priority: int
    """Order in which pairs are checked, 32 bits, higher first."""
    address: str
    """IPv4 or IPv6 address in canonical text; never a name."""
    port: int
    """UDP port, 1 to 65535."""
    kind: CandidateKind


@dataclass(frozen=True, slots=True)
class Description:
    """One side's half of a link: where it can be reached, and the certificate that it will show."""

    setup: Setup
    ufrag: str
    """ICE user name fragment, which tells this attempt's checks from others'."""
    password: str
    """ICE password: keys the integrity of connectivity checks."""
    fingerprint: bytes
    """SHA-256 of the certificate for DTLS, 32 bytes."""
    candidates: tuple[Candidate, ...]
    mid: str = MID
    """Name of the one media section; the answer repeats the offer's."""
    sctp_port: int = SCTP_PORT
    """SCTP port inside DTLS, 1 to 65535."""
    message_max: int = 65536
    """Largest message this side takes in bytes, 0 for no limit; 65536 is what RFC 8841 section 6 lets assume."""


def encode_description(description: Description) -> bytes:
    """Return the SDP text of a description."""
    first = description.candidates[0] if description.candidates else None
    connection = "IN IP4 0.0.0.0"
    if first is not None:
        version = ipaddress.ip_address(first.address).version
        connection = f"IN IP{version} {first.address}"
    digest = description.fingerprint.hex(":").upper()
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",  # the session's age and host are nobody's business
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {description.mid}",
        f"m=application {first.port if first else 9} UDP/DTLS/SCTP webrtc-datachannel",
        f"c={connection}",
        f"a=mid:{description.mid}",
        f"a=sctp-port:{description.sctp_port}",
        f"a=max-message-size:{description.message_max}",
        *(
            f"a=candidate:{c.foundation} 1 udp {c.priority} {c.address} {c.port} typ {c.kind.value}"
            + ("" if c.kind is CandidateKind.HOST else " raddr 0.0.0.0 rport 9")
            for c in description.candidates
        ),
        "a=end-of-candidates",
        f"a=ice-ufrag:{description.ufrag}",
        f"a=ice-pwd:{description.password}",
        f"a=fingerprint:sha-256 {digest}",
        f"a=setup:{description.setup.value}",
    ]
    return "".join(line + "\r\n" for line in lines).encode("ascii")


def decode_description(raw: bytes) -> Description:
    """Return the description in an SDP text. Raises `Malformed` when it is over a limit, has other media than one data
    channel section, lacks a credential, or names a host instead of an address.

    Attributes we do not know are skipped, as are candidates over TCP: a browser's description has some.
    """
    lines = _split(raw)
    sections = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(sections) != 1:
        raise Malformed(f"an SDP with {len(sections)} media sections")
    if _MEDIA.fullmatch(lines[sections[0]]) is None:
        raise Malformed("an SDP without a data channel section")
    single, candidates, fingerprints = _attributes(lines)
    if len(fingerprints) != 1:
        raise Malformed(f"an SDP with {len(fingerprints)} SHA-256 fingerprints")
    for name, pattern in _CREDENTIAL.items():
        if pattern.fullmatch(single.get(name, "")) is None:
            raise Malformed(f"an SDP without a proper {name}")
    mid = single.get("mid", MID)
    if _MID.fullmatch(mid) is None:
        raise Malformed("an SDP with an improper mid")
    try:
        setup = Setup(single.get("setup", ""))
    except ValueError:
        raise Malformed("an SDP without a setup role") from None
    return Description(
        setup=setup,
        ufrag=single["ice-ufrag"],
        password=single["ice-pwd"],
        fingerprint=fingerprints[0],
        candidates=tuple(candidates),
        mid=mid,
        sctp_port=_number(single.get("sctp-port", ""), low=1, high=65535),
        message_max=_number(single.get("max-message-size", "65536"), low=0, high=2**32 - 1),
    )


def _split(raw: bytes) -> list[str]:
    if len(raw) > SDP_MAX:
        raise Malformed(f"an SDP of {len(raw)} bytes, more than {SDP_MAX}")
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("an SDP that is not ASCII") from None
    lines = text.replace("\r\n", "\n").split("\n")
    if any(len(line) > LINE_MAX for line in lines):
        raise Malformed(f"an SDP line of more than {LINE_MAX} characters")
    return lines


def _attributes(lines: list[str]) -> tuple[dict[str, str], list[Candidate], list[bytes]]:
    single: dict[str, str] = {}
    candidates: list[Candidate] = []
    fingerprints: list[bytes] = []
    seen = 0
    for line in lines:
        if not line.startswith("a="):
            continue
        name, _, value = line[2:].partition(":")
        if name == "candidate":
            seen += 1
            if seen > CANDIDATES_MAX:
                raise Malformed(f"an SDP with more than {CANDIDATES_MAX} candidates")
            candidate = _candidate(value)
            if candidate is not None:
                candidates.append(candidate)
        elif name == "fingerprint":
            algorithm, _, digest = value.partition(" ")
            if algorithm.lower() == "sha-256":
                if _FINGERPRINT.fullmatch(digest) is None:
                    raise Malformed("an SDP with an improper fingerprint")
                fingerprints.append(bytes.fromhex(digest.replace(":", "")))
        elif name in ("ice-ufrag", "ice-pwd", "mid", "setup", "sctp-port", "max-message-size"):
            if name in single:
                raise Malformed(f"an SDP with two lines {name}")
            single[name] = value
    return single, candidates, fingerprints


def _candidate(value: str) -> Candidate | None:
    words = value.split(" ")
    if len(words) < 8 or words[6] != "typ":
        raise Malformed("an improper ICE candidate")
    foundation, component, transport, priority, host, port, _, kind = words[:8]
    if component != "1" or transport.lower() != "udp":
        return None
    if _FOUNDATION.fullmatch(foundation) is None:
        raise Malformed("an ICE candidate with an improper foundation")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name: looking it up would tell others, and `.local` asks the whole local network
        raise Malformed("an ICE candidate that is not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return None  # RFC 8445 section 5.1.1.1 forbids them; 127.0.0.1 in this guise would not count as loopback
    if address.is_multicast or address.is_unspecified or "%" in host or str(address) == "255.255.255.255":
        raise Malformed(f"an ICE candidate at {address}")
    try:
        known = CandidateKind(kind)
    except ValueError:
        raise Malformed("an ICE candidate of unknown kind") from None
    return Candidate(
        foundation=foundation,
        priority=_number(priority, low=1, high=2**32 - 1),
        address=str(address),
        port=_number(port, low=1, high=65535),
        kind=known,
    )


def _number(text: str, *, low: int, high: int) -> int:
    if _NUMBER.fullmatch(text) is None or not low <= int(text) <= high:
        raise Malformed(f"an SDP number outside {low} to {high}")
    return int(text)
