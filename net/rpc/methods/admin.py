"""What only the operator may ask, by token."""

from chain.primitives.peer import PeerId
from net.rpc.encoding import Json
from net.rpc.errors import failed
from net.rpc.kinds import BOOL_SCHEMA, PEER
from net.rpc.methods.results import INTEGER, PEER_ID, TEXT, array_of, record
from net.rpc.ports import AdminActions
from net.rpc.registry import Method, Param
from net.rpc.services import Services


def admin_methods(services: Services) -> list[Method]:
    """Return the operator's methods."""

    def admin() -> AdminActions:
        if services.parts.admin is None:
            raise failed("this node has nothing to administer")
        return services.parts.admin

    def bans() -> Json:
        return [{"id": ban.id.hex(), "reason": ban.reason, "until": ban.until} for ban in admin().bans()]

    def unban(peer: PeerId) -> Json:
        return admin().unban(peer)

    ban = record("ban", id=PEER_ID, reason=TEXT, until=INTEGER)
    return [
        Method("mappemonde_bans", "Peers that are kept away", (), array_of(ban), bans, admin=True),
        Method("mappemonde_unban", "Lift a ban", (Param("peer", PEER),), BOOL_SCHEMA, unban, admin=True),
    ]
