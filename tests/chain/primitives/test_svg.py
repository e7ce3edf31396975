"""Pictures of curves are well-formed and hold what they were given."""

from xml.etree import ElementTree

from chain.primitives.svg import Curve, curves_svg


def test_a_picture_holds_every_curve_with_its_name() -> None:
    curves = (Curve("first", ((0.0, 1.0), (2.0, 3.0))), Curve("a < b & c", ((1.0, 0.0),)))
    root = ElementTree.fromstring(curves_svg("one & two", curves, ("across", "up")))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"one & two", "first", "a < b & c", "across", "up"} <= set(texts)
    lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len((line.get("points") or "").split()) for line in lines] == [2, 1]


def test_a_flat_curve_of_one_point_is_no_division_by_zero() -> None:
    assert "<polyline" in curves_svg("flat", (Curve("point", ((5.0, 0.0),)),), ("", ""))


def test_axes_carry_round_numbers() -> None:
    picture = curves_svg("one", (Curve("first", ((0.0, 0.0), (20.0, 0.3251))),), ("across", "up"))
    texts = [node.text for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"0", "5", "10", "15", "20", "0.1", "0.2", "0.3"} <= set(texts)
    assert "0.325" not in texts
