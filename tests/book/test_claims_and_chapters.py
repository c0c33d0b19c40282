"""The ledger, the table of contents and the notation, and what every stored chapter must have."""

import ast
import html
import inspect
import json
import posixpath
import re
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from sphinx.util.inventory import InventoryFile

import diffnotes as dn
from diffnotes.page import claims
from tools import address
from tools.build import out

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
HTML = out() / "html" / "book"
PACKAGE = Path(dn.__file__).parent
BELOW = {"base": set(), "page": {"base"}, "processes": {"base"}} | {room: {"base", "processes"} for room in ("theory", "generation", "networks")} | {"diagnosis": {"base", "processes", "generation", "page"}}


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def test_every_item_with_a_chapter_has_its_verdict_there_and_no_other_has_one():
    for item, verdict in dn.ledger(BOOK):
        assert (verdict is not None) == bool(item.chapter), item.id
        if verdict:
            assert verdict.verdict in claims.VERDICTS and verdict.evidence in claims.EVIDENCE and verdict.value
            assert bool(item.why) == (verdict.verdict not in ("holds", "holds in experiment")), item.id


@pytest.mark.skipif(not HTML.exists(), reason="the book is not built: run python -m tools.build")
def test_the_ledger_page_says_what_the_chapters_store():
    page = (HTML / "03_claim_ledger.html").read_text(encoding="utf-8")
    blocks = re.findall(r'<div class="entry [^"]*" id="claim-([\w-]+)">(.*?)\n</div>', page, re.S)
    assert [name for name, _ in blocks] == [item.id.lower() for item, _ in dn.ledger(BOOK)]
    for (_, block), (item, verdict) in zip(blocks, dn.ledger(BOOK), strict=True):
        words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", block)).replace("’", "'").split())
        assert words.startswith(f"{item.name} {item.place}")
        if verdict:
            assert words.endswith(f"What was measured {verdict.measured()}") and verdict.says.replace("’", "'") in words
            assert re.findall(r'class="verdict [^"]*">([^<]*)<', block) == list(verdict.parts.values() or [verdict.verdict])


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r"(book/[\w/]+)", (ROOT / "_toc.yml").read_text())
    pages = (page.relative_to(ROOT).with_suffix("") for page in BOOK.rglob("*") if page.suffix in (".md", ".ipynb"))
    assert sorted(listed) == sorted(page.as_posix() for page in pages)


@pytest.mark.skipif(not HTML.exists(), reason="the book is not built: run python -m tools.build")
def test_the_reference_has_every_name_that_a_reader_can_type():
    with (HTML.parent / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", posixpath.join)
    listed = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    inside = [f"{room.__name__.rpartition('.')[2]}.{name}" for room in (dn.bounds, dn.figures) for name, thing in vars(room).items()
              if name[0] != "_" and callable(thing) and inspect.getmodule(thing) is room]
    assert {f"diffnotes.{name}" for name in [*dn.__all__, *inside]} - listed == set()


@pytest.mark.skipif(not HTML.exists(), reason="the book is not built: run python -m tools.build")
def test_names_in_code_lead_to_the_reference():
    """Also those that a name got on an earlier cell: ``problem`` is a Problem."""
    page = (HTML / "14_random_features.html").read_text(encoding="utf-8")
    links = set(re.findall(r'<a class="sphinx-codeautolink-a" href="\.\./book/(reference/\w+\.html)#([\w.]+)"', page))
    assert {("reference/problem.html", "diffnotes.Problem"), ("reference/theory.html", "diffnotes.norm_needed")} <= links
    assert all(f'id="{name}"' in (HTML / target).read_text(encoding="utf-8") for target, name in links)


def test_the_drawing_of_the_rooms_shows_what_each_room_knows():
    arrows = re.findall(r'data-from="(\w+)" data-to="(\w+)"', (BOOK / "91_package.md").read_text(encoding="utf-8"))
    known = {room: {to for start, to in arrows if start == room} for room in BELOW}
    assert {room: below.union(*(known[other] for other in below)) for room, below in known.items()} == BELOW


def test_every_chapter_leads_to_the_next():
    order = re.findall(r"book/(\d\d_\w+)", (ROOT / "_toc.yml").read_text())
    chapters = [name for name in order if (BOOK / f"{name}.ipynb").exists()]
    for name, following in zip(chapters[1:], [*chapters[2:], "03_claim_ledger"], strict=True):
        link = re.search(r"\*\*Next:\*\* .*?\]\((\w+)\.", source(cells(BOOK / f"{name}.ipynb", "markdown")[-1]))
        assert link and link[1] == following, name


def test_the_recorded_check_is_of_these_chapters_and_passed():
    record = json.loads((BOOK / "checked.json").read_text(encoding="utf-8"))["check"]
    assert set(record["seconds"]) <= {path.stem for path in CHAPTERS} and all(s > 0 for s in record["seconds"].values())
    assert record["failed"] == [] and record["machine"] and set(record["versions"]) == {"torch", "numpy", "matplotlib"}


def test_the_recorded_breaks_of_the_package_are_nearly_all_seen():
    record = json.loads((BOOK / "mutants.json").read_text(encoding="utf-8"))
    assert set(record) >= {"sde", "flow", "bounds", "density"}
    for run in record.values():
        assert run["killed"] >= 0.9 * run["mutants"] > 0 and len(run["survivors"]) == run["mutants"] - run["killed"]


def test_the_version_stands_in_one_number_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dn.__version__ and f"## {dn.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    opened = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["branch"]
    assert opened in (f"v{dn.__version__}", f"v{dn.__version__}-here")  # a page's buttons open the chapter that belongs to it


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
class TestChapter:
    def test_is_stored_as_run_from_top_to_bottom(self, path):
        code = cells(path, "code")
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell["outputs"]]
        assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in outputs)

    def test_is_small_enough_to_read(self, path):
        code = cells(path, "code")
        assert len(code) <= 36 and max(len(source(cell).splitlines()) for cell in code) <= 25
        assert max(len(line) for cell in code for line in source(cell).splitlines()) <= 170

    def test_starts_with_the_same_setup(self, path):
        setup = source(cells(path, "code")[0])
        assert setup.splitlines()[:9] == source(cells(CHAPTERS[0], "code")[0]).splitlines()[:9]
        assert address.present(ROOT).install() in setup

    def test_figures_have_alt_text_and_caption(self, path):
        for cell in cells(path, "code"):
            drawn = [output["data"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
            for page in ("".join(data["text/html"]) for data in drawn):
                assert len(re.search(r'<img class[^>]* alt="([^"]*)"', page)[1]) > 80 and "<figcaption><b>" in page

    def test_raw_text_has_no_directives_and_every_part(self, path):
        text = "\n".join(source(cell) for cell in cells(path, "markdown"))
        assert not re.search(r"\{prf:|\{cite|^:{3,}|```\{", text, re.M)
        for part in ("## Verdict", "## Exercises", "**Next:**", "<details><summary>Solution</summary>"):
            assert part in text
        solved = [cell for cell in cells(path, "code") if "hide-cell" in cell["metadata"].get("tags", [])]
        assert len(solved) == text.count("> **Exercise ") and all("assert" in source(cell) for cell in solved)

    def test_verdicts_are_computed(self, path):
        for call in re.findall(r"dn\.claim\((.*?)\)\n", "\n".join(source(cell) for cell in cells(path, "code")) + "\n", re.S):
            assert not re.match(r"\"[\w-]+\",\s*\"[^\"]*\",\s*evidence", call), f"a verdict typed in: {call[:60]}"


def names_in_notation():
    return re.findall(r"`(dn\.[\w.]+)`", (BOOK / "02_notation.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(set(names_in_notation())))
def test_every_code_name_in_the_notation_exists(name):
    owner = dn
    for part in name.split(".")[1:]:
        annotated = getattr(owner, "__annotations__", {})  # attributes that instances set
        assert hasattr(owner, part) or part in annotated
        owner = getattr(owner, part, None)


LOGIC = set("""left right big Big bigl bigr frac tfrac sqrt mathbb mathrm text quad qquad top cdot le ge lt gt in to infty int sum max min log exp sim approx
    square dots otimes pm lVert rVert Vert mid tag begin end neq ne equiv times bar tilde hat nabla partial sup lesssim propto mathcal
    Longrightarrow underbrace mp mapsto langle rangle cos sin tanh arccos det ldots ll gg""".split())


def symbols(text):
    """The letters and Greek letters used in the formulas of a Markdown text."""
    formulas = re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+)\$", text, re.S)
    found = set()
    for formula in ("".join(pair) for pair in formulas):
        formula = re.sub(r"\\(?:text|mathrm|tag)\{[^}]*\}", " ", formula)
        found |= {command for command in re.findall(r"\\([A-Za-z]+)", formula)} - LOGIC
        found |= set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", re.sub(r"\\[A-Za-z]+", " ", formula)))
        found |= set("".join(re.findall(r"(?<!\\)\b[A-Za-z]{2,}\b", re.sub(r"\\[A-Za-z]+", " ", formula))))
    return found - {"d"}  # the differential, and the dimension, which is listed


def test_every_symbol_used_is_in_the_notation():
    listed = symbols((BOOK / "02_notation.md").read_text(encoding="utf-8"))
    for path in CHAPTERS:
        used = symbols("\n".join(source(cell) for cell in cells(path, "markdown")))
        assert used <= listed, f"{path.stem} uses {sorted(used - listed)}"


def test_no_module_of_the_package_is_hidden_by_a_function_of_its_name():
    """Which bug this catches: ``import diffnotes.NAME`` that gives a function, so that the module cannot be reached."""
    modules = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("[a-z]*.py")]
    hidden = [parts for parts in modules for room in (dn, attrgetter(".".join(parts[:-1]))(dn) if parts[1:] else dn)
              if not inspect.ismodule(getattr(room, parts[-1], dn))]
    assert modules and not hidden


def test_a_room_knows_only_the_rooms_below_it_and_only_what_they_offer():
    for room, below in BELOW.items():
        for path in (PACKAGE / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    assert not any(alias.name.startswith("diffnotes") for alias in node.names), path
                elif isinstance(node, ast.ImportFrom) and node.level == 2:
                    other = getattr(dn, node.module)
                    assert node.module in below, f"{room}/{path.name} knows {node.module}"
                    assert all(alias.name in other.__all__ or inspect.ismodule(getattr(other, alias.name)) for alias in node.names), path
                elif isinstance(node, ast.ImportFrom):
                    assert node.level == 1 or not (node.module or "").startswith("diffnotes"), path


def test_no_module_reaches_for_the_private_names_of_another():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    private = {path: {name for node in ast.walk(tree) for name in (getattr(node, "name", None), getattr(node, "attr", None) if
                      isinstance(getattr(node, "ctx", None), ast.Store) else None) if name and re.match("_[a-z]", name)}
               for path, tree in trees.items()}
    everything = set().union(*private.values())
    reached = {(path.name, node.attr) for path, tree in trees.items() for node in ast.walk(tree)
               if isinstance(node, ast.Attribute) and node.attr in everything - private[path]}
    imported = {(path.name, alias.name) for path, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                for alias in node.names if re.match("_[a-z]", alias.name)}
    assert not reached | imported


def test_what_proofs_use_goes_in_no_circle():
    uses = {id: set(item.uses) for id, item in claims.registry().items()}
    assert uses["L4"] == {"L3"} and set().union(*uses.values()) <= set(uses)
    while uses:
        free = {id for id, below in uses.items() if not below & set(uses)}
        assert free
        uses = {id: below for id, below in uses.items() if id not in free}


@pytest.mark.skipif(not HTML.exists(), reason="the book is not built: run python -m tools.build")
def test_the_map_of_the_proofs_says_what_the_chapters_store():
    page, stored = (HTML / "10_the_theory_step_by_step.html").read_text(encoding="utf-8"), {item.id: verdict for item, verdict in dn.ledger(BOOK)}
    items = claims.registry()
    edges = [(used, item.id) for item in items.values() for used in item.uses]
    assert page.count('<path d="M') == len(edges) > 10
    for id in {id for edge in edges for id in edge}:
        uses = ", ".join(items[used].name for used in items[id].uses) or "no other item"
        proof = f"; its proof: {stored[f'P-{id}'].verdict}" if f"P-{id}" in items else ""
        label = html.escape(f"{items[id].name}, {items[id].role}: {stored[id].verdict}{proof}; uses {uses}")
        (target,) = re.findall(f'<a href="([^"]*)" class="[^"]*" aria-label="{re.escape(label)}"', page)
        leads, _, anchor = target.partition("#")
        assert f'id="{anchor}"' in (HTML / leads).read_text(encoding="utf-8") and page.count(f'href="{target}"') >= 2, label
