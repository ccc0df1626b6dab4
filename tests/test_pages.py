"""Pages that are one file: their policy allows what is in them, and nothing else."""

import base64
import hashlib
import re
from importlib import resources

import pytest

from minires.pages import PALETTE, page

PAGES = {
    "page": ("minires.inspect", {"title": "t", "footer": "f", "data": "{}"}),
    "mistakes": ("minires.vision.finetune", {"title": "t", "note": "n", "items": "<li></li>"}),
}


@pytest.fixture(params=PAGES)
def text(request):
    package, fields = PAGES[request.param]
    return page(resources.files(package) / "page", request.param, **fields)


def test_the_policy_has_the_hashes_of_the_style_and_the_script(text):
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)[1]
    assert policy.startswith("default-src 'none'; ")
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        sources = re.search(rf"{kind} ([^;]+);", policy)[1].split()
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(c.encode()).digest()).decode() for c in contents]
        assert sources == ([f"'sha256-{d}'" for d in digests] or ["'none'"])
    assert text.index(policy) < text.index("<style>")


def test_nothing_in_a_page_needs_what_the_policy_forbids(text):
    tags = re.findall(r"<[a-z][^>]*>", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))
    assert not [tag for tag in tags if re.search(r"\s(style|on\w+)\s*=|javascript:", tag)]


def test_the_font_of_all_pages_has_chinese_on_every_system():
    font = re.search(r"font: (.*);", PALETTE.read_text(encoding="utf-8"))[1]
    for family in ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC"):
        assert f'"{family}"' in font
