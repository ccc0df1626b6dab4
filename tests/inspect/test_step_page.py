"""What is put on the step-through page, and what the command says when it cannot be."""

import base64
import inspect
import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from minires import models
from minires.data import digits
from minires.errors import NameWarning, UsageError
from minires.experiments import stepping
from minires.experiments.stepping import Stepping, page_of
from minires.inspect.step_page import TEXTS, Page, bytes_of, step_page
from minires.inspect.trace import record
from minires.ops.arithmetic import Add
from minires.ops.conv import Conv2d

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "step"


def traced(net, **settings):
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8), dtype=np.float32)
    return net, record(models.cifar_net(net, 10, 1), x, np.arange(4), **settings)


def data_of(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.S)
    return json.loads(text[1], parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))


@pytest.fixture(scope="module")
def pair():
    return step_page([traced("plain8"), traced("resnet8")], "a <b> & c", "made > of")


def test_a_page_is_one_file_that_needs_nothing_else(pair):
    assert not re.search(
        r'(src|href)="(?!data:)|url\(|@import|https?://(?!www\.w3\.org)', pair.html
    )
    assert "<title>a &lt;b&gt; &amp; c</title>" in pair.html
    assert "made &gt; of" in pair.html
    assert "$" not in pair.html.split('id="data">')[0], "a placeholder is left"


def test_a_walk_goes_through_every_operation_forward_and_back(pair):
    data = data_of(pair)
    for number, net in enumerate(data["nets"]):
        there = [moment["at"][number] for moment in data["walk"]]
        visited = [i for i in there if i is not None]
        n = len(net["ops"])
        assert visited == [*range(n), *reversed(range(n))]
    phases = [moment["phase"] for moment in data["walk"]]
    assert phases == ["forward"] * (len(phases) // 2) + ["backward"] * (len(phases) // 2)


def test_two_nets_walk_in_step_and_one_waits_where_only_the_other_adds(pair):
    data = data_of(pair)
    plain, residual = data["nets"]
    for moment in data["walk"]:
        i, j = moment["at"]
        if i is not None and j is not None:
            assert plain["ops"][i]["name"] == residual["ops"][j]["name"]
            assert plain["ops"][i]["path"] == residual["ops"][j]["path"]
        else:
            assert i is None
            assert residual["ops"][j]["name"] in ("Add", "Index", "Pad")
    assert sum(op["addition"] for op in residual["ops"]) == 3
    assert not any(op["addition"] for op in plain["ops"])


def test_nets_of_different_depth_walk_in_step_where_they_are_alike():
    data = data_of(step_page([traced("resnet8"), traced("resnet14")], "x"))
    both = [m["at"] for m in data["walk"] if None not in m["at"]]
    assert len(both) == 2 * len(data["nets"][0]["ops"])


def test_the_label_is_the_one_of_the_dataset(pair):
    assert data_of(pair)["nets"][0]["classes"] == list("0123456789"), "numbers by default"
    named = replace(digits(), classes=tuple("abcdefghij"))
    config = Stepping(("resnet8",), image=3)
    net = data_of(page_of(config, named))["nets"][0]
    _, labels = next(named.training_batches(16, 0, epoch=0))
    assert net["label"] == labels[3]
    assert net["classes"] == list("abcdefghij")
    assert net["image"]["maps"]["shape"] == [1, 8, 8]


def test_formula_and_code_are_the_references(pair):
    kinds = data_of(pair)["kinds"]
    assert kinds["Add"]["formula"].split() == Add.__doc__.split()
    assert "    gb = Σ gy        gw = Σ gy x̂" in kinds["BatchNorm"]["formula"], (
        "a formula of its own"
    )
    assert "return self.unbroadcast(gy, gy)" in kinds["Add"]["backward"]
    for line in inspect.getsource(Conv2d.backward).splitlines():
        assert line.strip() in kinds["Conv2d"]["backward"]
    assert kinds["Conv2d"]["inputs"] == ["x", "w", "b"]


def test_maps_are_bytes_with_zero_in_the_middle_for_gradients():
    name, trace = traced("resnet8", channels=3, image=1)
    ops = data_of(step_page([(name, trace)], "x"))["nets"][0]["ops"]
    for op, r in zip(ops, trace.records, strict=True):
        for summary, maps, signed in (
            (op["output"], r.output.maps, False),
            (op["gradient"], r.gradient.maps, True),
        ):
            if maps is None:
                assert summary["maps"] is None
                continue
            assert tuple(summary["maps"]["shape"]) == maps.shape
            most = np.abs(maps).max()
            ends = (-most, most) if signed else (maps.min(), maps.max())
            assert summary["maps"]["ends"] == pytest.approx(ends, rel=1e-3)
            raw = np.frombuffer(base64.b64decode(summary["maps"]["data"]), np.uint8)
            raw = raw.reshape(maps.shape).astype(float)
            if signed:
                expected = 127.5 * (1 + maps / np.abs(maps).max())
            else:
                expected = 255 * (maps - maps.min()) / max(np.ptp(maps), 1e-30)
            assert np.abs(raw - expected).max() <= 0.51


def test_kernels_are_rows_of_outputs_and_columns_of_inputs():
    name, trace = traced("resnet8", channels=3)
    op, norm = data_of(step_page([(name, trace)], "x"))["nets"][0]["ops"][3:5]
    w = trace.records[3].parts["w"]
    assert (w.shape, op["inside"]["kernel"]) == ((3, 3, 3, 3), [3, 3])
    for part in ("w", "gw"):
        raw = base64.b64decode(op["inside"][part]["data"])
        rows = np.frombuffer(raw, np.uint8).reshape(3, 3, 3, 3).astype(float)
        low, high = op["inside"][part]["ends"]
        kernels = (low + (high - low) * rows / 255).transpose(0, 2, 1, 3)
        assert np.abs(kernels - trace.records[3].parts[part]).max() <= 0.51 * (high - low) / 255
    assert (op["inside"]["stride"], op["inside"]["padding"]) == ([1, 1], [1, 1])
    assert norm["inside"]["std"] == pytest.approx(trace.records[4].parts["std"], rel=1e-3)


def test_all_texts_are_in_both_languages():
    english, chinese = TEXTS["en"], TEXTS["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", chinese[key])), key
    folder = resources.files("minires.inspect") / "page"
    code = "".join(
        part.read_text(encoding="utf-8")
        for part in folder.iterdir()
        if part.name.endswith((".js", ".html"))
    )
    for key in re.findall(r"""(?:\bt\(|heading\(|data-(?:text|title|label)=)"(\w+)\"""", code):
        assert key in english or key in ("title", "footer")


def test_a_text_of_its_own_for_each_language():
    page = step_page([traced("resnet8")], {"en": "a < b", "zh": "甲"}, "both")
    texts = data_of(page)["texts"]
    assert [texts[language]["title"] for language in ("en", "zh")] == ["a < b", "甲"]
    assert [texts[language]["footer"] for language in ("en", "zh")] == ["both", "both"]
    assert "<title>a &lt; b</title>" in page.html


def test_numbers_that_are_none_are_left_out_and_break_nothing():
    x = np.full((2, 1, 8, 8), np.nan, np.float32)
    with np.errstate(all="ignore"):
        trace = record(models.cifar_resnet(8, in_channels=1), x, np.arange(2))
    page = step_page([("spoilt", trace)], "x")
    assert data_of(page)["nets"][0]["loss"] is None


def test_a_notebook_shows_it_in_a_frame(pair):
    shown = pair._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count('"') == 6, "nothing inside may end the attribute"


def test_it_is_about_as_large_as_foretold():
    name, trace = traced("resnet20")
    foretold = sum(bytes_of(r.shape, 8) for r in trace.records)
    data = data_of(step_page([(name, trace)], "x"))
    actual = len(json.dumps(data["nets"], separators=(",", ":")))
    assert 0.5 < actual / foretold < 2


@pytest.mark.parametrize("name", ["plain20-resnet20", "resnet20-trained"])
def test_the_pages_beside_readmes_image_are_small_and_name_no_place(name):
    page = Page((RESULTS / f"{name}.html").read_text(encoding="utf-8"))
    assert len(page.html) < 1_500_000
    assert not re.search(r"/(home|root|tmp|Users|work)/|[A-Z]:\\\\", page.html)
    nets = data_of(page)["nets"]
    assert {op["line"].count("/") for net in nets for op in net["ops"]} == {0}
    losses = [net["loss"] for net in nets]
    assert max(losses) < 0.5 if name.endswith("trained") else min(losses) > 2


# --- what is asked for ----------------------------------------------------------------------


def test_a_page_of_nets_says_what_they_are_and_what_was_done():
    config = Stepping(("plain8", "resnet8"), batch=4, image=3, channels=2, after=2, seed=1)
    page = page_of(config, digits())
    assert "One training step of plain8 and resnet8" in page.html
    assert "4 images of digits, 8x8 pixels, after 2 steps of training" in page.html
    data = data_of(page)
    assert [net["name"] for net in data["nets"]] == ["plain8", "resnet8"]
    assert data["nets"][0]["ops"][0]["output"]["maps"]["shape"] == [2, 8, 8]


def test_training_before_changes_what_is_seen():
    def loss(after):
        page = page_of(Stepping(("resnet8",), after=after), digits())
        return data_of(page)["nets"][0]["loss"]

    assert loss(0) != loss(3)
    assert loss(3) == loss(3)


def test_nets_for_large_images_step_through_grey_ones_in_three_channels():
    page = page_of(
        Stepping(("resnet18", "plain8"), batch=2, channels=2, after=1), digits().enlarged(32)
    )
    large, small = data_of(page)["nets"]
    assert (large["name"], small["name"]) == ("resnet18", "plain8")
    assert "MaxPool2d" in {op["name"] for op in large["ops"]}
    assert sum(op["addition"] for op in large["ops"]) == 8
    for net in (large, small):
        assert net["image"]["maps"]["shape"] == [3, 32, 32]


def test_a_name_of_both_families_is_that_of_large_images():
    with pytest.warns(NameWarning, match="cifar-resnet50 is the one for 32x32"):
        families = [spec.family for spec in Stepping(("resnet50", "cifar-resnet50")).specs]
    assert families == ["imagenet", "cifar"]


def test_a_module_can_be_shown_alone():
    data = data_of(page_of(Stepping(("resnet8",), path="layer2"), digits()))
    assert {op["block"] for op in data["nets"][0]["ops"]} == {"layer2.0"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"nets": ("resnet9",)}, "there is no net 'resnet9'"),
        ({"nets": ("resnet8", "plain8", "resnet14")}, "two side by side .* got 3"),
        ({"nets": ("resnet8",), "batch": 1}, "batch must be at least 2, got 1"),
        ({"nets": ("resnet8",), "image": 16}, "one of the batch, 0 to 15, got 16"),
        ({"nets": ("resnet8",), "batch": 5000}, "at most the 1437 training images of digits"),
        ({"nets": ("resnet8",), "path": "layer4"}, "no operation fits path='layer4'"),
    ],
)
def test_what_cannot_be_meant_raises(asked, said):
    with pytest.raises(UsageError, match=said):
        page_of(Stepping(**asked), digits())


def test_a_net_too_large_for_a_page_raises_and_a_block_of_it_is_not(monkeypatch):
    monkeypatch.setattr(stepping, "_MOST", 100_000)
    with pytest.raises(UsageError, match=r"a page of resnet20 on images of 16x16 would take .* MB"):
        page_of(Stepping(("resnet20",)), digits().enlarged(16))
    page_of(Stepping(("resnet20",), path="layer1.0"), digits().enlarged(16))


def test_weights_of_one_net_alone(tmp_path):
    with pytest.raises(UsageError, match="weights are those of one net, but 2"):
        Stepping(("resnet8", "plain8"), weights=tmp_path / "w.safetensors")
