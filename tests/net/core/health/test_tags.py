"""Failure-domain tags: what a node tells of itself, and how it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import ConfigError
from net.core.health.tags import DomainKind, country_tag, domain_name, operator_tag, release_tag


def test_a_country_is_its_letters() -> None:
    assert country_tag("FR") == country_tag(" fr ") == 0x4652
    assert domain_name(DomainKind.COUNTRY, country_tag("fr")) == "country_fr"
    assert country_tag("") == 0
    for slip in ("F", "FRA", "F1", "é1", "éé", "日本"):
        with pytest.raises(ConfigError, match="two letters"):
            country_tag(slip)


def test_an_operator_is_one_number_however_it_is_written() -> None:
    assert operator_tag("Example Hosting") == operator_tag("example hosting ") == 0xB259
    assert operator_tag("") == operator_tag("  ") == 0
    with pytest.raises(ConfigError, match="bytes"):
        operator_tag("x" * 65)


def test_a_release_is_its_first_two_numbers() -> None:
    assert domain_name(DomainKind.RELEASE, release_tag("1.4.2")) == "release_1.4"
    assert release_tag("0.1.0") == 1
    for none in ("", "1", "x.y", "0.0.7", "1.1000", "66.0", "1.-2", "1.4rc1"):
        assert release_tag(none) == 0


@given(st.text(max_size=40))
def test_any_text_makes_a_tag_or_a_clear_error(text: str) -> None:
    assert 0 <= release_tag(text) < 1 << 16
    for tag in (operator_tag, country_tag):
        try:
            assert 0 <= tag(text) < 1 << 16
        except ConfigError as error:
            assert str(error)  # noqa: PT017 (either is right)


@given(st.sampled_from(DomainKind), st.integers(1, (1 << 16) - 1))
def test_what_peers_announce_is_one_word_and_no_two_domains_share_it(kind: DomainKind, tag: int) -> None:
    word = domain_name(kind, tag)
    assert word.isascii()
    assert word.replace("_", "").replace(".", "").isalnum()
    if kind is not DomainKind.COUNTRY:
        assert word != domain_name(kind, tag ^ 1)
