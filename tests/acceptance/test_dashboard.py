"""The dashboard in a real browser: over a store that a backfill filled, and over hostile names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor.store import queries
from tests.support.dashboard import chromium, configured, served, visit
from tests.support.store import DemoStore
from tests.support.views import BOLD, END, HOSTILE, SeededReader
from web.app import create_app

MODEL = "/models/flight-delay"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def real(demo_store: DemoStore) -> Iterator[str]:
    with served(create_app(demo_store.config, engine=demo_store.engine)) as address:
        yield address


@pytest.fixture(scope="module")
def reader() -> SeededReader:
    return SeededReader(models=3)


@pytest.fixture(scope="module")
def made(reader: SeededReader) -> Iterator[str]:
    with served(create_app(configured(), reader=reader, clock=lambda: END)) as address:
        yield address


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_drawn_without_an_error_or_a_request_elsewhere(
    browser: Browser, real: str, demo_store: DemoStore, theme: Literal["light", "dark"], width: int
) -> None:
    incident = queries.listed(demo_store.engine)[0].id
    pages = {
        "/": "Overview",
        MODEL: "flight-delay",
        f"{MODEL}/features/score": "score",
        f"{MODEL}/features/carrier": "carrier",
        "/incidents": "Incidents",
        f"/incidents/{incident}": None,
        "/nowhere": "Not found",
    }
    with visit(browser, real, theme=theme, width=width) as seen:
        for path, title in pages.items():
            seen.go(path)
            assert seen.page.locator(".failed").count() == 0, path
            if title is not None:
                expect(seen.page.locator("h1")).to_have_text(title)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert seen.wrong == []


def test_a_model_and_a_feature_from_the_store_show_their_numbers(
    browser: Browser, real: str
) -> None:
    with visit(browser, real) as seen:
        seen.go(MODEL)
        expect(seen.page.locator(".readout-confidence .big")).to_have_text(re.compile(r"^0\.\d+"))
        expect(seen.page.locator(".row-lane a", has_text="carrier").first).to_be_visible()
        seen.page.locator(".row-lane a", has_text="carrier").first.click()
        seen.page.wait_for_url("**/features/carrier*")
        expect(seen.page.locator(".distances tbody tr").first).to_be_visible()
        assert seen.wrong == []


def test_hostile_names_stay_text_on_every_page(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        for path in (
            "/",
            MODEL,
            f"{MODEL}/features/{quote(HOSTILE, safe='')}",
            f"{MODEL}/features/{quote(BOLD, safe='')}",
            f"/models/{quote(HOSTILE, safe='')}",
            f"/{quote(HOSTILE, safe='')}",
            "/incidents",
            "/incidents/a3f09c",
        ):
            seen.go(path)
            assert seen.page.locator("img").count() == 0, path
            assert seen.page.locator("a[href^='https://example.org']").count() == 0, path
            assert seen.page.locator("#page b").count() == 0, path
        seen.go(f"{MODEL}/features/carrier")
        expect(seen.page.locator("#spread-graph")).to_contain_text("<img src=x")
        assert seen.wrong == []


def test_dragging_over_the_sheet_sets_the_range_and_back_returns(
    browser: Browser, made: str
) -> None:
    with visit(browser, made) as seen:
        seen.go(f"{MODEL}?stat=psi")
        _drag(seen.page, 0.25, 0.5)
        seen.page.wait_for_url("**from=*")
        asked = parse_qs(urlsplit(seen.page.url).query)
        assert asked["stat"] == ["psi"]
        assert asked["from"][0] < asked["to"][0]
        expect(seen.page.locator(".presets .chosen")).to_have_count(0)
        seen.page.go_back()
        expect(seen.page.locator(".presets .chosen")).to_have_text(re.compile("14"))
        assert seen.wrong == []


def test_back_returns_from_a_feature_to_the_model_it_came_from(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go(f"{MODEL}?range=7d")
        seen.page.locator(".row-lane a", has_text="weather.humid").click()
        expect(seen.page.locator("h1")).to_have_text("weather.humid")
        assert "range=7d" in seen.page.url
        seen.page.go_back()
        expect(seen.page.locator("h1")).to_have_text("flight-delay")
        assert seen.wrong == []


def test_arrow_keys_move_the_line_without_asking_the_server(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go(MODEL)
        label = seen.page.locator("#sheet .chart-at")
        before = label.inner_text()
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.post_data or ""))
        seen.page.keyboard.press("ArrowLeft")
        expect(label).not_to_have_text(before)
        assert "at=" in seen.page.url
        assert not [body for body in asked if "sheet" in body]
        seen.page.keyboard.press(".")
        expect(label).to_have_text(before)


def test_the_line_named_in_the_address_is_where_the_page_opens(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go(f"{MODEL}?at=2013-12-06T17:00Z")
        expect(seen.page.locator("#sheet .chart-at")).to_have_text("Fri 6 Dec 12:00–13:00")


def test_a_new_result_comes_in_without_moving_the_line(
    browser: Browser, made: str, reader: SeededReader
) -> None:
    with visit(browser, made) as seen:
        seen.go(f"{MODEL}?at=2013-12-06T17:00Z")
        with seen.page.expect_response(lambda r: "model.children" in (r.request.post_data or "")):
            reader.changes += 1
        seen.settled()
        expect(seen.page.locator("#sheet .chart-at")).to_have_text("Fri 6 Dec 12:00–13:00")
        assert seen.wrong == []


def test_t_changes_the_theme_and_it_is_remembered(browser: Browser, made: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with visit(browser, made, theme="dark") as seen:
        seen.go("/")
        assert seen.page.evaluate(background) == "rgb(16, 18, 20)"
        seen.page.keyboard.press("t")
        seen.page.wait_for_function(f"() => {background} === 'rgb(250, 250, 248)'")
        seen.page.reload()
        seen.settled()
        assert seen.page.evaluate(background) == "rgb(250, 250, 248)"
        assert seen.wrong == []


def test_slash_finds_a_feature_by_a_part_of_its_name(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go("/")
        seen.page.keyboard.press("/")
        field = seen.page.locator("#search")
        expect(field).to_be_focused()
        field.press_sequentially("humid")
        seen.page.get_by_role("option", name="weather.humid").first.click()
        expect(seen.page.locator("h1")).to_have_text("weather.humid")
        assert seen.wrong == []


def test_a_question_mark_lists_the_keys(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go("/")
        seen.page.keyboard.press("?")
        expect(seen.page.locator(".keys")).to_contain_text("search")
        assert seen.wrong == []


def test_a_chosen_cohort_and_statistic_go_into_the_address(browser: Browser, made: str) -> None:
    with visit(browser, made) as seen:
        seen.go(MODEL)
        seen.page.locator("#cohort").click()
        seen.page.get_by_role("option", name="JFK", exact=True).click()
        seen.page.wait_for_url("**cohort=origin*JFK*")
        expect(seen.page.locator(".crumbs")).to_contain_text("origin JFK")
        seen.page.locator("#statistic").click()
        seen.page.get_by_role("option", name="PSI").click()
        seen.page.wait_for_url("**stat=psi*")
        assert "cohort=" in seen.page.url
        assert seen.wrong == []


def test_a_page_that_fails_says_so_and_leaves_the_rest_standing(browser: Browser) -> None:
    reader = SeededReader(models=2, broken=("model_view",))
    with (
        served(create_app(configured(), reader=reader, clock=lambda: END)) as address,
        visit(browser, address) as seen,
    ):
        seen.go(MODEL)
        expect(seen.page.locator(".failed")).to_contain_text("could not be drawn")
        assert "on purpose" not in seen.page.content()
        expect(seen.page.locator("#nav")).to_contain_text("flight-delay")


def test_a_model_without_results_shows_the_way_and_no_empty_chart(browser: Browser) -> None:
    reader = SeededReader(empty=True)
    with (
        served(create_app(configured(), reader=reader, clock=lambda: END)) as address,
        visit(browser, address) as seen,
    ):
        for path in ("/", MODEL, "/incidents", f"{MODEL}/features/carrier"):
            seen.go(path)
            assert seen.page.locator(".dash-graph").count() == 0
        assert seen.wrong == []


def test_only_the_password_opens_a_protected_dashboard(browser: Browser) -> None:
    config = configured(host="0.0.0.0", password="a long enough password")
    with (
        served(create_app(config, reader=SeededReader(), clock=lambda: END)) as address,
        visit(browser, address) as seen,
    ):
        seen.page.goto(f"{address}{MODEL}?range=7d")
        expect(seen.page.locator("h1")).to_have_text("Sign in")
        seen.page.fill("#password", "a guess")
        seen.page.click("button[type=submit]")
        expect(seen.page.locator("#error")).to_have_text("This is not the password.")
        seen.page.fill("#password", "a long enough password")
        seen.page.click("button[type=submit]")
        expect(seen.page.locator("h1")).to_have_text("flight-delay")
        assert "range=7d" in seen.page.url
        seen.page.get_by_role("button", name="Sign out").click()
        expect(seen.page.locator("h1")).to_have_text("Sign in")
        seen.page.fill("#password", "a long enough password")
        seen.page.click("button[type=submit]")
        expect(seen.page.locator("h1")).to_have_text("Overview")
        seen.page.context.clear_cookies()
        expect(seen.page.locator("h1")).to_have_text("Sign in")
        refused = [line for line in seen.wrong if "401" not in line]
        assert refused == []


def _drag(page: Page, start: float, end: float) -> None:
    box = page.locator("#sheet .chart-surface").bounding_box()
    assert box is not None
    y = box["y"] + 60
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (start + end) / 2 * box["width"], y)
    page.mouse.move(box["x"] + end * box["width"], y)
    page.mouse.up()
