"""A System that a job brings is data and stays data. Needs no OpenMM."""

from __future__ import annotations

import pytest

from schemas.errors import SettingsError
from twins.molecule import system_xml
from twins.molecule.system_xml import check_system_xml


def system(forces: str = "", before: str = "") -> str:
    return f'<?xml version="1.0" ?>\n{before}<System openmmVersion="8.6.1" type="System" version="1">' \
        f"<Particles><Particle mass=\"12\"/></Particles><Forces>{forces}</Forces></System>\n"  # fmt: skip


GOOD = '<Force type="HarmonicBondForce" version="2"><Bonds><Bond d=".1" k="9" p1="0" p2="1"/></Bonds></Force>'
PYTHON = '<Force type="PythonForce" version="1" />'


def test_what_goes_on_is_what_was_read() -> None:
    table = '<Function type="Discrete2DFunction" name="f"/>'
    text = system(GOOD + f'<Force type="CustomGBForce"><Functions>{table}</Functions><Term type="0"/></Force>')
    given = check_system_xml(text)
    assert check_system_xml(given) == given
    assert 'k="9"' in given
    assert "Discrete2DFunction" in given


@pytest.mark.parametrize(
    "text",
    [
        system(PYTHON),
        system(PYTHON.replace("Force type", "Thing type")),
        system(PYTHON.replace("PythonForce", "CustomCVForce").replace(" />", f">{PYTHON}</Force>")),
        system(GOOD.replace("<Bonds>", f"<Bonds>{PYTHON}")),
        system(GOOD.replace("<Bonds>", f"<Bonds>{GOOD}")),
        system(GOOD.replace("<Bonds>", f"<Forces>{GOOD}</Forces><Bonds>")),
        system(GOOD, before='<!DOCTYPE System [<!ENTITY a "b">]>'),
        system(GOOD, before='<!DOCTYPE System SYSTEM "file:///etc/passwd">'),
        system("<![CDATA[" + PYTHON + "]]>"),
        system(f"<!-- {PYTHON} -->"),
        system("<?php ?>" + GOOD),
        system("&a;"),
        system(GOOD)[:-20],
        "no xml",
        '<Force type="PythonForce" />',
        '<State type="State" />',
        "<System type='System'>" + "<a>" * 20 + "</a>" * 20 + "</System>",
    ],
)
def test_what_could_be_more_than_data_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"inputs\.system"):
        check_system_xml(text)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = system(GOOD)
    monkeypatch.setattr(system_xml, "MOST_SYSTEM_CHARACTERS", len(text) - 1)
    with pytest.raises(SettingsError, match="characters"):
        check_system_xml(text)
    monkeypatch.setattr(system_xml, "MOST_SYSTEM_CHARACTERS", len(text))
    monkeypatch.setattr(system_xml, "MOST_ELEMENTS", 3)
    with pytest.raises(SettingsError, match="elements"):
        check_system_xml(text)
