from xml.etree import ElementTree

from cli.pictures import SIDE, draw_map

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER = 6.7
"""Width of a character of the labels' 11 px font, pixels."""


def test_labels_lie_within_the_picture() -> None:
    peers = [f"{index:02x}" * 32 for index in range(24)]
    links = [(peers[index], peers[(index + 5) % 24]) for index in range(24)]
    root = ElementTree.fromstring(draw_map(peers, links, peers[3]))
    assert len(root.findall(f"{SVG}circle")) == len(root.findall(f"{SVG}path")) == 24
    labels = [text for text in root.findall(f"{SVG}text") if text.get("text-anchor")]
    assert len(labels) == 24
    for label in labels:
        width = CHARACTER * len(label.text or "")
        shift = {"start": 0.0, "middle": -width / 2, "end": -width}[label.get("text-anchor") or ""]
        left = float(label.get("x") or 0) + shift
        assert left >= 0
        assert left + width <= SIDE


def test_links_of_unknown_peers_and_large_maps() -> None:
    assert "<path" not in draw_map(["aa" * 32], [("aa" * 32, "bb" * 32)], "aa" * 32)
    peers = [f"{index:064x}" for index in range(65)]
    assert "text-anchor" not in draw_map(peers, [], peers[0]), "labels would lie over each other"
