r"""The ``api-reference`` directive: everything public in ``diffnotes``, by module, from the docstrings.

Docstrings are plain text with the Sphinx roles ``:math:`` and ``.. math::``; here they become MyST, every other sign literal.
"""

import inspect
import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import diffnotes

ROOMS = ("base", "processes", "theory", "generation", "networks", "page")
TOKEN = re.compile(r"``(.+?)``|:math:`(.+?)`", re.S)
HEADING = re.compile(r"^(Args|Attributes|Returns|Raises|Source):\s*(.*)$")


def plain(text: str) -> str:
    """One line of prose, with code and math kept and Markdown's signs escaped."""
    out, at = [], 0
    for token in TOKEN.finditer(text):
        out += [re.sub(r"([\\*_`<>$#|\[\]~^{}])", r"\\\1", text[at:token.start()])]
        out += [f"`{token[1]}`" if token[1] else f"${token[2]}$"]
        at = token.end()
    return "".join(out) + re.sub(r"([\\*_`<>$#|\[\]~^{}])", r"\\\1", text[at:])


def prose(doc: str) -> list[str]:
    """A docstring as lines of MyST."""
    out = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        if block.startswith(".. math::"):
            out += ["$$", *(line.strip() for line in block.removeprefix(".. math::").strip().splitlines()), "$$", ""]
            continue
        for line in block.splitlines():
            heading = HEADING.match(line)
            entry = re.match(r"^    (\w+): (.*)$", line)
            if heading:
                out += ["", f"*{heading[1]}:* {plain(heading[2])}", ""]
            elif entry:
                out.append(f"- `{entry[1]}`: {plain(entry[2])}")
            else:
                out.append(("  " if line.startswith("    ") else "") + plain(line.strip()))
        out.append("")
    return out


def signature(name: str, thing) -> str:
    text = str(inspect.signature(thing)).replace("torch.Tensor", "Tensor").replace("diffnotes.", "")
    return name + re.sub(r"\b(self|cls), |\((self|cls)\)", lambda m: "" if m[1] else "()", text)


def entries(name: str, thing):
    """(heading, object) of a public name and, for a class, of the methods and properties that have a docstring of their own."""
    yield signature(name, thing), thing
    if inspect.isclass(thing):
        for key, entry in vars(thing).items():
            entry = getattr(entry, "__func__", entry)
            if (key.startswith("_") and key != "__call__") or not inspect.getdoc(entry):
                continue
            if inspect.isfunction(entry):
                yield signature(f"{name}.{key}" if key != "__call__" else f"{name}()", entry), entry
            elif isinstance(entry, property) or hasattr(entry, "func"):
                yield f"{name}.{key}", entry


def is_public(module, name: str) -> bool:
    """Whether a function or class is defined in this module and offered by the package, or by its namespaces bounds and plots."""
    thing = getattr(module, name)
    offered = getattr(diffnotes, name, None) is thing or module in (diffnotes.bounds, diffnotes.plots)
    return not name.startswith("_") and callable(thing) and inspect.getmodule(thing) is module and offered


class ApiReference(SphinxDirective):
    """Sections by module, a rubric for each public name."""

    def run(self):
        section_nodes = []
        files = [path for room in ROOMS for path in sorted(Path(diffnotes.__file__).parent.glob(f"{room}/[a-z]*.py"))]
        for room, module_name in [(path.parent.name, path.stem) for path in files]:
            module = import_module(f"diffnotes.{room}.{module_name}")
            self.env.note_dependency(module.__file__)
            public = [name for name in dir(module) if is_public(module, name)]
            lines = [*prose(module.__doc__), ""]
            for name in sorted(public, key=lambda name: inspect.getsourcelines(getattr(module, name))[1]):
                shown = name if getattr(diffnotes, name, None) is getattr(module, name) else f"{module_name}.{name}"
                for head, thing in entries(shown, getattr(module, name)):
                    lines += ["```{code-block} python", head, "```", "", *prose(inspect.getdoc(thing)), ""]
            section = nodes.section(ids=[f"module-{module_name.replace('_', '-')}"])
            section += nodes.title(text=module_name)
            self.state.nested_parse(StringList(lines, f"api-{module_name}"), self.content_offset, section)
            section_nodes.append(section)
        return section_nodes


def setup(app):
    app.add_directive("api-reference", ApiReference)
    return {"parallel_read_safe": True, "version": "1"}
