"""The role ``measured`` and the directive ``picture``: what a chapter has computed, on another page.

    {measured}`41_early_stopping:seeds_needed`

    :::{picture} 41_early_stopping fig-best-epoch
    :::

Both come from the stored outputs that the tests recompute; a name that no chapter computes stops the build.  A picture comes
as vectors alone, and its style sheet once a page.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from diffnotes.page import quoting


def notebook(env, chapter: str) -> Path:
    path = Path(env.srcdir) / "book" / f"{chapter}.ipynb"
    env.note_dependency(str(path))
    return path


class MeasuredRole(SphinxRole):
    """A number in the text."""

    def run(self):
        chapter, name = self.text.split(":")
        return [nodes.inline("", quoting.quoted(notebook(self.env, chapter), name), classes=["measured"])], []


class PictureDirective(SphinxDirective):
    """A figure with its caption."""

    required_arguments = 2

    def run(self):
        chapter, name = self.arguments
        page = re.sub(r'<img class="dn-png".*?>', "", quoting.picture(notebook(self.env, chapter), name), flags=re.S)
        if self.env.temp_data.setdefault("styled by", name) != name:  # temp_data lasts for one page
            page = re.sub(r"<style>.*?</style>", "", page, count=1, flags=re.S)
        return [nodes.raw("", page, format="html")]


def setup(app):
    app.add_role("measured", MeasuredRole())
    app.add_directive("picture", PictureDirective)
    return {"parallel_read_safe": True}
