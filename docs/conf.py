"""How Sphinx builds the documentation; `make docs` does it, without a network.

The root of the repository is the source folder, so that links between README.md, docs/ and the
model cards are the same here and where the repository is browsed.
"""

project = "CellProfiler modules that use trained networks"
author = "The cellprofiler-focus-darkfield developers"
copyright = author

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx_click"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "benchmarks/*.md", "model_weights/*.md"]
exclude_patterns = [".*", "build", "demo"]

html_theme = "furo"
html_title = project
html_copy_source = False
highlight_language = "bash"
smartquotes = False  # would turn the dashes of options into one

myst_heading_anchors = 3

autodoc_preserve_defaults = True
autodoc_typehints = "none"
numpydoc_show_class_members = False


def examples_as_code(app, context, lines):
    """Show the examples below a command's help as they are typed, not as text."""
    if lines:
        lines[:] = ["Examples::", "", *(line.lstrip("|") for line in lines[1:])]


def setup(app):
    """Called by Sphinx."""
    app.connect("sphinx-click-process-epilog", examples_as_code)


# In the alias of a type, which says nothing of where it is from.
nitpick_ignore = [("py:class", "numpy.ndarray")]
