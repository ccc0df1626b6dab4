"""Make the site from the repository's own pages: README, the tutorials, and what they link to.

The pages lie where GitHub shows them, with links that work there. mkdocs looks for pages in `docs/`
alone, and follows the links of Markdown, not those of notebooks, nor those to folders. Formulas
become MathML, which browsers show without a program from another server.
"""

import html
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
FIRST = ("README.md", "README.zh-CN.md", "tutorials/README.md", "tutorials/zh/README.md")
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")  # of Markdown, within the repository
HREF = re.compile(r'(?<=href=")([^"#:]+)(?=[#"])')
VERBATIM = re.compile(r"(<(pre|code|script|style|svg)\b.*?</\2>)", re.DOTALL)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?(?:\n[^$\n]+?)?)\$", re.DOTALL)
log = logging.getLogger("mkdocs.hooks")  # a warning there fails a strict build


@event_priority(100)  # before the plugin that renders notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first pages, and every file of the repository that an added page links to."""
    todo = [ROOT / name for name in FIRST]
    added: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in added:
            added.add(path)
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
            todo += _linked(path)
    return files


def _linked(path: Path) -> Iterator[Path]:
    if path.suffix in (".md", ".ipynb"):
        for link in LINK.findall(path.read_text(encoding="utf-8")):
            target = (path.parent / _file(link, path)).resolve()
            if target.is_file() and target.is_relative_to(ROOT):
                yield target


def _file(link: str, path: Path) -> str:
    """Return what a link on the page in `path` leads to; of a folder, the file that explains it."""
    for name in ("README.md", "__init__.py"):
        if (path.parent / link / name).is_file():
            return f"{link}/{name}"
    return link


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to folders lead to files."""
    return LINK.sub(lambda link: _file(link[0], Path(page.file.abs_src_path or "")), markdown)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links of notebooks lead to pages of the site, and show their formulas."""
    if not page.file.src_uri.endswith(".ipynb"):
        return content

    def url(link: re.Match[str]) -> str:
        target = _file(link[0], Path(page.file.abs_src_path or ""))
        name = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), target))
        file = files.get_file_from_path(name)
        if file is None:
            log.warning("%s links to %s, which is not in the site", page.file.src_uri, link[0])
            return link[0]
        return file.url_relative_to(page.file)

    parts = VERBATIM.split(HREF.sub(url, content))  # text, what is verbatim, its tag, text, ...
    parts[::3] = [FORMULA.sub(_mathml, part) for part in parts[::3]]
    del parts[2::3]
    return "".join(parts)


def _mathml(formula: re.Match[str]) -> str:
    display = "block" if formula[1] else "inline"
    return convert(html.unescape(formula[1] or formula[2]), display=display)
