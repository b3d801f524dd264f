"""How Sphinx builds these pages: ``nox -s docs``."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "examples" / "gallery"))  # what the examples share

project = "cpabx"
author = copyright = "The cpabx developers"
release = importlib.metadata.version("cpabx")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
exclude_patterns = ["_build", "sg_execution_times.rst", "examples/*.py", "examples/*.ipynb"]

html_theme = "furo"
html_title = f"cpabx {release}"
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # of torch and Keras
autodoc_typehints = "none"  # shapes matter, and docstrings give them
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "Attributes")]
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"_digits\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "run_stale_examples": True,  # the library may have changed where an example has not
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 600,
    "remove_config_comments": True,
}
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions


def keep_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """|x| is a size in our docstrings, as in mathematics, and not a substitution."""
    lines[:] = [re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line) for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_bars)
