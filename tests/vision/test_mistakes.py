import base64
import io
import re

from PIL import Image

from minires.vision.finetune.mistakes import SIDE, Mistake, mistakes_page


def mistake(size=(600, 400), label="cat", predicted="dog", path="cat/1.jpg"):
    return Mistake(Image.new("RGB", size, "orange"), path, label, predicted, 0.875)


def test_a_page_is_one_file_with_small_images_in_it():
    page = mistakes_page([mistake(), mistake((30, 20))], "2 mistakes", "in order")
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|https?://', page)
    assert "$" not in page
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in images]
    assert sizes == [(SIDE, round(SIDE * 2 / 3)), (30, 20)]  # made smaller, never larger
    assert "<title>2 mistakes</title>" in page
    assert "87.5 %" in page


def test_names_cannot_break_the_page():
    page = mistakes_page(
        [mistake(label='<b>"&', predicted="<script>", path="a'\"<i>/猫.jpg")], "t & u"
    )
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;&quot;&amp;" in page
    assert "猫.jpg" in page
    assert "t &amp; u" in page


def test_a_net_without_mistakes_has_a_page_too():
    assert "<ol>" in mistakes_page([], "0 mistakes")
