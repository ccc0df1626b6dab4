"""The step-through page in a real browser: every control, both ways, and not one error."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from minires import nn
from minires.data import digits
from minires.experiments.stepping import Stepping, page_of
from minires.inspect.step_page import step_page
from minires.inspect.trace import record

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "step"
COMMITTED = {"plain20-resnet20": "plain20 和 resnet20", "resnet20-trained": "resnet20"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "step.html"
    page_of(Stepping(("plain8", "resnet8"), batch=4), digits().enlarged(32)).save(path)
    return path


@pytest.fixture
def page(browser, file):
    """The page, opened; whatever it complains about or fetches fails the test."""
    complaints, fetched = [], []
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: fetched.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert complaints == []
    assert all(url.startswith(("file:", "data:")) for url in fetched)
    context.close()


def where(page):
    return page.locator("#where").inner_text()


def moments(page):
    return int(page.locator("#slider").get_attribute("max")) + 1


def test_it_opens_at_the_beginning(page):
    assert where(page).startswith("forward, step 1 of ")
    assert "Conv2d conv1" in where(page)
    assert page.locator(".op-card").count() == 2
    assert page.locator(".op-card canvas").count() >= 16
    low, high = page.evaluate("nets[0].ops[0].output.maps.ends.map(short)")
    assert page.locator(".op-card .scale").first.inner_text().split() == [low, high]


def test_it_begins_with_the_image_and_ends_with_bars_of_the_softmax(page):
    net = page.evaluate("nets[1]")
    name = net["classes"][net["label"]]
    image = page.locator(".graph").nth(1).locator(".image")
    assert f"label: {name}" in image.inner_text()
    assert image.locator("canvas").get_attribute("aria-label") == f"image labelled {name}"
    page.locator("#chart").click(
        position={"x": page.locator("#chart").bounding_box()["width"] - 9, "y": 9}
    )
    for phase in ("forward", "backward"):
        assert where(page).startswith(phase)
        assert "resnet8: CrossEntropy" in where(page)
        bars = page.locator(".op-card").nth(1).locator(".bars tr")
        rows = [row.split("\t") for row in bars.all_inner_texts()]
        assert len(rows) == 10
        assert (
            bars.locator("xpath=self::*[@class='true']").inner_text().startswith(f"{name} ◀ label")
        )
        values = [float(row[-1]) for row in rows]
        assert sum(values) == pytest.approx(1 if phase == "forward" else 0, abs=0.01)
        assert (values[net["label"]] < 0) == (phase == "backward")
        page.click("#next")


def test_of_many_classes_the_likeliest_and_the_true_one_have_a_bar(page):
    shown = page.evaluate(
        """() => {
          const probabilities = Array.from({ length: 30 }, (_, k) => k / 435);
          const net = { label: 0, classes: probabilities.map(String), probabilities };
          return [...bars(net, probabilities).rows].map((row) => row.rowIndex + row.className);
        }"""
    )
    assert len(shown) == 10
    assert shown[0] == "0true"


def test_it_is_stepped_through_to_the_end_and_back_again(page):
    seen = [where(page)]
    for _ in range(moments(page) - 1):
        page.click("#next")
        seen.append(where(page))
    assert len(set(seen)) == moments(page)
    assert seen[-1].startswith("backward")
    assert "Conv2d conv1" in seen[-1]
    page.click("#next")
    assert where(page) == seen[-1], "there is nothing after the end"
    for expected in reversed(seen[:-1]):
        page.keyboard.press("ArrowLeft")
        assert where(page) == expected
    page.click("#previous")
    assert where(page) == seen[0]


def test_every_control(page):
    page.click("#last")
    assert f"step {moments(page)} of" in where(page)
    page.click("#first")
    assert "step 1 of" in where(page)
    page.keyboard.press("End")
    assert f"step {moments(page)} of" in where(page)
    page.keyboard.press("Home")
    page.locator("#slider").fill("7")
    assert "step 8 of" in where(page)
    page.click("#addition")
    assert "Add" in where(page)
    page.keyboard.press("j")
    assert "Add layer2.0" in where(page)


def test_it_plays_and_pauses(page):
    page.select_option("#speed", "30")
    page.click("#play")
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    sync_api.expect(page.locator("#where")).to_have_text(re.compile(r"step ([5-9]|\d\d+) of"))
    page.click("#play")
    stopped = where(page)
    page.wait_for_timeout(150)
    assert where(page) == stopped
    page.keyboard.press("Home")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press(" ")
    sync_api.expect(page.locator("#slider")).to_have_value(str(moments(page) - 1), timeout=30_000)
    sync_api.expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")


def test_the_address_keeps_the_place(page, file):
    page.click("#addition")
    address, place = page.url, where(page)
    assert "#step-" in address
    page.goto("about:blank")
    page.goto(address)
    assert where(page) == place
    page.evaluate("location.hash = '#step-3'")
    sync_api.expect(page.locator("#slider")).to_have_value("2")
    page.goto("about:blank")
    page.goto(file.as_uri() + "#step-100000")
    assert f"step {moments(page)} of" in where(page)
    page.goto("about:blank")
    page.goto(file.as_uri() + "#nonsense")
    assert "step 1 of" in where(page)


def test_any_operation_can_be_clicked_and_blocks_open_and_close(page):
    graph = page.locator(".graph").nth(1)
    block = graph.locator(".fold", has_text="layer2.0")
    assert block.get_attribute("aria-expanded") == "false"
    block.click()
    assert block.get_attribute("aria-expanded") == "true"
    graph.locator('.op[title="Conv2d layer2.0.conv2"]').click()
    assert "resnet8: Conv2d layer2.0.conv2" in where(page)
    current = graph.locator('[aria-current="step"]')
    assert current.count() == 1
    assert "conv2" in current.inner_text()
    block.click()
    assert block.get_attribute("aria-expanded") == "false"


def test_the_chart_is_clicked(page):
    box = page.locator("#chart").bounding_box()
    page.locator("#chart").click(position={"x": box["width"] - 20, "y": 40})
    assert "CrossEntropy" in where(page)
    assert page.locator("#chart polyline").count() == 2


def test_backward_shows_the_fork_at_an_addition_and_the_other_net_waits(page):
    page.click("#last")
    for _ in range(200):
        page.keyboard.press("ArrowLeft")
        if "Add" in where(page) and where(page).startswith("backward"):
            break
    plain, residual = page.locator(".op-card").all()
    assert "waits" in plain.get_attribute("class")
    assert plain.evaluate("card => getComputedStyle(card).opacity") == "1", "its text is readable"
    assert residual.locator(".fork figure").count() == 2
    assert "return self.unbroadcast(gy, gy)" in residual.inner_text()
    first, second = residual.locator(".fork figcaption").all_inner_texts()
    assert first.rsplit("norm", 1)[1] == second.rsplit("norm", 1)[1]


def test_the_gradient_through_the_branch_or_the_shortcut_alone(page, file):
    def curves():
        return [line.get_attribute("points") for line in page.locator("#chart polyline").all()]

    def dots(title):
        found = page.locator(f'.graph .op[title="{title}"] .dot').all()
        return [dot.evaluate("dot => dot.style.backgroundColor") for dot in found]

    page.click("#last")
    plain, residual = curves()
    both = dots("Conv2d layer1.0.conv1")
    seen = {residual}
    for through in ("branch", "shortcut"):
        page.select_option("#through", through)
        assert f"through the {through} only" in page.locator("#chart-title").inner_text()
        now = curves()
        assert now[0] == plain, "a plain net has no additions"
        seen.add(now[1])
        assert page.url.endswith(f"#step-{moments(page)}-{through}")
    assert len(seen) == 3
    first, second = dots("Conv2d layer1.0.conv1")
    assert (first, second) == (both[0], ""), "along the shortcuts no branch gets a gradient"
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("#through").input_value() == "shortcut"
    assert curves() == now
    page.select_option("#through", "both")
    assert curves() == [plain, residual]
    assert "through" not in page.locator("#chart-title").inner_text()


def test_over_a_pixel_its_window_the_products_and_their_sum(page):
    card = page.locator(".op-card").first
    row = card.locator(".maps").first
    row.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    assert "step 1 of" in where(page), "the arrow keys do not walk there"
    said = card.locator(".said").first
    sync_api.expect(said).to_contain_text("channel 1, row 16, column 17")
    box = row.locator("canvas").nth(2).bounding_box()
    page.mouse.move(box["x"] + 0.1, box["y"] + 0.1)
    sync_api.expect(said).to_contain_text("channel 2, row 0, column 0")
    window = card.locator(".window").first
    corner = [window.get_attribute(name) for name in ("x", "y", "width", "height")]
    assert corner == ["-1", "-1", "3", "3"], "with the padding"
    row.focus()
    for key in ("ArrowDown",) * 14 + ("ArrowRight",) * 12:
        page.keyboard.press(key)
    text = card.inner_text()
    total, y = map(float, re.search(r"All of them: (\S+)\. The output has (\S+)\.", text).groups())
    exact = page.evaluate("valueAt(nets[0].ops[0].output.maps, 2, 14, 12)")
    assert y == pytest.approx(exact, rel=0.1, abs=0.02)
    assert total == pytest.approx(exact, rel=0.1, abs=0.05)


def test_kernels_and_their_gradients_are_read_pixel_by_pixel(page):
    for place, figures in (("#first", 1), ("#last", 2)):
        page.click(place)
        shown = page.locator(".op-card").first.locator(".kernels")
        assert shown.count() == figures
        shown.last.focus()
        for key in ("ArrowDown",) * 4 + ("ArrowRight",) * 2:  # the first press is the corner
            page.keyboard.press(key)
        name = ["w", "gw"][figures - 1]
        value = page.evaluate(f"valueAt(nets[0].ops[0].inside.{name}, 0, 3, 2)")
        said = page.locator(".op-card").first.locator(".pair .said").last.inner_text()
        assert said.startswith("output 1, input 0, row 0, column 2: ")
        assert float(said.split()[-1]) == pytest.approx(value, rel=0.1, abs=1e-3)


def test_the_terms_of_an_addition_are_shown_on_one_scale(page):
    page.click("#addition")
    card = page.locator(".op-card").nth(1)
    assert card.locator(".maps").count() == 3
    card.locator(".maps").nth(1).locator("canvas").first.hover()
    said = card.locator(".said").inner_text()
    a, b, y = map(float, re.search(r"= (\S+) \+ (\S+) = (\S+)$", said).groups())
    assert a + b == pytest.approx(y, abs=0.06)
    apart = page.evaluate(
        """() => {
          const op = nets[1].ops.find((op) => op.addition);
          const terms = [...op.inputs.map((i) => nets[1].ops[i].output.maps), op.output.maps];
          const off = (k, i, j) => Math.abs(terms.reduce((sum, m, n) =>
            sum + (n < 2 ? 1 : -1) * valueAt(m, k, i, j), 0));
          const all = Array.from({ length: 32 * 32 }, (_, n) => off(3, n >> 5, n & 31));
          return Math.max(...all) / (terms.reduce((sum, m) => sum + stepOf(m), 0) / 2);
        }"""
    )
    assert apart < 1.01


def test_each_channel_of_a_batch_norm_has_a_row(page):
    page.click("#next")
    rows = page.locator(".op-card").first.locator(".channels tr")
    assert rows.first.inner_text().split("\t")[0] == "channel"
    assert rows.count() == 9
    assert rows.nth(1).inner_text().split("\t")[3:5] == ["1", "0"], "gamma and beta at the start"


def test_the_pixel_that_won_is_marked(browser, tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6), dtype=np.float32)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))
    step_page([("net", record(net, x, np.arange(2)))], "x").save(tmp_path / "pool.html")
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.goto((tmp_path / "pool.html").as_uri() + "#step-2")
    opened.locator(".op-card .maps").first.focus()
    opened.keyboard.press(
        "ArrowLeft"
    )  # from the middle, to the window of rows 2, 3 and columns 0, 1
    marked = opened.locator(".op-card .maps").nth(1).locator(".pixel")
    y, x = (int(marked.get_attribute(name)) for name in ("y", "x"))
    values = {
        (i, j): opened.evaluate(f"valueAt(nets[0].ops[0].output.maps, 0, {i}, {j})")
        for i in (2, 3)
        for j in (0, 1)
    }
    assert values[y, x] == max(values.values())
    assert f"is in row {y}, column {x}" in opened.locator(".op-card").inner_text()
    opened.close()


def test_english_and_chinese(page):
    page.click("#last")
    english = page.locator("body").inner_text()
    page.select_option("#language", "zh")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert page.title() == "plain8 和 resnet8 的一个训练步"
    assert where(page).startswith("反向，第")
    assert "标签" in page.locator(".image").first.inner_text()
    page.reload()
    assert page.locator("#language").input_value() == "zh", "it is remembered"
    page.evaluate("speak('en')")
    assert page.locator("body").inner_text() == english


def test_a_page_without_additions_offers_none(browser, tmp_path):
    page_of(Stepping(("plain8",), batch=2), digits()).save(tmp_path / "plain.html")
    opened = browser.new_page()
    opened.goto((tmp_path / "plain.html").as_uri() + "#step-3-branch")
    assert where(opened).startswith("forward, step 3 of ")
    assert opened.locator("#through").is_hidden()
    assert opened.locator("#through").input_value() == "both"
    assert opened.locator("#addition").is_hidden()
    opened.close()


def test_code_that_is_cut_off_scrolls_by_keyboard(page):
    code = page.locator(".op-card pre[tabindex]").first
    assert code.evaluate("code => code.scrollWidth > code.clientWidth")
    place = where(page)
    code.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert code.evaluate("code => code.scrollLeft > 0")
    assert where(page) == place


def test_a_closed_block_shows_its_shortcut_past_it(page):
    closed = page.locator(".graph").nth(1).locator('.fold[aria-expanded="false"]')
    arcs = page.locator(".graph").nth(1).locator("path")
    assert arcs.count() == closed.count() == 3
    for arc, fold in zip(arcs.all(), closed.all(), strict=True):
        height = arc.evaluate("arc => arc.getPointAtLength(1e6).y - arc.getPointAtLength(0).y")
        assert height == pytest.approx(fold.bounding_box()["height"], abs=0.1)


def test_on_paper_code_is_whole_and_the_controls_are_gone(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("nav").is_hidden()
    code = page.locator("pre").all()
    assert all(pre.evaluate("pre => pre.scrollWidth <= pre.clientWidth") for pre in code)
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_light_and_dark(page):
    def paper():
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    page.emulate_media(color_scheme="dark")
    dark = paper()
    page.emulate_media(color_scheme="light")
    assert paper() != dark
    page.click("#theme")  # light
    page.click("#theme")
    assert page.locator("#theme").inner_text().endswith("dark")
    assert paper() == dark


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it looks for faults")
    page.emulate_media(reduced_motion="reduce")
    for scheme, place in (("light", "#first"), ("dark", "#addition"), ("light", "#last")):
        page.emulate_media(color_scheme=scheme)
        page.click(place)
        found = axe.Axe().run(page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["target"]) for v in found if v["impact"] != "minor"]
        assert serious == []


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_sticks_out_at_any_width(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    for place in ("#first", "#addition", "#last"):
        page.click(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_pages_beside_readmes_image_open(browser):
    for name, title in COMMITTED.items():
        opened = browser.new_page(locale="zh-CN")
        opened.goto((RESULTS / f"{name}.html").as_uri())
        assert opened.title() == f"{title} 的一个训练步"
        assert opened.locator(".op-card .kernels").count()
        opened.close()


def test_a_tag_that_got_into_the_page_does_nothing(browser, file, tmp_path):
    attack = "document.title = 'ran'"
    tags = f'<img src="data:," onerror="{attack}"><script>{attack}</script>'
    text = file.read_text(encoding="utf-8").replace("<footer>", f"<footer>{tags}")
    (tmp_path / "attacked.html").write_text(text, encoding="utf-8")
    opened = browser.new_page()
    opened.goto((tmp_path / "attacked.html").as_uri())
    assert where(opened).startswith("forward, step 1 of ")
    assert opened.title() == "One training step of plain8 and resnet8"
    opened.close()
