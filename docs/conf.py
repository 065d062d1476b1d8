"""Sphinx: Markdown pages, the API from docstrings."""

import sphinx_autosummary_accessors

import xr_dl4ds

project = "xr_dl4ds"
author = "the xr_dl4ds developers"
version = release = xr_dl4ds.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_autosummary_accessors",
]
templates_path = ["_templates", sphinx_autosummary_accessors.templates_path]
exclude_patterns = ["_build", "*_table.md"]  # tables that other pages include
myst_heading_anchors = 3  # links to headings of other pages
autosummary_generate = True
numpydoc_show_class_members = False
nb_execution_mode = "off"  # the notebook stands executed; a test runs it
html_theme = "alabaster"
