"""The laboratory in a real browser: every control, the link, two languages, and not one error."""

import os
import re
import shutil
from itertools import count
from threading import Event
from urllib.parse import urlsplit

import numpy as np
import pytest

from minires.data import digits
from minires.inspect.step_page import maps_of
from minires.lab.server import Served

pytest.importorskip("uvicorn", reason="it needs a web server")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in")

SMALL = "net=plain8,resnet8&images=48&batch=8"
SEEDS = count(3)
expect = sync_api.expect
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def served():
    lab = Served(SMALL)
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def page(browser, served):
    """The page, opened at a session of its own; what it complains about fails the test."""
    complaints, fetched = [], []
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: fetched.append(request.url))
    seed = next(SEEDS)
    opened.goto(f"{served.url}#{SMALL}&seed={seed}")
    expect(opened.locator("#shared input")).to_have_value(f"{seed}")
    expect(opened.locator("#errors polyline.mean")).to_have_count(2)
    expect(opened.locator("#where")).to_contain_text(re.compile("step [1-9]"))
    yield opened
    context.close()
    assert complaints == []
    origin = served.url.split("/", 3)[2]
    assert all(f"://{origin}/" in url or url.startswith("data:") for url in fetched)


def step(page):
    expect(page.locator("#where")).to_contain_text(re.compile(r"step \d"))  # a frame has come
    return int(re.search(r"step (\d+)", page.locator("#where").inner_text())[1])


def pause(page):
    page.click("#run")
    expect(page.locator("#run")).to_have_text("▶ run")


def panel(page, net):
    return page.locator("#nets > section").nth(net)


def test_both_nets_are_moving(page):
    first = step(page)
    expect(page.locator("#where")).not_to_have_text(re.compile(rf"step {first} "))
    assert step(page) > first
    expect(page.locator("#legend")).to_contain_text("plain8: training")
    assert page.locator(".layer-chart canvas").count() == 3
    label = page.locator(".layer-chart canvas").first
    expect(label).to_have_attribute("aria-label", re.compile("resnet8: first layer .*, last layer"))


def test_it_pauses_takes_a_step_and_runs_by_mouse_and_keyboard(page):
    pause(page)
    stopped = step(page)
    page.click("#step")
    expect(page.locator("#where")).to_contain_text(f"step {stopped + 1} ")
    page.locator("h1").click()
    page.keyboard.press("s")
    expect(page.locator("#where")).to_contain_text(f"step {stopped + 2} ")
    page.keyboard.press(" ")
    expect(page.locator("#run")).to_have_text("❚❚ pause")


def test_numbers_where_the_pointer_is_and_where_arrow_keys_go(page):
    expect(page.locator("#legend")).to_contain_text(re.compile(r"test \d"))  # an epoch has ended
    pause(page)
    curves, said = page.locator("#errors"), page.locator("#errors-at")
    curves.focus()
    page.keyboard.press("End")
    expect(said).to_have_text(
        f"step {step(page)} · {' · '.join(page.locator('#legend span').all_inner_texts()[:2])}"
    )
    box = curves.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    expect(said).to_have_text(re.compile(r"step 0 · plain8: training –, test – · resnet8: "))
    assert curves.locator(".cursor").count() == 1

    chart = page.locator(".layer-chart").first
    chart.locator("canvas").focus()
    for key in ("ArrowRight", "ArrowRight"):  # the first press is the first layer
        page.keyboard.press(key)
    numbers = r"plain8 layer1.0.conv1: \S+ · resnet8 layer1.0.conv1: \S+$"
    expect(chart.locator("output")).to_have_text(re.compile(numbers))
    box = chart.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 9, box["y"] + 50)
    expect(chart.locator("output")).to_have_text(re.compile(r"plain8 fc: \S+ · resnet8 fc: \S+$"))

    features = panel(page, 1).locator(".chosen")
    features.locator(".maps").focus()
    for key in ("ArrowDown", "PageDown", "ArrowDown"):  # the first press is the corner
        page.keyboard.press(key)
    expect(features.locator("output")).to_have_text(re.compile(r"channel 1, row 1, column 0: \S+$"))
    low, high = map(float, features.locator(".scale").inner_text().split())
    for _ in range(6):  # to a pixel that the ReLU has not set to 0: only such a one must change
        value = features.locator("output").inner_text().split()[-1]
        if value != "0":
            break
        page.keyboard.press("ArrowRight")
    assert low <= float(value) <= high
    page.click("#step")
    expect(features.locator("output")).not_to_have_text(re.compile(f"{re.escape(value)}$"))


def test_surgery_marks_the_curves_and_is_undone(page):
    pause(page)
    arc = panel(page, 1).locator(".arc").nth(1)
    expect(arc).to_have_attribute("aria-pressed", "true")
    arc.click()
    expect(arc).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#surgeries li")).to_have_text(
        re.compile("step \\d+, resnet8: shortcut of layer2.0 cut")
    )
    expect(page.locator("#errors .mark")).to_have_count(1)
    assert ":1:shortcut:layer2.0:0" in page.url
    page.click("#undo")
    expect(arc).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#errors .mark")).to_have_count(0)
    expect(page.locator("#undo")).to_be_disabled()


def test_every_surgery_on_a_block(page):
    pause(page)
    net = panel(page, 0)
    net.get_by_role("button", name="layer3.0", exact=True).click()
    net.get_by_role("button", name="put shortcut in").click()
    expect(net.get_by_role("button", name="cut shortcut")).to_be_visible()
    net.locator(".actions select").select_option("0.5")
    expect(net.locator(".badge").nth(3)).to_have_text("×0.5")
    net.get_by_role("button", name="freeze").click()
    expect(net.locator(".badge").nth(3)).to_have_text("❄×0.5")
    net.get_by_role("button", name="layer3.0.conv2: new weights").click()
    net.get_by_role("button", name="layer3.0.conv1: no gradient for a step").click()
    net.locator("[name=lr]").select_option("0.1")
    net.locator("[name=momentum]").select_option("0.5")
    expect(page.locator("#surgeries li")).to_have_count(7)
    assert net.locator(".maps canvas").count() == 8


def test_the_link_gives_the_same_curves(page, served):
    pause(page)
    panel(page, 1).locator(".arc").first.click()
    expect(page.locator("#surgeries li")).to_have_count(1)
    stopped = step(page) + 2
    page.click("#step")
    page.click("#step")
    expect(page.locator("#where")).to_contain_text(f"step {stopped} ")
    link, legend = page.url, page.locator("#legend").inner_text()
    page.goto("about:blank")
    page.goto(served.url + "#net=plain8,resnet8&images=48&batch=8&seed=2")
    expect(page.locator("#shared input")).to_have_value("2")
    page.evaluate("hash => { location.hash = hash }", link.split("#")[1])
    expect(page.locator("#shared input")).not_to_have_value("2")
    pause(page)
    while step(page) < stopped:
        before = step(page)
        page.click("#step")
        expect(page.locator("#where")).to_contain_text(f"step {before + 1} ")
    if step(page) == stopped:
        assert page.locator("#legend").inner_text() == legend
    assert page.url == link


def test_a_link_is_opened_before_the_first_frame_of_the_session_it_replaces(browser, served):
    """The scene of another session is drawn and none of its frames: the link is not forgotten."""
    context = browser.new_context()
    opened = context.new_page()
    frames = Event()
    frames.set()

    def relay(route):
        behind = route.connect_to_server()

        def pass_on(message):
            if frames.is_set() or message[0] != "F":
                route.send(message)

        behind.on_message(pass_on)
        route.on_message(behind.send)

    opened.route_web_socket("**/live", relay)
    opened.goto(f"{served.url}#{SMALL}&seed=1")
    expect(opened.locator("#shared input")).to_have_value("1")
    expect(opened.locator("#errors polyline.mean")).to_have_count(2)
    frames.clear()
    opened.evaluate("hash => { location.hash = hash }", f"{SMALL}&seed=2")
    expect(opened.locator("#shared input")).to_have_value("2")
    opened.evaluate("hash => { location.hash = hash }", f"{SMALL}&seed=0")
    frames.set()
    expect(opened.locator("#shared input")).to_have_value("0")
    context.close()


def test_a_link_is_opened_though_a_frame_is_drawn_before_the_page_hears_of_it(page):
    """A frame writes its session into the address while the event of the link is on its way."""
    page.evaluate(
        """link => {
            const drawn = location.href;
            location.hash = link;
            history.replaceState(null, "", drawn);
        }""",
        f"{SMALL}&seed=1",
    )
    expect(page.locator("#shared input")).to_have_value("1")


def walk_through(page):
    """Pause and walk; return the page of the walk, which begins with the way back."""
    page.click("#walk")
    shown = page.frame_locator("#walk-view")
    expect(shown.locator("#where")).to_contain_text("backward")
    expect(page.locator("main")).to_be_hidden()
    wait_until_loaded(page)
    return shown


def wait_until_loaded(page):
    """Wait until the page of the walk takes keys."""
    view = "document.getElementById('walk-view').contentDocument"
    page.wait_for_function(f"() => {view}.readyState === 'complete' && {view}.title")


def test_the_walk_is_the_step_page_at_the_weights_of_now(page):
    shown = walk_through(page)
    expect(page.locator("#run")).to_have_text("▶ run")
    stopped = step(page)
    expect(shown.locator("footer")).to_contain_text(f"after {stopped} steps of training")
    expect(shown.locator(".op-card")).to_have_count(2)
    expect(shown.locator("#choices")).to_be_hidden()
    losses = shown.locator(".net > h2").all_inner_texts()
    expect(page.locator("#walk-view")).to_be_focused()
    page.keyboard.press("ArrowRight")  # the keyboard is in the frame already
    expect(shown.locator("#where")).to_contain_text("Linear fc")
    page.keyboard.press("s")
    expect(page.locator("#where")).to_contain_text(f"step {stopped + 1} ")
    expect(shown.locator("footer")).to_contain_text(f"after {stopped + 1} steps")
    expect(shown.locator("#where")).to_contain_text("Linear fc")
    wait_until_loaded(page)
    assert shown.locator(".net > h2").all_inner_texts() != losses
    shown.locator("h1").click()
    page.keyboard.press("w")
    expect(page.locator("main")).to_be_visible()
    expect(page.locator("#walk-view")).to_be_hidden()
    expect(page.locator("#walk")).to_be_focused()
    walk_through(page)
    page.click("#run")
    expect(page.locator("main")).to_be_visible()
    expect(page.locator("#where")).not_to_contain_text(f"step {stopped + 1} ")


def test_a_gradient_is_changed_in_the_walk_and_the_link_gives_the_same_bits(page, served):
    shown = walk_through(page)
    stopped = step(page)
    shown.locator("#addition").click()
    expect(shown.locator("#where")).to_contain_text("resnet8: Add layer3.0")
    right = shown.locator('.net[data-number="1"]')
    choice = right.get_by_role("button", name="× 0", exact=True)
    expect(choice).to_have_attribute("aria-pressed", "false")
    choice.focus()
    page.keyboard.press("Enter")
    expect(choice).to_have_attribute("aria-pressed", "true")
    expect(choice).to_be_focused()
    expect(shown.locator("#where")).to_contain_text("resnet8: Add layer3.0")
    expect(right.locator(".op-card")).to_contain_text("norm 0")
    assert f"{stopped}:1:gradient:layer3.0.Add:0" in page.url
    page.click("#step")
    expect(page.locator("#where")).to_contain_text(f"step {stopped + 1} ")
    expect(choice).to_have_attribute("aria-pressed", "false")
    losses = shown.locator(".net > h2").all_inner_texts()
    page.click("#walk")
    expect(page.locator("#surgeries li")).to_have_text(
        f"step {stopped}, resnet8: what layer3.0.Add hands on × 0 for one step"
    )
    link = page.url.split("#")[1]
    page.evaluate("hash => { location.hash = hash }", f"{SMALL}&seed=2")
    expect(page.locator("#shared input")).to_have_value("2")
    expect(page.locator("#run")).to_contain_text("pause")  # so its address stands in the link
    page.evaluate("hash => { location.hash = hash }", link)
    expect(page.locator("#shared input")).not_to_have_value("2")
    pause(page)
    while (before := step(page)) < stopped + 1:
        page.click("#step")
        expect(page.locator("#where")).to_contain_text(f"step {before + 1} ")
    if before == stopped + 1:
        shown = walk_through(page)
        assert shown.locator(".net > h2").all_inner_texts() == losses


def test_the_walk_has_the_language_and_the_theme_of_the_page(page):
    page.select_option("#language", "zh")
    page.click("#walk")
    shown = page.frame_locator("#walk-view")
    expect(shown.locator("#where")).to_contain_text("反向")
    page.click("#theme")
    page.click("#theme")
    expect(shown.locator("html")).to_have_attribute("data-theme", "dark")
    page.select_option("#language", "en")
    expect(shown.locator("#where")).to_contain_text("backward")
    expect(shown.locator(".factor").first).to_contain_text("what it hands on")


def test_settings_begin_a_new_session(page):
    panel(page, 0).locator("[name=depth]").select_option("14")
    expect(page.locator("#legend")).to_contain_text("plain14: training")
    expect(panel(page, 0).locator("[name=shortcut]")).to_be_disabled()
    panel(page, 0).locator("[name=kind]").select_option("resnet")
    expect(page.locator("#legend")).to_contain_text("resnet14: training")
    panel(page, 0).locator("[name=shortcut]").select_option("B")
    expect(page).to_have_url(re.compile("shortcut=B,A"))
    panel(page, 1).locator("[name=norm]").select_option("0")
    expect(page).to_have_url(re.compile("norm=1,0"))
    page.locator("#shared input").fill("1")
    page.locator("#shared input").press("Tab")
    expect(page).to_have_url(re.compile("seed=1$"))


def test_every_other_setting_and_key(page):
    for name, value, said in (
        ("init", "xavier", "init=he,xavier"),
        ("factor", "0.5", "factor=1,0.5"),
        ("inputs", "0", "standardised=1,0"),
    ):
        panel(page, 1).locator(f"[name={name}]").select_option(value)
        expect(page).to_have_url(re.compile(said))
    for name, value in (("batch", "16"), ("trainImages", "1000")):
        page.locator(f"#shared [name={name}]").select_option(value)
        expect(page).to_have_url(re.compile(f"={value}&"))
    page.click("#save")
    expect(page.locator("#notice")).to_contain_text("before the first epoch has ended")
    pause(page)
    panel(page, 1).locator(".arc").first.click()
    expect(page.locator("#surgeries li")).to_have_count(1)
    page.locator("h1").click()
    page.keyboard.press("u")
    expect(page.locator("#surgeries li")).to_have_count(0)
    page.keyboard.press("r")
    expect(page.locator("#run")).to_have_text("❚❚ pause")
    page.locator("#shared [name=dataset]").select_option("folder")
    expect(page.locator("#notice")).to_contain_text("dataset=folder needs minires lab --folder")


def test_after_a_refused_setting_the_one_in_force_is_shown(page):
    link = page.url
    data = page.locator("#shared [name=dataset]")
    data.select_option("folder")
    expect(page.locator("#notice")).to_contain_text("needs minires lab --folder")
    expect(data).to_have_value("digits")
    seed = page.locator("#shared [name=seed]")
    before = seed.input_value()
    seed.fill("-5")
    seed.press("Tab")
    expect(seed).to_have_value(before)
    assert page.url == link


def test_a_setting_keeps_the_keyboard_when_it_begins_a_session(page):
    for place in ('#nets [data-net="1"] [name=depth]', "#shared [name=batch]"):
        page.locator(place).first.focus()
        link = page.url
        page.keyboard.press("ArrowDown")
        expect(page).not_to_have_url(link)
        expect(page.locator(place).first).to_be_focused()


def test_a_link_that_is_no_text_is_refused_like_others(page):
    page.evaluate("() => { location.hash = '%E0%A4%A' }")
    expect(page.locator("#notice")).to_contain_text("an address has net, ")
    expect(page).to_have_url(re.compile("seed="))


def test_an_image_is_chosen(page):
    page.locator("#images button").nth(5).click()
    expect(page.locator("#images button").nth(5)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#probabilities .true").first).to_have_text(str(digits().test_labels[5]))
    assert page.locator("#probabilities .bars").count() == 2


def test_the_script_and_what_cannot_be_saved_yet(page):
    page.click("#again")
    pause(page)
    page.click("#script")
    expect(page.locator("#code pre")).to_contain_text("session = Session(config")
    page.click("#close")
    expect(page.locator("#code")).not_to_be_visible()


def test_a_guided_experiment_in_two_languages(page):
    page.select_option("#guide", "7")
    expect(page.locator("#story")).to_contain_text("Overfit 100 images")
    expect(page).to_have_url(re.compile("#images=100&guide=7$"))
    page.select_option("#language", "zh")
    expect(page.locator("#story")).to_contain_text("记住 100 张图像")
    expect(page.locator("#run")).to_have_text("❚❚ 暂停")
    assert page.locator("html").get_attribute("lang") == "zh"
    panel(page, 0).locator("[name=depth]").select_option("8")
    expect(page).to_have_url(re.compile("#net=plain8,resnet20&images=100&guide=7$"))
    expect(page.locator("#story")).to_contain_text("记住 100 张图像")
    page.select_option("#language", "en")
    expect(page.locator("#run")).to_have_text("❚❚ pause")


def test_a_link_opens_a_guide_and_its_session(page):
    page.evaluate("() => { location.hash = 'guide=5' }")
    expect(page.locator("#story")).to_contain_text("Cut a trained net")
    expect(page.locator("#guide")).to_have_value("5")
    expect(page.locator("#legend")).to_contain_text("plain20: training")
    assert page.url.endswith("#guide=5")
    page.select_option("#guide", "0")
    expect(page.locator("#story")).to_be_hidden()
    expect(page).to_have_url(re.compile("/[#]?$"))
    expect(page.locator("#guide")).to_have_value("0")
    panel(page, 0).locator("[name=depth]").select_option("8")
    expect(page).to_have_url(re.compile("#net=plain8,resnet20$"))


def test_a_second_page_shares_the_run_and_a_closed_one_opens_where_it_is(page, served):
    pause(page)
    context = page.context.browser.new_context(locale="en-GB")
    for _ in range(2):
        second = context.new_page()
        second.goto(served.url)
        expect(second.locator("#where")).to_contain_text(f"step {step(page)} ")
        second.close()
    context.close()


def image(page, chart):
    return page.locator(".layer-chart canvas").nth(chart).evaluate("canvas => canvas.toDataURL()")


def test_charts_of_a_paused_session_follow_theme_and_width(page):
    page.emulate_media(color_scheme="light")
    pause(page)
    page.wait_for_timeout(500)  # the look after the last step
    charts = range(3)
    light = [image(page, k) for k in charts]
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    dark = [image(page, k) for k in charts]
    assert all(a != b for a, b in zip(light, dark, strict=True))
    page.click("#theme")  # light
    page.wait_for_timeout(300)
    assert [image(page, k) for k in charts] == light
    page.set_viewport_size({"width": 800, "height": 900})
    width = "canvas => [canvas.width / devicePixelRatio, canvas.clientWidth]"
    for chart in page.locator(".layer-chart canvas").all():
        drawn, shown = chart.evaluate(width)
        assert drawn == shown
    box = page.locator("#errors").evaluate("svg => [svg.viewBox.baseVal.width, svg.clientWidth]")
    assert box[0] == box[1]


def test_the_trace_of_a_paused_session_does_not_grow_stronger(page):
    pause(page)
    page.wait_for_timeout(500)
    chart = page.locator(".layer-chart").first.locator("canvas")
    chart.focus()
    page.keyboard.press("End")
    before = image(page, 0)
    page.wait_for_timeout(4500)  # longer than the trace
    page.keyboard.press("End")
    assert image(page, 0) == before


def test_a_value_of_a_map_that_has_one_value_is_said(page):
    said = "async given => (await import('./shared.js')).near(...given)"
    assert page.evaluate(said, [0, 0]) == "0"
    assert page.evaluate(said, [0.25, 0]) == "0.25"


def test_a_pixel_that_is_no_finite_number_is_said_and_red(page):
    maps = maps_of(np.array([[[1.0, np.nan, -np.inf, -1.0] + [0.0] * 6 + [np.inf]]]), signed=True)
    said, pixels = page.evaluate(
        """async maps => {
            const { gradientColour, paint, valueAt, valueSaid } = await import("./shared.js");
            const canvas = document.createElement("canvas");
            paint(canvas, 11, 1, (i, j) => valueAt(maps, 0, i, j), maps.ends, gradientColour);
            const { data } = canvas.getContext("2d").getImageData(0, 0, 11, 1);
            const each = [...Array(11).keys()];
            return [
                each.map((j) => valueSaid(maps, 0, 0, j).split(": ")[1]),
                each.map((j) => [...data.slice(4 * j, 4 * j + 3)]),
            ];
        }""",
        maps,
    )
    none = "–"
    assert [said[k] for k in (0, 1, 2, 3, 10)] == ["1", none, none, "-1", none]
    red, *others = (pixels[k] for k in (1, 2, 10, 0, 3, 4))
    assert red == others[0] == others[1]
    assert red not in others[2:]


def test_light_and_dark(page):
    def paper():
        return page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")

    page.emulate_media(color_scheme="dark")
    dark = paper()
    page.emulate_media(color_scheme="light")
    assert paper() != dark
    page.click("#theme")  # light
    page.click("#theme")
    expect(page.locator("#theme")).to_have_text("◐ dark")
    assert paper() == dark


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_sticks_out_at_any_width(page, width):
    shown = walk_through(page)
    page.set_viewport_size({"width": width, "height": 800})
    for wide in (page, shown.owner.element_handle().content_frame()):
        assert wide.evaluate("() => document.documentElement.scrollWidth") <= width
    page.click("#run")
    page.select_option("#guide", "0")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.select_option("#language", "zh")
    expect(page.locator("#run")).to_have_text(re.compile("暂停"))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(page):
    for control in page.locator("button, select, input").all():
        assert control.evaluate(
            "c => (c.getAttribute('aria-label') || c.textContent || '').trim() !== '' "
            "|| [...(c.labels ?? [])].some((label) => label.textContent.trim() !== '')"
        )


def test_over_a_slow_network_a_page_follows_and_is_obeyed(page):
    first = step(page)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    network.send("Network.emulateNetworkConditions", {"offline": False, **slow})
    expect(page.locator("#where")).not_to_have_text(re.compile(rf"step {first} "))
    pause(page)
    stopped = step(page)
    page.click("#step")
    expect(page.locator("#where")).to_contain_text(f"step {stopped + 1} ")


def test_what_is_said_when_training_or_server_ends_and_its_link_goes_on(browser):
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    lab = Served(f"{SMALL}&seed=1")
    lab.start()
    try:
        page.goto(lab.url)
        expect(page.locator("#shared input")).to_have_value("1")
        expect(page).to_have_url(re.compile("seed=1$"))
        lab.training.process.kill()
        expect(page.locator("#notice")).to_contain_text("The training process has ended.")
    finally:
        lab.stop()
    expect(page.locator("#notice")).to_contain_text("The server does not answer; trying again")
    link = page.url.split("#")[1]
    again = Served(SMALL, urlsplit(lab.url).port)
    again.start()
    try:
        expect(page.locator("#notice")).to_contain_text("another one was started here")
        page.goto(f"{again.url}#{link}")
        expect(page.locator("#shared input")).to_have_value("1")
        first = step(page)
        expect(page.locator("#where")).not_to_have_text(re.compile(rf"step {first} "))
    finally:
        context.close()
        again.stop()


@pytest.mark.parametrize("walk", [False, True])
def test_axe_finds_nothing_serious(page, served, walk):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it looks for faults")
    page.select_option("#guide", "7")
    expect(page.locator("#story")).to_contain_text("Overfit 100 images")
    pause(page)
    if walk:
        walk_through(page)
        page.goto(f"{served.url}walk#step-60")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["target"]) for v in found if v["impact"] != "minor"]
        assert serious == []
