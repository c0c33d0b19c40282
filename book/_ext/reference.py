"""Docstrings as reStructuredText, for autodoc: plain text with ``code`` and formulas, every other sign literal."""

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


def setup(app):
    app.connect("autodoc-process-docstring", docstring, priority=400)  # before napoleon, which reads sections such as Args
    return {"parallel_read_safe": True, "version": "1"}
