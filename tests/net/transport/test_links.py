"""The table of links: what an attempt opened is freed, whenever it ends."""

from net.core.effects import LinkId, LinkTransport
from net.transport.ice import IceSettings
from net.transport.links import Links
from net.transport.tasks import OwnedTasks
from tests.helpers.transport import until


class Heard:
    """Keeps what `Links` tells."""

    def __init__(self) -> None:
        self.offers: list[LinkId] = []
        self.gone: list[LinkId] = []

    def offer_made(self, link: LinkId, sdp: bytes) -> None:
        self.offers.append(link)

    def answer_made(self, link: LinkId, sdp: bytes) -> None:
        raise AssertionError("no answers here")

    def opened(self, link: LinkId, transport: LinkTransport) -> None:
        raise AssertionError("none opens here")

    def closed(self, link: LinkId, reason: str) -> None:
        self.gone.append(link)

    def frame(self, link: LinkId, frame: bytes) -> None:
        raise AssertionError("no frames here")


async def test_a_close_while_a_failed_attempt_frees_its_sockets_does_not_keep_them() -> None:
    heard, tasks, number = Heard(), OwnedTasks(), LinkId(1)
    links = Links(IceSettings(("127.0.0.1", "127.0.0.2")), heard, tasks)
    links.create_offer(number)
    await until(lambda: heard.offers == [number])
    link = links._attempts[number].link
    assert link is not None
    stop, sockets = link._ice.stop, [protocol.transport for protocol in link._ice._connection._protocols]

    async def closed_by_the_mesh_meanwhile() -> None:
        links.close(number)
        await stop()

    link._ice.stop = closed_by_the_mesh_meanwhile  # type: ignore[method-assign]  # the mesh's clock ran out just now
    links.apply_answer(number, b"no answer")
    await until(lambda: not len(tasks))
    assert [socket.is_closing() for socket in sockets] == [True, True]
    assert heard.gone == []  # the mesh ended it itself
    assert tasks.error is None
