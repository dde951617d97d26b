"""Settings of Sphinx; `make docs` builds the documentation without a network.

The root of the repository is the source folder, so that the links between README.md, docs/ and the
model cards also work where the repository is browsed.
"""

project = "cellprofiler-focus-darkfield"
author = "The cellprofiler-focus-darkfield developers"
copyright = author

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx_click"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "model_weights/*.md"]
exclude_patterns = [".*", "build", "demo"]

html_theme = "furo"
html_title = project
html_copy_source = False
highlight_language = "bash"
smartquotes = False  # it would merge the two dashes of options

myst_heading_anchors = 3

autodoc_preserve_defaults = True
autodoc_typehints = "none"
numpydoc_show_class_members = False


def examples_as_code(app, context, lines):
    """Show the examples below the help of a command as code."""
    if lines:
        lines[:] = ["Examples::", "", *(line.lstrip("|") for line in lines[1:])]


def setup(app):
    """Connect the function above; Sphinx calls this."""
    app.connect("sphinx-click-process-epilog", examples_as_code)


# A type alias refers to it without its module.
nitpick_ignore = [("py:class", "numpy.ndarray")]
