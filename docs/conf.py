"""Sphinx: `make docs`. What the pages include from generated/ is written at each build."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "_ext")]

project = "xmppd"
author = "the authors of xmppd"
project_copyright = author
try:
    release = importlib.metadata.version("xmppd")
except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
    release = ""
version = release

extensions = ["sphinx.ext.autodoc", "xmppd_docs"]
if shutil.which("dot"):  # without graphviz there are the tables
    extensions.append("sphinx.ext.graphviz")
    graphviz_output_format = "svg"
exclude_patterns = ["_build", "generated", "newsfragments", "_ext"]
default_role = "code"  # as docstrings mark it
highlight_language = "python"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "alabaster"
html_theme_options = {
    "description": "An XMPP server whose every feature is a small Python module",
    "fixed_sidebar": True,
    "page_width": "1020px",
    "sidebar_width": "230px",
}
html_show_sourcelink = False
html_copy_source = False
