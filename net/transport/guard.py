"""What a peer may make SCTP do: everything that reaches into aiortc's SCTP transport.

Facts about aiortc 1.16 that force this (each has a test against a real aiortc peer):

- The inbound message size is advertised and not enforced, and every fragment rescans the unfinished message: 4 MiB
  block the loop for 1.2 s, without bound.
- Any peer may open channels, 65,535 of them, each with objects of its own.
- A parameter that claims the length 0 is read again and again: one packet of 20 bytes takes the loop and all memory.
- A SACK may claim gaps of 65,535 TSNs hundreds of times in one packet, and each is walked.
- The receiver's window is announced and not obeyed by the sender, so a lost packet on a fast link would pile up more
  at the other end than its guard allows: `window_open` bounds what we send unacknowledged.
- Bytes it does not expect raise whatever they raise, inside the DTLS task, with a traceback in the log.

So a link has one channel, reliable and ordered, agreed beforehand (no DCEP), and all else ends it.
"""

from collections.abc import Callable

from aiortc import RTCDataChannel, RTCDtlsTransport, RTCSctpTransport
from aiortc import rtcsctptransport as aiortc_sctp
from OpenSSL import SSL

CHANNEL_ID = 0
"""Stream of the one data channel; both sides know it, so nothing is negotiated in it."""

UNFINISHED_MAX = 64 * 1024
"""Most bytes of one unfinished inbound message; frames have at most 16 KiB (DESIGN section 3.4)."""

WAITING_MAX = 256 * 1024
"""Most inbound bytes that wait for a lost packet or the end of their message (DESIGN section 3.4)."""

CHUNKS_WAITING_MAX = 512
"""Most inbound fragments that wait, or were taken behind a lost one: without it, 256 KiB of one-byte fragments would be
rescanned 262,144 times."""

WINDOW_CHUNKS = 160
"""Most fragments we send unacknowledged, 183 KiB when full: an honest sender stays below the limits above. At a round
trip of 100 ms that is 1.8 MB/s per link, above what the rest of the stack does on a small device."""

SACK_GAPS_MAX = 256
"""Most TSNs the gaps of one SACK may cover: an honest peer's cover what we sent, WINDOW_CHUNKS and one frame. Seventy
such fit in a packet, and each TSN is walked."""

_PARAMETERS_AT = {
    aiortc_sctp.InitChunk.type: 16,
    aiortc_sctp.InitAckChunk.type: 16,
    aiortc_sctp.HeartbeatChunk.type: 0,
    aiortc_sctp.HeartbeatAckChunk.type: 0,
    aiortc_sctp.AbortChunk.type: 0,
    aiortc_sctp.ErrorChunk.type: 0,
    aiortc_sctp.ReconfigChunk.type: 0,
}
"""Where the parameters of a chunk begin in its body, of the chunks that have some."""

_HEAD_BYTES = 4
"""Of a chunk and of a parameter; the length that both give counts it in."""

CLOSED = "closed by the peer"
"""Reason of a link that the other side ended in order."""

_BINARY = (aiortc_sctp.WEBRTC_BINARY, aiortc_sctp.WEBRTC_BINARY_EMPTY)


class GuardedSctp(RTCSctpTransport):
    """aiortc's SCTP association, cut down to one channel. The link that made it owns it and is told by callbacks."""

    def __init__(
        self,
        transport: RTCDtlsTransport,
        *,
        received: Callable[[bytes], None],
        progressed: Callable[[], None],
        ended: Callable[[str], None],
    ) -> None:
        """Call `received` with every whole message, `progressed` when the window may have moved or the association
        opened, `ended` with a reason, once, when the peer broke a rule or closed the association."""
        super().__init__(transport)
        self._received = received
        self._progressed = progressed
        self._ended = ended
        self._over = False
        self._next_tsn = self._local_tsn
        """Of what will be handed over next: all before will have been cut into fragments by then."""
        self._inbox: list[bytes] = []
        self._advertised_rwnd = WAITING_MAX  # aiortc counts what waits down from here
        self._local_partial_reliability = False

    @property
    def established(self) -> bool:
        """Whether messages may be sent."""
        return self._association_state == self.State.ESTABLISHED

    def window_open(self) -> bool:
        """Whether the peer has acknowledged enough to be sent more."""
        return self.unacknowledged() < WINDOW_CHUNKS

    def unacknowledged(self) -> int:
        """Return the number of fragments handed to SCTP, cut already or not, and not yet acknowledged without a gap."""
        return (self._next_tsn - 1 - self._last_sacked_tsn) % aiortc_sctp.SCTP_TSN_MODULO

    async def _handle_data(self, data: bytes) -> None:
        if self._over:
            return
        if _endless(data):
            self._end("fault: a parameter without length")
            return
        try:
            await super()._handle_data(data)
        except Exception as error:  # noqa: BLE001  # what aiortc raises on unexpected bytes is not documented
            self._end(f"fault: {type(error).__name__} in SCTP")
        inbox, self._inbox = self._inbox, []
        for message in inbox:  # outside of the `try`: an error of ours must not pass for one of the peer's
            if not self._over:
                self._received(message)
        if not self._over:
            self._progressed()

    async def _receive_chunk(self, chunk: aiortc_sctp.Chunk) -> None:
        if self._over:
            return
        if isinstance(chunk, aiortc_sctp.ReconfigChunk):  # the one channel is closed, aiortc would keep the rest
            self._end(CLOSED)
            return
        fault = _fault_of(chunk)
        if fault is None:
            await super()._receive_chunk(chunk)
            fault = self._fault_waiting() if isinstance(chunk, aiortc_sctp.DataChunk) else None
        if fault is not None:
            self._end(f"fault: {fault}")

    def _fault_waiting(self) -> str | None:
        # All TSNs behind a gap are kept and sorted at every chunk, those of messages that were handed on as well.
        if len(self._sack_misordered) > CHUNKS_WAITING_MAX:
            return "too much waits for a missing part"
        stream = self._inbound_streams.get(CHANNEL_ID)
        if stream is None or not stream.reassembly:
            return None
        waiting = WAITING_MAX - self._advertised_rwnd
        if waiting > WAITING_MAX or len(stream.reassembly) > CHUNKS_WAITING_MAX:
            return "too much waits for a missing part"
        # With no gap, all that waits in an ordered stream is the beginning of one message.
        if waiting > UNFINISHED_MAX and not self._sack_misordered:
            return "an endless message"
        return None

    async def _data_channel_receive(self, stream_id: int, pp_id: int, data: bytes) -> None:
        self._inbox.append(b"" if pp_id == aiortc_sctp.WEBRTC_BINARY_EMPTY else data)

    async def _send_chunk(self, chunk: aiortc_sctp.Chunk) -> None:
        try:
            await super()._send_chunk(chunk)
        except (ConnectionError, SSL.Error):
            # DTLS has ended and reports it. aiortc sends from tasks nobody awaits, where this would only be logged.
            return

    def _data_channel_send(self, channel: RTCDataChannel, data: bytes | str) -> None:
        super()._data_channel_send(channel, data)
        fragments = -(-len(data) // aiortc_sctp.USERDATA_MAX_LENGTH)
        self._next_tsn = (self._next_tsn + fragments) % aiortc_sctp.SCTP_TSN_MODULO

    async def _transmit(self) -> None:
        # aiortc's timer calls this in a task. After the end it would wind the timer again, and that for ever.
        if self._association_state != self.State.CLOSED:
            await super()._transmit()

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state == self.State.CLOSED:
            self._end(CLOSED)
        elif state == self.State.ESTABLISHED and not self._over:
            self._progressed()

    def silence(self) -> None:
        """Make no further callbacks: the owner is closing."""
        self._over = True

    def _end(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._ended(reason)


def _fault_of(chunk: aiortc_sctp.Chunk) -> str | None:
    if isinstance(chunk, aiortc_sctp.DataChunk):
        if chunk.stream_id != CHANNEL_ID or chunk.protocol == aiortc_sctp.WEBRTC_DCEP:
            return "a second channel"
        if chunk.protocol not in _BINARY:
            return "a message that is not binary"
        if chunk.flags & aiortc_sctp.SCTP_DATA_UNORDERED:
            return "an unordered message"
    elif isinstance(chunk, aiortc_sctp.ForwardTsnChunk):
        return "data skipped on a reliable channel"
    elif (
        isinstance(chunk, aiortc_sctp.SackChunk)
        and sum(max(0, end - start + 1) for start, end in chunk.gaps) > SACK_GAPS_MAX
    ):
        return "an acknowledgement of what was never sent"
    return None


def _endless(packet: bytes) -> bool:
    """Tell whether a parameter in a packet is shorter than its own head: aiortc's parser may not come past it."""
    pos = aiortc_sctp.SCTP_COMMON_HEADER_LENGTH
    while pos + _HEAD_BYTES <= len(packet):
        length = int.from_bytes(packet[pos + 2 : pos + 4], "big")
        if length < _HEAD_BYTES:  # which the parser does check, of chunks
            return False
        first = _PARAMETERS_AT.get(packet[pos])
        end = min(pos + length, len(packet))
        at = end if first is None else pos + _HEAD_BYTES + first
        while at + _HEAD_BYTES <= end:
            size = int.from_bytes(packet[at + 2 : at + 4], "big")
            if size < _HEAD_BYTES:
                return True
            at += size + aiortc_sctp.padl(size)
        pos += length + aiortc_sctp.padl(length)
    return False
