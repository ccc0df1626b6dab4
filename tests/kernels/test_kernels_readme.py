"""What the README of the kernels shows is right."""

import re
from pathlib import Path

import numpy as np
import pytest

import minires
from minires import functional as F

README = Path(minires.__file__).parent / "kernels" / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize(("N", "C", "O", "kh", "kw"), [(2, 1, 1, 3, 3), (5, 3, 4, 3, 2)])
def test_the_convolution_in_six_lines_is_conv2d(N, C, O, kh, kw):
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(block.splitlines()) == 6
    rng = np.random.default_rng(0)
    H, W = 4, 6
    Ho, Wo = H - kh + 1, W - kw + 1
    x, w = rng.standard_normal((N, C, H, W)), rng.standard_normal((O, C, kh, kw))
    y = np.zeros((Ho, O, Wo * N))
    sizes = {"N": N, "C": C, "O": O, "H": H, "W": W, "kh": kh, "kw": kw, "Ho": Ho, "Wo": Wo}
    exec(block, {"np": np, "x": x, "w": w, "y": y, **sizes})
    expected = F.conv2d(x, w).data
    np.testing.assert_allclose(y.reshape(Ho, O, Wo, N).transpose(3, 1, 0, 2), expected, atol=1e-12)


def test_the_drawing_is_the_layout():
    """Each row of the drawing, as the numbers lie in memory."""
    images = [[[[f"{name}{i}{j}" for j in range(4)] for i in range(4)]] for name in "ab"]
    memory = np.array(images).transpose(2, 1, 3, 0).reshape(4, 8)
    assert re.findall(r"((?:[ab]\d\d ?){8})  h = \d", TEXT) == [
        " ".join(row) + " " for row in memory
    ]


def test_every_kernel_file_is_in_the_map():
    mapped = TEXT.partition("## The map")[2].partition("\n## ")[0]
    files = {file.name for file in (README.parent / "cpu").glob("*.py")} - {"__init__.py"}
    files |= {file.name for file in README.parent.glob("*.py")} - {"__init__.py"}
    assert files <= set(re.findall(r"`(\w+\.py)`", mapped))


def test_links_lead_to_files():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (README.parent / target).exists(), target
