"""Docstrings as reStructuredText, for autodoc: plain text with ``code`` and formulas, every other sign literal.

And links from code to the reference also where a build finds a page unchanged: sphinx-codeautolink 0.20 keeps what it knows
for files that end in .rst only.
"""

import re

KEPT = re.compile(r"``.+?``|:math:`.+?`|^ *\.\. math::.*?(?=\n\s*\n|\Z)|::\n\n    .*?(?=\n\n\S|\Z)", re.S | re.M)
SIGN = re.compile(r"[\\*|`]|(?<=\w)_(?!\w)")


def literal(text: str) -> str:
    """The text with the signs of reStructuredText escaped, but for code and formulas."""
    out, at = "", 0
    for kept in KEPT.finditer(text):
        out += SIGN.sub(r"\\\g<0>", text[at:kept.start()]) + kept[0]
        at = kept.end()
    return out + SIGN.sub(r"\\\g<0>", text[at:])


def docstring(app, what, name, thing, options, lines):
    lines[:] = literal("\n".join(lines)).split("\n")


def keep(app):
    """Hold what the last build found in code before sphinx-codeautolink puts an empty table in its place."""
    app.known_code = getattr(app.env, "sphinx_codeautolink_transforms", {})


def give_back(app):
    for page, found in app.known_code.items():
        app.env.sphinx_codeautolink_transforms.setdefault(page, found)


def setup(app):
    app.connect("builder-inited", keep, priority=1)
    app.connect("builder-inited", give_back, priority=999)
    app.connect("autodoc-process-docstring", docstring, priority=400)  # before napoleon, which reads sections such as Args
    return {"parallel_read_safe": True, "version": "1"}
