"""Sphinx's settings for the book; `make book` prepares the sources in build/book-source and calls it (book/build.py).

Nothing is loaded from elsewhere: formulas are MathML, made by docutils, and the theme brings its fonts.
"""

import os
import sys
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]

import dgkit  # noqa: E402
from book.reference import documented  # noqa: E402

# where launch buttons find the notebooks, https://.../owner/name, and a JupyterHub for nbgitpuller; empty: no buttons
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = os.environ.get("DGKIT_REPOSITORY", PROJECT["urls"].get("Repository", "")).rstrip("/")
HUB = os.environ.get("DGKIT_HUB", "").rstrip("/")

project, author, release = "dgkit", "the dgkit authors", dgkit.__version__
copyright = author
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["README.md"]
templates_path: list[str] = []

nb_execution_mode = "off"  # they have been run: book/run.py
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with shapes
napoleon_google_docstring = False
napoleon_custom_sections = ["Source", ("Attributes", "params_style")]
default_role = "code"  # `name` in a docstring; LinkNames below makes a link of `dgkit.name`

html_theme = "sphinx_book_theme"
html_title = "dgkit"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_js_files = ["live.js"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,
    "show_toc_level": 2,
    "path_to_docs": "",
}
if REPOSITORY:
    buttons = {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
    if "github.com/" in REPOSITORY:
        buttons["colab_url"] = "https://colab.research.google.com"
    if HUB:
        buttons["jupyterhub_url"] = HUB
    branch = os.environ.get("DGKIT_BRANCH", "main")
    html_theme_options |= {"repository_url": REPOSITORY, "repository_branch": branch, "launch_buttons": buttons}
    html_theme_options |= {"use_repository_button": True}


class LinkNames(SphinxTransform):
    """Names of the package in a text's code marks, such as `dg.fit`, lead to the reference; so do types and errors.

    What else a docstring says of a type is prose ("DataArray, dims (sample, time)"), of which Sphinx would ask for each
    word.
    """

    default_priority = 500

    def apply(self) -> None:
        for xref in list(self.document.findall(pending_xref)):
            if xref["reftype"] in ("class", "exc") and xref.get("refdomain") == "py":
                target = xref["reftarget"]
                name = documented(target) or (documented(f"dg.{target}") if target[:1].isupper() else None)
                if name is None:
                    xref.replace_self(xref.children)
                else:
                    xref["reftype"], xref["reftarget"] = "obj", name
        for literal in list(self.document.findall(nodes.literal)):
            name = documented(literal.astext())
            if name is None or isinstance(literal.parent, nodes.reference | pending_xref):
                continue
            xref = pending_xref("", refdomain="py", reftype="obj", reftarget=name, refexplicit=True, refwarn=True)
            xref["refdoc"] = self.env.docname
            literal.replace_self(xref)
            xref += literal


def mathml(translator, node) -> None:
    display = isinstance(node, nodes.math_block)
    text = tex2mathml(node.astext(), as_block=display)
    # a wide formula scrolls, by keyboard too
    translator.body.append(text.replace("<math", '<math tabindex="0"', 1) if display else text)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_transform(LinkNames)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
