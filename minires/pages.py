"""Pages that are a single HTML file, and let a browser run or load nothing that is not theirs.

All pages share palette.css (colours, light and dark, fonts, the look of buttons and feature maps),
and their scripts shared.js (elements, texts in a language, numbers, feature maps).
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

PALETTE = Path(__file__).with_name("palette.css")
SHARED = Path(__file__).with_name("shared.js")


def page(folder: Traversable, name: str, parts: Sequence[str] = (), **fields: str) -> str:
    """Return the HTML of NAME.html in a folder, filled in.

    Its `$css` is `PALETTE` and NAME.css, its `$js` is `SHARED`, the parts and NAME.js, and
    its `$policy` is a content security policy that allows these two, images inside the page,
    and nothing else: should a name that is shown get a tag through, it does nothing.

    Args:
        folder: that of the files.
        name: theirs, without an ending.
        parts: the scripts that come before NAME.js, likewise.
        fields: the other fields of the page, each safe for HTML already.
    """
    html, css = (_text(folder / f"{name}.{kind}") for kind in ("html", "css"))
    own = [_text(folder / f"{part}.js") for part in (*parts, name)]
    js = "\n".join(['"use strict";', _shared(), *own]) if any(own) else ""
    css = PALETTE.read_text(encoding="utf-8") + css
    policy = (
        f"default-src 'none'; style-src {_source(css)}; script-src {_source(js)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(html).substitute(fields, css=css, js=js, policy=policy)


def _shared() -> str:
    """Return `SHARED`, a module, as a part of a script that is none."""
    return SHARED.read_text(encoding="utf-8").replace("\nexport ", "\n")


def _text(part: Traversable) -> str:
    return part.read_text(encoding="utf-8") if part.is_file() else ""


def _source(content: str) -> str:
    """Return a source of a policy: the one style or script that has this content."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'" if content else "'none'"
