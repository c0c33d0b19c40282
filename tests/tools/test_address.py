"""One address in every place, from git remote or an argument, on copies; and that this project's places agree."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tools import address, contents, publish
from tools.build import ROOT

NOTEBOOKS = ["00_paper_in_ten_minutes", "21_exact_gradient_flow"]
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git found")


@pytest.fixture
def copy(tmp_path):
    """What names an address, and two chapters, in a path with a space."""
    root = tmp_path / "a copy"
    names = {name for name, *_ in address.PLACES} | {f"book/{name}.ipynb" for name in NOTEBOOKS} | {"_toc.yml", "diffnotes/__init__.py"}
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return root


def first_cell(root, name=NOTEBOOKS[0]):
    cells = json.loads((root / "book" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_every_place_of_this_project_has_the_same_address():
    assert address.wrong(ROOT) in ("", address.MISSING) and not address.changes(ROOT, address.present(ROOT))


@pytest.mark.parametrize("repository, pages", [
    ("https://github.com/Someone/notes", "https://someone.github.io/notes/"),
    ("https://github.com/someone/someone.github.io", "https://someone.github.io/"),
    ("https://gitlab.com/group/notes", "https://group.gitlab.io/notes/"),
    ("https://code.example/someone/notes", address.UNSET_PAGES)])
def test_an_address_reaches_every_place_and_goes_again(copy, repository, pages):
    address.main(["--unset"], copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert address.main(["--check"], copy) == address.MISSING
    found = address.new(copy, repository)
    assert found.pages == pages and len(address.put(copy, found)) == len(before) - 2  # not _toc.yml and the version
    assert address.put(copy, found) == [] and address.main(["--check", f"{repository}.git"], copy) is None
    assert f"git+{repository}@v{found.version}" in first_cell(copy) and address.UNSET not in "".join(
        path.read_text(encoding="utf-8") for path in before)
    config = yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == (repository if found.known else "") and config["html"]["baseurl"] == pages
    assert config["html"]["use_issues_button"] is found.known and bool(config["launch_buttons"]["colab_url"]) is ("github.com" in repository)
    address.main(["--unset"], copy)
    assert before == {path: path.read_bytes() for path in before} and "no address yet" in first_cell(copy)


@pytest.mark.parametrize("remote, place", [
    ("https://github.com/a/b", "https://github.com/a/b/discussions"), ("https://gitlab.com/a/b", "https://gitlab.com/a/b/-/issues/new"),
    ("https://code.example/a/b'c", "https://code.example/a/b&#x27;c/issues/new"), ("/a/b.git", "")])
def test_every_page_s_foot_leads_to_where_one_can_ask_if_there_is_such_a_place(copy, remote, place):
    def foot():
        return yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))["html"]["extra_footer"]

    address.main(["--unset"], copy)
    assert foot() == ""
    address.main([remote], copy)
    assert foot() == (f'<a href="{place}">Ask or discuss</a>' if place else "")
    assert address.main(["--check"], copy) is None


def test_a_new_version_reaches_first_cells_and_buttons(copy):
    address.main(["https://github.com/a/b"], copy)
    package = copy / "diffnotes" / "__init__.py"
    package.write_text(package.read_text(encoding="utf-8").replace(f'"{address.version(copy)}"', '"9.8.7"'), encoding="utf-8")
    assert address.main(["--check"], copy) == f"_config.yml opens {address.present(copy).opens}, not v9.8.7: make address"
    address.main(["https://github.com/a/b"], copy)
    assert address.main(["--check"], copy) is None and "git+https://github.com/a/b@v9.8.7" in first_cell(copy)
    assert "blob/v9.8.7/" in (copy / "README.md").read_text(encoding="utf-8") and address.present(copy).opens == "v9.8.7"


def test_a_folder_s_address_stays_out_of_the_package_s_metadata(copy):
    """Which bug this catches: the first cell cannot install, since setuptools takes no address but http."""
    address.main(["/a/b.git"], copy)
    assert "git+file:///a/b.git@v" in first_cell(copy) and "file:" not in (copy / "pyproject.toml").read_text(encoding="utf-8")
    assert address.main(["--check"], copy) is None


def test_pages_of_one_s_own_stay_and_what_disagrees_is_named(copy):
    address.main(["https://github.com/a/b", "https://notes.example"], copy)
    address.main(["https://github.com/a/b"], copy)
    assert address.present(copy).pages == "https://notes.example/"
    readme = copy / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("github.com/a/b", "github.com/z/b"), encoding="utf-8")
    assert re.search(r"in README\.md: make address$", address.main(["--check"], copy))
    assert "not https://github.com/c/d" in address.main(["--check", "git@github.com:c/d.git"], copy)
    (copy / "codecheck.yml").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^codecheck\.yml: nothing there looks like"):
        address.main(["--check"], copy)


@pytest.mark.parametrize("remote, public", [
    ("git@github.com:a/b.git", "https://github.com/a/b"), ("ssh://git@github.com:22/a/b.git", "https://github.com/a/b"),
    ("ssh://git@github.com/a/b", "https://github.com/a/b"), ("https://github.com/a/b/", "https://github.com/a/b"),
    ("https://me:secret@github.com/a/b.git", "https://github.com/a/b"), ("https://secret@github.com/a/b", "https://github.com/a/b"),
    ("file:///a/b.git", "file:///a/b.git"), ("/a b/c.git\n", "file:///a%20b/c.git")])
def test_a_remote_becomes_an_address_that_anyone_can_read_from(remote, public):
    assert address.normal(remote) == public


def git(folder, *arguments):
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cloned(copy, tmp_path):
    """A clone of a bare repository that holds the copy, without an address, with the version's tag; and the bare one."""
    address.main(["--unset"], copy)
    git(copy, "init", "-q", "-b", "main")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "first")
    git(copy, "tag", f"v{address.version(copy)}")
    bare, clone = tmp_path / "a fork.git", tmp_path / "clone"
    for target, *options in ((bare, "--bare"), (clone,)):
        subprocess.run(["git", "clone", "-q", *options, copy if options else bare, target], check=True)
    return clone, bare


@needs_git
def test_a_clone_takes_the_address_of_its_remote_and_a_zip_asks_for_one(cloned, capsys):
    clone, bare = cloned
    address.main([], clone)
    assert f"git+{bare.as_uri()}@v" in first_cell(clone) and bare.as_uri() in capsys.readouterr().out
    shutil.rmtree(clone / ".git")
    with pytest.raises(SystemExit, match=r"^there is no git remote named origin: make address ADDRESS="):
        address.main([], clone)


@needs_git
def test_a_fork_s_tag_is_published_from_a_branch_with_its_address(cloned):
    clone, bare = cloned
    tag = f"v{address.version(clone)}"
    with pytest.raises(SystemExit, match="is not that of version"):
        publish.publish(clone, bare.as_uri(), "v9.9.9")
    branch = publish.publish(clone, bare.as_uri(), tag, token="x")
    assert branch == f"{tag}-here" and git(bare, "rev-parse", branch) == git(clone, "rev-parse", "HEAD")
    config = yaml.safe_load(git(bare, "show", f"{branch}:_config.yml"))
    assert config["repository"]["branch"] == branch and not address.wrong(clone, bare.as_uri())
    assert publish.publish(clone, bare.as_uri(), tag) == tag  # nothing more to say: what is here has the address


def test_publishing_needs_an_address():
    """The workflow that publishes asks before anything is built."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))
    commands = "\n".join(step.get("run", "") for step in workflow["jobs"]["address"]["steps"])
    assert "python3 -m tools.address --check\n" in commands and workflow["jobs"]["build"]["needs"] == "address"


def test_the_table_of_chapters_is_that_of_the_book(copy):
    shown = contents.chapters(ROOT)
    order = re.findall(r"(?:root|file): (book/\d\d_\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert [page for _, page, _ in shown] == [page for page in order if (ROOT / f"{page}.ipynb").exists()]
    address.main(["https://github.com/a/b"], copy)
    text, here = (copy / "README.md").read_text(encoding="utf-8"), f"v{address.version(copy)}"
    assert (f"[read](https://a.github.io/b/book/{NOTEBOOKS[1]}.html) | [Colab](https://colab.research.google.com/github/a/b/blob/{here}/book/"
            f"{NOTEBOOKS[1]}.ipynb) | [download](https://a.github.io/b/_sources/book/{NOTEBOOKS[1]}.ipynb) |") in text
    assert text.count("badge.svg") == 2


def test_python_alone_will_do():
    """``make address`` works before the environment is made."""
    code = "import sys; before = set(sys.modules); import tools.publish; print({'yaml', 'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"], capture_output=True,
                          text=True, check=True).stdout == "set()\n"


def test_the_archive_is_told_what_the_citation_says():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    archive = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert [archive["title"], archive["license"]] == [citation["title"], citation["license"]]
    assert [author["name"] for author in archive["creators"]] == [author["name"] for author in citation["authors"]]
    assert archive["related_identifiers"][0]["identifier"] == citation["references"][0]["identifiers"][0]["value"]
