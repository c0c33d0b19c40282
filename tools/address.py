"""One address, in every place that names it: ``python -m tools.address`` takes it from ``git remote``.

``python -m tools.address ADDRESS [PAGES]`` takes it from the arguments; PAGES is where the book will be read, by default the
host's own pages.  ``--unset`` puts reserved example domains in its place.  ``--check [ADDRESS]`` changes nothing and fails where
there is no address, or another one, or places disagree.  The version in the first cells and in ``_config.yml`` is the package's.
Python alone will do, so that a fresh clone or a workflow can call it before anything is installed.
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from tools.build import ROOT
from tools.contents import block

# Reserved: these domains belong to nobody (RFC 2606).
UNSET, UNSET_PAGES = "https://git.example/diffnotes/diffnotes", "https://diffnotes.example/"
MISSING = "the project has no address yet: make address takes it from git remote, make address ADDRESS=https://... from you"
COLAB = "https://colab.research.google.com"
INSTALL = re.compile(r'(?m)^(if not getattr\(importlib\.util\.find_spec\("diffnotes"\), "origin", None\):).*\n    .*$')


@dataclass(frozen=True)
class Address:
    """Where the repository lives, where its pages are read, the version, and the tag or branch that Colab opens."""

    repository: str
    pages: str
    version: str
    opens: str

    @property
    def unset(self) -> bool:
        """Whether a reserved domain stands in the place of an address."""
        return self.repository == UNSET

    @property
    def known(self) -> bool:
        """Whether the theme knows the host: it then has buttons for it."""
        return urlsplit(self.repository).hostname in ("github.com", "gitlab.com")

    @property
    def colab(self) -> str:
        """Where Colab finds the repository; empty for a host that it does not open."""
        parts = urlsplit(self.repository)
        return f"{COLAB}/github{parts.path}/blob/{self.opens}" if parts.hostname == "github.com" else ""

    @property
    def discuss(self) -> str:
        """The foot of every page: a link to where the repository's host takes questions; empty where there is none."""
        parts = urlsplit(self.repository)
        if self.unset or not parts.scheme.startswith("http"):
            return ""
        place = {"github.com": "discussions", "gitlab.com": "-/issues/new"}.get(parts.hostname or "", "issues/new")
        return f'<a href="{escape(self.repository)}/{place}">Ask or discuss</a>'

    def install(self) -> str:
        """What the first cell of a chapter does where the package is missing: the rest of one line, and the next."""
        if self.unset:
            return ('  # no address yet to install from\n    raise SystemExit("diffnotes has no address yet: clone or unzip it, '
                    'then run there: pip install --no-deps .")')
        return ("  # Colab: this project alone; torch and numpy stay\n"
                f'    %pip install -q --no-deps "git+{self.repository}@v{self.version}"')


# A file, what stands around the address in it, and which part of the address it is.  Every one of them must be found.
PLACES = [
    ("CITATION.cff", r"(?m)^repository-code: (\S+)$", lambda a: a.repository),
    ("CITATION.cff", r"(?m)^url: (\S+)$", lambda a: a.pages),
    # setuptools takes no other kind of address
    ("pyproject.toml", r'(?m)^Repository = "(\S+)"$', lambda a: a.repository if a.repository.startswith("http") else UNSET),
    ("pyproject.toml", r'(?m)^Documentation = "(\S+)"$', lambda a: a.pages),
    ("codecheck.yml", r"(?m)^repository: (\S+)$", lambda a: a.repository),
    ("_config.yml", r"(?m)^  baseurl: (\S+)$", lambda a: a.pages),
    ("_config.yml", r"(?m)^    ogp_site_url: (\S+)$", lambda a: a.pages),
    ("_config.yml", r"(?m)^  branch: (\S+)", lambda a: a.opens),
    ("_config.yml", r'(?m)^  url: (\S+)$', lambda a: a.repository if a.known else '""'),
    ("_config.yml", r'(?m)^  colab_url: (\S+)$', lambda a: COLAB if a.colab else '""'),
    ("_config.yml", r"(?m)^  use_(?:repository|issues)_button: (\S+)$", lambda a: str(a.known).lower()),
    ("_config.yml", r"(?m)^  extra_footer: (.+)$", lambda a: f"'{a.discuss}'"),
    ("README.md", r"(?m)^git clone (\S+)", lambda a: a.repository),
    ("book/01_how_to_run.md", r"(?m)^git clone (\S+)", lambda a: a.repository),
    ("book/06_collation.md", r"\[tell us\]\((\S+)/issues\)", lambda a: a.repository),
    ("README.md", r"(?s)<!-- chapters, by make address -->\n(.*?)\n<!-- end -->", block),
]


def normal(remote: str) -> str:
    """The address that anyone can read from, for a remote as git names it; secrets in it are left out."""
    remote = remote.strip()
    if match := re.fullmatch(r"(?:ssh://)?[\w.-]+@([\w.-]+)(?::\d+/|[:/])(.+)", remote):
        remote = f"https://{match[1]}/{match[2]}"
    if match := re.fullmatch(r"(https?://)(?:[^/@]*@)?(.+)", remote):
        return match[1] + match[2].rstrip("/").removesuffix(".git")
    return remote if "://" in remote else Path(remote).resolve().as_uri()


def remote(root: Path) -> str:
    """The remote of this clone, or the end in one line."""
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        # Without the first condition git would answer for a repository in which a zip was unpacked.
        found = (root / ".git").exists() and subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found = ""
    return found or sys.exit("there is no git remote named origin: make address ADDRESS=https://...")


def present(root: Path) -> Address:
    """The address that the citation has."""
    citation, config = ((root / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "_config.yml"))
    found = [re.search(pattern, citation)[1] for _, pattern, _ in PLACES[:2]]
    return Address(*found, version(root), re.search(r"(?m)^  branch: (\S+)", config)[1])


def version(root: Path) -> str:
    return re.search(r'__version__ = "(.+?)"', (root / "diffnotes" / "__init__.py").read_text(encoding="utf-8"))[1]


def new(root: Path, repository: str, pages: str = "", opens: str = "") -> Address:
    """The address with this repository, and the host's own pages unless others are named, now or before."""
    before, parts = present(root), urlsplit(repository)
    owner, _, name = parts.path.strip("/").partition("/")
    host = {"github.com": "github.io", "gitlab.com": "gitlab.io"}.get(parts.hostname or "", "")
    site = f"{owner.lower()}.{host}"
    own = f"https://{site}/" + f"{name}/" * (name.lower() != site) if host else UNSET_PAGES
    pages = pages or (before.pages if repository == before.repository else own)
    return Address(repository, pages.rstrip("/") + "/", version(root), opens or f"v{version(root)}")


def cell(source: str, address: Address) -> str:
    """The first cell of a chapter with the address in it; any other cell stays as it is."""
    return INSTALL.sub(lambda found: found[1] + address.install(), source)


def notebook(text: str, address: Address) -> str:
    """The text of a notebook with the address in its cells; all else stays to the letter."""
    for part in json.loads(text)["cells"]:
        before = part["source"] if isinstance(part["source"], list) else [part["source"]]
        after = cell("".join(before), address)
        if after != "".join(before):
            after = after.splitlines(keepends=True) if isinstance(part["source"], list) else [after]
            for old, fresh in zip(before, after, strict=True):
                text = text.replace(json.dumps(old, ensure_ascii=False), json.dumps(fresh, ensure_ascii=False), 1)
    return text


def changes(root: Path, address: Address) -> dict[Path, str]:
    """The files that do not have this address, and what they should say."""
    texts = {root / name: (root / name).read_text(encoding="utf-8") for name in dict.fromkeys(name for name, *_ in PLACES)}
    texts |= {path: path.read_text(encoding="utf-8") for path in sorted((root / "book").glob("*.ipynb"))}
    wanted = dict(texts)
    for name, pattern, part in PLACES:
        value = part(address, root) if part is block else part(address)
        wanted[root / name], found = re.subn(pattern, lambda match, value=value: swapped(match, value), wanted[root / name])
        if not found:
            sys.exit(f"{name}: nothing there looks like {pattern}, where an address belongs")
    for path in texts:
        if path.suffix == ".ipynb":
            wanted[path] = notebook(texts[path], address)
    return {path: text for path, text in wanted.items() if text != texts[path]}


def swapped(match: re.Match, value: str) -> str:
    """The whole match with its group replaced."""
    start, end = (place - match.start() for place in match.span(1))
    return match[0][:start] + value + match[0][end:]


def put(root: Path, address: Address) -> list[Path]:
    """Write the address where it is another; the files that changed."""
    found = changes(root, address)
    for path, text in found.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(found)


def wrong(root: Path, repository: str = "") -> str:
    """What stands in the way of publishing, in one line; empty if nothing does."""
    found = present(root)
    if found.unset:
        return MISSING
    if repository and found.repository != normal(repository):
        return f"the address here is {found.repository}, not {normal(repository)}: make address"
    if found.opens not in (tags := (f"v{found.version}", f"v{found.version}-here")):
        return f"_config.yml opens {found.opens}, not {tags[0]}: make address"
    files = ", ".join(str(path.relative_to(root)) for path in changes(root, found))
    return files and f"another address than {found.repository}, or another version or chapters, in {files}: make address"


def main(arguments: list[str], root: Path = ROOT) -> str | None:
    parser = argparse.ArgumentParser("python -m tools.address", description=__doc__)
    parser.add_argument("address", nargs="?", default="")
    parser.add_argument("pages", nargs="?", default="")
    parser.add_argument("--unset", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    if given.check:
        return wrong(root, given.address) or None
    repository = UNSET if given.unset else normal(given.address or remote(root))
    address = new(root, repository, UNSET_PAGES if given.unset else given.pages)
    changed = put(root, address)
    print(f"{address.repository}, read at {address.pages}: {len(changed)} files changed")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
