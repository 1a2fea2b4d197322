"""Both pages against WCAG 2.2 AA by axe-core, in both themes and at three widths."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from schemas.instants import HOUR, format_instant
from tests.browser.conftest import Watched, violations
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.postgres]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "path",
    [
        "/", "/?view=tiles", "/?view=table", "/unit?kind=bioreactor&key=BR-01", "/unit?kind=bioreactor&key=BR-06",
        "/unit?kind=bioreactor&key=BR-01&at=AT",
    ],
)  # fmt: skip
def test_no_violation(site: Site, watch: Callable[..., Watched], axe: str, path: str, theme: str) -> None:
    page = watch(site.url + path.replace("AT", _yesterday()), color_scheme=theme, bypass_csp=True).page
    expect(page.locator("[data-key]:visible, .panel").first).to_be_visible()
    if path.startswith("/unit"):
        page.locator('[data-panel="biomass"]').get_by_role("button", name="Table").click()
    assert not violations(page, axe)


@pytest.mark.parametrize("width", [1920, 1280, 360])
@pytest.mark.parametrize("path", ["/", "/unit?kind=bioreactor&key=BR-01"])
def test_nothing_sticks_out_sideways(site: Site, watch: Callable[..., Watched], path: str, width: int) -> None:
    page = watch(site.url + path, width, 900).page
    expect(page.locator("[data-key], .panel").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_motion_stops_where_it_is_not_wanted(site: Site, watch: Callable[..., Watched]) -> None:
    page = watch(site.url, reduced_motion="reduce").page
    expect(page.locator(".card").first).to_be_visible()
    page.locator(".alert-item").first.evaluate("one => one.classList.add('fresh')")
    assert page.locator(".alert-item").first.evaluate("one => getComputedStyle(one).animationName") == "none"


def _yesterday() -> str:
    return format_instant(time.time_ns() // 1000 - 12 * HOUR)
