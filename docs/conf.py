"""How the documentation is built; the reference pages are written from the ``__all__`` of each package."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import ecomops

project = "ecomops"
author = "The ecomops authors"
copyright = "2026, the ecomops authors"  # Sphinx reads this name
version = release = ecomops.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "ecomops"
html_static_path = ["_static"]
html_css_files = ["ecomops.css"]
html_show_sourcelink = False
html_sidebars = {"index": [], "reference/features": []}
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "show_prev_next": False}
suppress_warnings = ["mystnb.unknown_mime_type"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True

PACKAGES = {
    "inventory": "How much to order, when, and what it costs to be out of stock.",
    "pricing": "What to charge: demand curves, elasticities, optimal prices, unit economics.",
    "segmentation": "Who the customers are, who comes back, and what they are worth.",
    "attribution": "Which touches drove the sales, and how sure that is.",
    "experiments": "Whether a change worked, and how large a test has to be.",
    "plot": "Functions of a result that return matplotlib axes (extra ``plot``).",
    "core": "What the packages share: models, validation, units, decisions.",
}


def write_reference(app: Any) -> None:
    """Write one page of the reference a package."""
    target = Path(app.srcdir) / "reference" / "api"
    target.mkdir(exist_ok=True)
    for package, lead in list(PACKAGES.items()):
        module = importlib.import_module(f"ecomops.{package}")
        groups: dict[str, list[str]] = {"Functions": [], "Models": [], "Types": []}
        for name in module.__all__:
            if name == "Array":  # an alias of numpy's array type, which autodoc cannot show
                continue
            value = getattr(module, name)
            kind = "Models" if inspect.isclass(value) else "Functions" if inspect.isfunction(value) else "Types"
            groups[kind].append(name)
        text = f"ecomops.{package}\n{'=' * (8 + len(package))}\n\n{lead}\n\n.. currentmodule:: ecomops.{package}\n"
        for kind, names in groups.items():
            if names:
                listed = "\n".join(f"   {name}" for name in names)
                text += f"\n{kind}\n{'-' * len(kind)}\n\n.. autosummary::\n   :toctree: {package}/{kind.lower()}\n\n{listed}\n"
        page = target / f"{package}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Write the reference before Sphinx looks which pages there are."""
    write_reference(app)
