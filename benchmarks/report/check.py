"""The report's page in a real browser: Chromium from the system, driven by Playwright.

    check.py PAGE --axe node_modules/axe-core/axe.min.js [--chromium /usr/bin/chromium] [--pairs 100000] [--pictures DIR]

PAGE is `report/index.html` of a sweep that `crates/results/examples/page --made-up` wrote: it has hostile answers, which the check looks
for. Exits with 1 and one line per fault.
"""

import argparse
import csv
import io
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SLOW = 2.0  # seconds that any one action may take on a busy machine


class Check:
    """Collects faults, and says what was looked at."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, holds: bool, what: str) -> None:
        print(("ok    " if holds else "FAULT ") + what)
        if not holds:
            self.faults.append(what)


def opened(browser, url: str, check: Check, name: str, **options) -> Page:
    """The page in a context of its own; whatever it logs or asks for is a fault."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("console", lambda m: check(m.type not in ("error", "warning"), f"{name}: console says {m.type}: {m.text}"))
    page.on("pageerror", lambda e: check(False, f"{name}: error {e}"))
    page.on("request", lambda r: check(r.url.startswith(("file:", "data:", "blob:")), f"{name}: asks for {r.url[:100]}"))
    page.goto(url)
    return page


def draw_all(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector("article.pair", state="attached", timeout=60_000)


def timed(check: Check, what: str, action, most: float = SLOW) -> None:
    start = time.monotonic()
    action()
    took = time.monotonic() - start
    check(took < most, f"{what}: {took:.2f} s")


def downloaded(page: Page, button) -> bytes:
    with page.expect_download() as waiting:
        button.click()
    return Path(waiting.value.path()).read_bytes()


def charts(page: Page, check: Check) -> None:
    figures = page.locator("figure[data-chart]")
    check(figures.count() > 20, f"{figures.count()} charts")
    check(page.locator("figure .plot svg").count() == figures.count(), "every chart is drawn")
    figure = page.locator("figure", has=page.locator(".legend")).first
    figure.scroll_into_view_if_needed()
    before = downloaded(page, figure.get_by_role("button", name="CSV").first).decode()
    entry = figure.locator(".legend button").first
    name = entry.inner_text()
    check(f",{name}," in before, f"the file has the series `{name}`")
    entry.click()
    check(entry.get_attribute("aria-pressed") == "false", "a legend's entry is off")
    check(page.evaluate("f => [...f.querySelectorAll('svg g')].some(g => g.style.display === 'none')", figure.element_handle()), "its series is hidden")
    check(f",{name}," not in downloaded(page, figure.get_by_role("button", name="CSV").first).decode(), "its numbers are not in the file")
    entry.click()
    check(not page.evaluate("f => [...f.querySelectorAll('svg g')].some(g => g.style.display === 'none')", figure.element_handle()), "and back")
    drawing = downloaded(page, figure.get_by_role("button", name="SVG").first)
    check(drawing.startswith(b"<svg") and b"light-dark" not in drawing, "SVG")
    check(downloaded(page, figure.get_by_role("button", name="PNG").first).startswith(b"\x89PNG"), "PNG")
    plot = figure.locator(".plot")
    plot.focus()
    page.keyboard.press("ArrowRight")
    first = plot.locator("[aria-live]").inner_text()
    page.keyboard.press("ArrowRight")
    second = plot.locator("[aria-live]").inner_text()
    check(first != second and "95 % interval" in second and "n = " in second, f"arrow keys read values: {second}")
    mark = plot.locator(".mark").bounding_box()
    page.keyboard.press("Escape")
    check(plot.locator(".bubble").is_hidden(), "Escape hides the value")
    page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    check(plot.locator(".bubble").is_visible() and "n = " in plot.locator(".bubble").inner_text(), "the pointer shows one")
    page.mouse.move(0, 0)
    figure.get_by_text("The numbers as a table").click()
    check(figure.locator("tbody tr").count() > 5, "the numbers are there as a table")


def tables(page: Page, check: Check) -> None:
    table = page.locator("table[data-name='safe fractions']")
    column = lambda: table.locator("tbody tr td:nth-child(2)").all_inner_texts()
    button = table.get_by_role("button", name="method")
    button.click()
    up = column()
    button.click()
    check(up == sorted(up) and column() == sorted(up, reverse=True), "a table sorts both ways")
    check(table.locator("th[aria-sort=descending]").count() == 1, "and says so")
    differences = page.locator("#differences-table")
    differences.scroll_into_view_if_needed()
    rows = differences.locator("tbody tr").count()
    differences.get_by_role("searchbox").fill("reap")
    texts = differences.locator("tbody tr").all_inner_texts()
    check(0 < len(texts) <= rows and all("reap" in text for text in texts), "a long table filters")


def answers(page: Page, check: Check, pairs: int) -> None:
    browser = page.locator("#browser")
    count = lambda: int(browser.get_by_role("status").first.inner_text().split(" of ")[-1].split()[0].replace(",", ""))
    select = lambda control, **choice: browser.get_by_role("combobox", name=control, exact=True).select_option(**choice)
    timed(check, "all answers", lambda: select("Change", label="all"))
    everything = count()
    check(everything >= 0.99 * pairs, f"{everything} answers")
    timed(check, "the next page", lambda: browser.get_by_role("button", name="Next").click())
    check(browser.get_by_role("status").first.inner_text().startswith("11–20 of"), "the page turns")
    timed(check, "by item", lambda: select("Order", value="item"))
    timed(check, "right → wrong", lambda: select("Change", label="right → wrong"))
    lost = count()
    cards = browser.locator("article.pair")
    check(0 < lost < everything and cards.count() == 10, f"{lost} right → wrong")
    check(all("right → wrong" in text for text in cards.all_inner_texts()), "all of them are")
    timed(check, "supported → unsupported", lambda: select("Change", label="supported → unsupported"))
    check(browser.locator("mark.unsupported").count() > 0 and browser.locator("mark.differs").count() > 0, "words are marked")
    timed(check, "one method", lambda: select("Method", label="reap"))
    timed(check, "one share", lambda: select("Removed", label="50 %"))
    check(0 < count() < everything / 10 and all("reap, 50 % removed" in text for text in cards.all_inner_texts()), "method and share")
    select("Removed", label="all")
    select("Method", label="all")
    select("Change", label="all")
    for hostile in ["<script>window.hacked", "onerror=", "=HYPERLINK(", "<iframe", "{{ 7 * 7 }}"]:
        timed(check, f"search for {hostile}", lambda: browser.get_by_role("searchbox").fill(hostile))
        check(count() > 0 and all(hostile in text for text in cards.all_inner_texts()), f"{hostile} is text")
    check(page.evaluate("window.hacked === undefined && !document.querySelector('#browser iframe, #browser img, #browser script')"), "nothing hostile ran")
    browser.get_by_role("searchbox").fill("=HYPERLINK(")
    select("Task", label="meqsum")
    rows = list(csv.reader(io.StringIO(downloaded(page, browser.get_by_role("button", name="CSV")).decode(), newline="")))
    check(len(rows) - 1 == count(), f"{len(rows) - 1} answers in a file")
    cells = [cell for row in rows for cell in row]
    check(any(cell.startswith("'=HYPERLINK(") for cell in cells), "a cell that begins with = is text")
    check(not any(cell.startswith(("=", "+", "@", "\t")) for cell in cells), "no cell of it is a formula")
    browser.get_by_role("searchbox").fill("")
    page.locator("a[data-change='supported → unsupported']").first.click()
    check(browser.get_by_role("combobox", name="Change", exact=True).locator("option:checked").inner_text() == "supported → unsupported", "a table leads to its items")


def accessible(page: Page, check: Check, axe: str, name: str) -> None:
    page.evaluate(axe)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    for fault in found["violations"]:
        places = ", ".join(" ".join(map(str, node["target"])) for node in fault["nodes"][:3])
        check(False, f"{name}: {fault['id']} ({fault['impact']}): {fault['help']}: {len(fault['nodes'])} × {places}")
    check(not found["violations"], f"{name}: accessible by axe {found['testEngine']['version']}")


def pictures(page: Page, folder: Path, name: str) -> None:
    for place in ["top", "worse", "answers", "charts", "safe", "costs", "differences", "made"]:
        page.evaluate("place => document.getElementById(place)?.scrollIntoView()", place)
        page.wait_for_timeout(400)
        page.screenshot(path=folder / f"{name}-{place}.png", timeout=60_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--axe", type=Path, help="axe.min.js; without it accessibility is not checked")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--pairs", type=int, default=100_000, help="pairs of answers that the page holds")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots of every view")
    arguments = parser.parse_args()
    check, url = Check(), arguments.page.resolve().as_uri()
    axe = arguments.axe.read_text() if arguments.axe else None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox", "--disable-gpu"])
        size = arguments.page.stat().st_size / 2**20
        wide = {"viewport": {"width": 1400, "height": 1000}}
        page = opened(browser, url, check, "light", **wide)
        timed(check, f"{size:.1f} MiB, unpacked and drawn", lambda: draw_all(page), 5 * SLOW)
        charts(page, check)
        tables(page, check)
        answers(page, check, arguments.pairs)
        views = [("light", wide), ("dark", {**wide, "color_scheme": "dark"}), ("narrow", {"viewport": {"width": 360, "height": 740}})]
        for name, options in views:
            page = opened(browser, url, check, name, **options)
            page.evaluate("document.getElementById('charts').scrollIntoView()")
            page.wait_for_selector(".plot svg")
            page.evaluate("document.getElementById('answers').scrollIntoView()")
            page.wait_for_selector("article.pair")
            if axe:
                accessible(page, check, axe, name)
            width = page.evaluate("document.documentElement.scrollWidth")
            check(width <= options["viewport"]["width"], f"{name}: {width} px wide")
            if arguments.pictures:
                arguments.pictures.mkdir(parents=True, exist_ok=True)
                pictures(page, arguments.pictures, name)
        page = opened(browser, url, check, "print", color_scheme="dark")
        figures = page.locator("figure[data-chart]")
        figures.nth(figures.count() - 1).locator(".plot svg").wait_for(state="attached")
        page.wait_for_selector("article.pair", state="attached")
        printed = page.pdf(format="A4", prefer_css_page_size=True)
        check(len(printed) > 300_000, f"printed, with charts that nobody has scrolled to: {len(printed) / 2**20:.1f} MiB")
        if arguments.pictures:
            (arguments.pictures / "print.pdf").write_bytes(printed)
        context = browser.new_context()
        context.add_init_script("delete window.DecompressionStream")
        page = context.new_page()
        page.goto(url)
        check("cannot unpack" in page.get_by_role("alert").inner_text(), "an old browser gets a plain message")
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(url)
        check("Scripts are off" in page.inner_text("body") and page.locator("table").count() > 5, "without scripts there are words and tables")
        browser.close()
    print(f"{len(check.faults)} faults")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
