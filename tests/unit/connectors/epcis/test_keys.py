"""Every GS1 key: EPC URN to canonical Digital Link, and what is left alone."""

from __future__ import annotations

import pytest

from connectors.epcis import canonical, key_of
from connectors.epcis.keys import check_digit


@pytest.mark.parametrize(
    ("urn", "path"),
    [
        ("id:sgtin:4012345.011111.9876", "01/04012345111118/21/9876"),
        ("id:sgtin:0614141.107340.1", "01/10614141073402/21/1"),
        ("id:sgtin:401234512345.9.A%2FB", "01/94012345123459/21/A%2FB"),
        ("class:lgtin:4054739.099914.20160711", "01/04054739999148/10/20160711"),
        ("id:sscc:4012345.0111111111", "00/040123451111111110"),
        ("id:sgln:4012345.00011.987", "414/4012345000115/254/987"),
        ("id:sgln:4012345.00011.0", "414/4012345000115"),
        ("id:sgln:401234500011..5", "414/4012345000115/254/5"),
        ("id:pgln:4000001.98765", "417/4000001987658"),
        ("id:pgln:400000198765.", "417/4000001987658"),
        ("id:grai:4012345.66666.87", "8003/0401234566666387"),
        ("id:giai:4012345.AAbb", "8004/4012345AAbb"),
        ("id:giai:4012345.A.B", "8004/4012345A.B"),
        ("id:gsrn:4012345.9876540000", "8018/401234598765400000"),
        ("id:gsrnp:4012345.0000098765", "8017/401234500000987658"),
        ("id:gdti:4012345.55555.98", "253/401234555555498"),
        ("id:sgcn:4012345.99999.44", "255/401234599999044"),
        ("id:ginc:4012345.333", "401/4012345333"),
        ("id:gsin:4012345.999987654", "402/40123459999876541"),
        ("id:itip:4012345.012345.01.02.999", "8006/040123451234560102/21/999"),
        ("id:upui:4012345.012345.AB12", "01/04012345123456/235/AB12"),
        ("id:cpi:4012345.ABC.123", "8010/4012345ABC/8011/123"),
        ("idpat:sgtin:4054739.099914.*", "01/04054739999148"),
        ("idpat:grai:4012345.66666.*", "8003/04012345666663"),
        ("idpat:gdti:4012345.55555.*", "253/4012345555554"),
        ("idpat:sgcn:4012345.99999.*", "255/4012345999990"),
        ("idpat:cpi:4012345.ABC.*", "8010/4012345ABC"),
        ("idpat:itip:4012345.012345.01.02.*", "8006/040123451234560102"),
        ("idpat:upui:4012345.012345.*", "01/04012345123456"),
    ],
)
def test_urns_become_digital_links(urn: str, path: str) -> None:
    assert canonical(f"urn:epc:{urn}") == f"https://id.gs1.org/{path}"
    assert canonical(f"http://example.com/a/b/{path}?x=1") == f"https://id.gs1.org/{path}"
    assert canonical(f"https://id.gs1.org/{path}") == f"https://id.gs1.org/{path}"


@pytest.mark.parametrize(
    "text",
    [
        "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
        "urn:epc:id:gid:31415.271828.1414",
        "urn:epc:id:usdod:CAGEY.5678",
        "urn:epc:id:imovn:9176187",
        "urn:epc:id:bic:CSQU3054383",
        "urn:epc:id:sgtin:4012345.0111.1",  # too few digits
        "urn:epc:id:sgtin:4012345.011111",
        "urn:epc:id:sgtin:40123.01111111.1",  # a prefix has 6 digits or more
        "urn:epc:idpat:sgtin:4012345.*.*",
        "urn:epc:id:sscc:4012345.0111",
        "urn:epcglobal:cbv:bt:5200001000008:4711",
        "http://transaction.example.com/po/12345678",
        "https://example.com/01/1234",
        "https://example.com/ErrorCode-A827?x=1#y",
        "plain",
    ],
)
def test_what_is_no_key_stays_as_it_is(text: str) -> None:
    assert canonical(text) == text


def test_keys_are_named_by_application_identifier() -> None:
    assert key_of("https://example.com/8003/0401234566666387") == ("8003", "0401234566666387")
    assert key_of("https://example.com/x") is None
    assert (check_digit("04012345000000111"), check_digit("400638133393")) == ("2", "1")


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("gtin/04012345111118", "01/04012345111118"),
        ("shop/gtin/04012345111118/lot/A/ser/7?exp=271231", "01/04012345111118/10/A/21/7"),
        ("gln/4012345000115/glnx/9", "414/4012345000115/254/9"),
        ("giai/4012345ABC", "8004/4012345ABC"),
    ],
)
def test_links_with_names_for_application_identifiers_are_canonical_too(named: str, path: str) -> None:
    assert canonical(f"https://cells.example.com/{named}") == f"https://id.gs1.org/{path}"


def test_a_path_that_only_looks_named_stays() -> None:
    assert canonical("https://cells.example.com/gtin/soup") == "https://cells.example.com/gtin/soup"
