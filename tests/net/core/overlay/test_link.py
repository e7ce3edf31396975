"""The table of links: its lists against what the links themselves say, after each step of their lives."""

from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind
from net.core.overlay.link import Link, LinkTable, Signalled, Stage

STEPS = 400


def begin(table: LinkTable, rng: Random) -> Link:
    number = table.number()
    made = Link(
        number=number,
        kind=rng.choice(list(LinkKind)),
        outbound=rng.random() < 0.5,
        peer=PeerId(number.to_bytes(32, "big")),
        signalled=Signalled.RELAYED,
        stage=Stage.SHAKING,
        started=Millis(0),
        deadline=Millis(0),
    )
    table.add(made)
    return made


def step(table: LinkTable, links: list[Link], risen: list[Link], rng: Random) -> None:
    """Let one link begin, come up, ask to be listed, be listed or end."""
    link = rng.choice(links) if links else None
    move = rng.randrange(6)
    if link is None or move < 2:
        links.append(begin(table, rng))
    elif link.stage is not Stage.UP and move < 4:
        link.stage = Stage.UP
        table.rise(link)
        risen.append(link)
    elif link.stage is Stage.UP and link.kind is LinkKind.GUEST and move < 4:
        table.set_asked(link, asked=not link.asked)
    elif link.stage is Stage.UP and link.kind is LinkKind.GUEST and move == 4:
        table.set_asked(link, asked=False)
        table.turn_listed(link, outbound=rng.random() < 0.5)
    else:
        table.remove(link)
        links.remove(link)
        if link in risen:
            risen.remove(link)


def test_the_lists_are_what_the_links_say_after_each_step() -> None:
    table, rng = LinkTable(), Random(1)
    links: list[Link] = []
    risen: list[Link] = []
    most = 0
    for _ in range(STEPS):
        step(table, links, risen, rng)
        setups = [link for link in links if link.stage is not Stage.UP]
        listed = [link for link in risen if link.kind is LinkKind.LISTED]
        bound = [link for link in links if link.kind is LinkKind.LISTED]
        bound += [link for link in links if link.kind is LinkKind.GUEST and link.asked]
        assert list(table.all_up()) == risen
        assert list(table.listed()) == listed
        assert list(table.own_listed()) == [link for link in listed if link.outbound]
        assert list(table.guests()) == [link for link in risen if link.kind is LinkKind.GUEST]
        assert list(table.setups()) == setups
        assert table.dials() == sum(link.outbound for link in setups)
        assert list(table.bound()) == bound
        assert list(table.own()) == [link for link in bound if link.outbound or link.asked]
        for kind in LinkKind:
            assert list(table.of_kind(kind)) == [link for link in links if link.kind is kind]
        most = max(most, min(len(listed), len(setups), len(table.own_listed()), len(table.guests())))
    assert most >= 2
