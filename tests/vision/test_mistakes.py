import base64
import io
import re

import pytest
from image_files import noisy_image
from PIL import Image

from minires.vision import ImageFolder
from minires.vision.finetune import FinetuneConfig
from minires.vision.finetune.mistakes import MAX_MISTAKES, SIDE, mistakes_page
from minires.vision.finetune.results import Outcome, Result
from minires.vision.folders import Part

PATH = "cat/a'\"<i>猫.png"


@pytest.fixture
def page(tmp_path):
    """A function that makes the page of outcomes of two images, a large and a small one."""
    root = tmp_path / "t & u"
    (root / "cat").mkdir(parents=True)
    noisy_image(width=600, height=400).save(root / PATH)
    noisy_image(width=30, height=20).save(root / "cat" / "small.png")

    def make(*outcomes, classes=("cat", "dog")):
        folder = ImageFolder(root, classes, Part((PATH, PATH), (0, 1)), Part((PATH,), (0,)))
        return mistakes_page(Result(FinetuneConfig("x"), folder, {}, [], outcomes, 0.0, 0.0))

    return make


def test_a_page_is_one_file_with_small_images_in_descending_order_of_probability(page):
    text = page(
        Outcome("cat/small.png", 0, 1, 0.5), Outcome(PATH, 0, 1, 0.875), Outcome(PATH, 0, 0, 0.75)
    )
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|https?://', text)
    assert "$" not in text
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in images]
    assert sizes == [(SIDE, round(SIDE * 2 / 3)), (30, 20)]  # made smaller, never larger
    assert "<title>2 mistakes in 3 images of t &amp; u</title>" in text
    assert "dog, 87.5 %" in text
    assert "75.0 %" not in text


def test_names_cannot_break_the_page(page):
    text = page(Outcome(PATH, 0, 1, 0.5), classes=('<b>"&', "<script>"))
    assert not re.search("<b>|<script>|<i>", text)
    assert "&lt;b&gt;&quot;&amp;" in text
    assert "猫.png" in text


def test_only_so_many_mistakes_are_shown(page):
    text = page(*[Outcome("cat/small.png", 0, 1, 0.5)] * (MAX_MISTAKES + 1))
    assert text.count("<img") == MAX_MISTAKES
    assert f"{MAX_MISTAKES + 1} mistakes" in text
    assert f"The first {MAX_MISTAKES} are shown" in text


def test_a_model_without_mistakes_has_a_page_too(page):
    text = page(Outcome(PATH, 0, 0, 0.5))
    assert "<title>0 mistakes" in text
    assert "<img" not in text
