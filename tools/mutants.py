"""Break the package on purpose, one constant, sign, operator, comparison or call at a time; count which breaks the tests see.

``python -m tools.mutants`` takes the last commit, runs each module's own tests on every mutant, as many side by side as there
are cores, and writes what was killed, and every survivor, to ``book/mutants.json``; page 04 shows it.  Names choose some modules.
"""

import ast
import datetime
import gc
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

from tools.build import ROOT
from tools.checkout import NEEDED
from tools.checkout import commit as commit_here
from tools.files import change

FILES = {path.stem: path.relative_to(ROOT) for path in sorted((ROOT / "diffnotes").rglob("*.py")) if path.stem != "__init__"}
OPTIONS = ["-x", "-q", "-m", "not browser and not cuda", "-p", "no:cacheprovider", "-p", "no:unraisableexception",
           "-p", "no:warnings", "-p", "_hypothesis_pytestplugin", "--hypothesis-profile=first"]
LOADED = ("torch", "torch.func", "torch.distributed.tensor", "torch.optim", "pytest", "hypothesis", "scipy.stats",
          "scipy.integrate", "matplotlib.pyplot", "tqdm.auto", "nbval.plugin", "IPython.display", "PIL.Image", "yaml",
          "sklearn.cluster", "sklearn.datasets")
MEMORY = 8 * 2**30  # bytes of address space; a mutant may ask for any
# Each operator and call becomes its opposite, each comparison its near and its far neighbour; numbers go one up and one down.
OPERATORS = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.Pow: ("**", "*"),
             ast.And: ("and", "or"), ast.Or: ("or", "and"),
             ast.Lt: ("<", "<=", ">"), ast.LtE: ("<=", "<", ">="), ast.Gt: (">", ">=", "<"), ast.GtE: (">=", ">", "<="),
             ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
             ast.In: ("in", "not in")}
OPPOSITES = dict(max="min", amax="amin", maximum="minimum", all="any", sum="mean")
OPPOSITES |= {other: name for name, other in OPPOSITES.items() if name != "sum"}
LEFT_OUT = ("abs", "clamp", "sqrt", "square", "exp", "log")  # methods


def mutants(source: str) -> list[str]:
    """The source with one thing changed, in every way.  Texts, annotations, decorators and what only an error says stay."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    text = source.encode()

    def span(node) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    found: dict[str, None] = {}  # in order, each once

    def put(begin: int, end: int, new: str) -> None:
        found[(text[:begin] + new.encode() + text[end:]).decode()] = None

    def operator(before, after, kind) -> None:
        old, *others = OPERATORS.get(kind, ("",))
        begin, end = span(before)[1], span(after)[0]  # between them stand brackets, white space and the operator
        where = re.search(r"\s+".join(map(re.escape, old.split())).encode(), text[begin:end])
        for new in others:
            put(begin + where.start(), begin + where.end(), new)

    def visit(node) -> None:
        if isinstance(node, (ast.JoinedStr, ast.Raise)):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            put(*span(node), str(not node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            for new in (node.value + 1, node.value - 1):
                put(*span(node), repr(new))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            put(span(node)[0], span(node)[0] + (1 if isinstance(node.op, ast.USub) else 3), "")
        elif isinstance(node, ast.BinOp):
            operator(node.left, node.right, type(node.op))
        elif isinstance(node, ast.AugAssign):
            operator(node.target, node.value, type(node.op))
        elif isinstance(node, ast.BoolOp):
            for before, after in zip(node.values, node.values[1:], strict=False):
                operator(before, after, type(node.op))
        elif isinstance(node, ast.Compare):
            for before, kind, after in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                operator(before, after, type(kind))
        elif isinstance(node, ast.Call):
            name, (begin, end) = getattr(node.func, "attr", getattr(node.func, "id", "")), span(node.func)
            method = isinstance(node.func, ast.Attribute)
            if name in OPPOSITES and (method or name != "sum"):
                put(end - len(name), end, OPPOSITES[name])
            if name in LEFT_OUT and method and getattr(node.func.value, "id", "") not in ("torch", "math", "np"):
                put(end - len(name) - 1, span(node)[1], "")
        for condition in getattr(node, "ifs", [node.test] if isinstance(node, (ast.If, ast.While, ast.IfExp)) else []):
            begin, end = span(condition)
            put(begin, end, f"not ({text[begin:end].decode()})")
        for child in parts(node):
            visit(child)

    visit(ast.parse(source))
    return list(found)


def parts(node):
    """What may change below a node of the syntax tree."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "fail":
            return []
        if name == "holds":
            return node.args[1:2]
    skipped = ("annotation", "returns", "decorator_list")
    return [child for field, value in ast.iter_fields(node) if field not in skipped
            for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]


def start(folder: str, commit: str) -> None:
    """A worker's own copy of a commit; compiled files go by content there, as two mutants may come in one second."""
    copy = Path(folder) / str(os.getpid())
    subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
    os.chdir(copy)
    subprocess.run(["git", "checkout", "-q", "--detach", commit], check=True)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "diffnotes"], check=True)
    sys.path.insert(0, str(copy))
    os.environ["PYTHONPATH"] = str(copy)


def outcome(module: str, source: str, limit: float) -> tuple[str, float]:
    """What a module's tests say of a source, ``passed``, ``failed`` or ``late``, and after how many seconds.

    They run in a fork of this process, which has imported the large packages, but not this one.
    """
    path, begin = FILES[module], time.perf_counter()
    original = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for name in [name for name in sys.modules if name.partition(".")[0] in ("diffnotes", "tools")]:
            del sys.modules[name]  # the copy's come in their place
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os._exit(import_module("pytest").main([*OPTIONS, str(tests_of(path))]))
    status = None
    while status is None and time.perf_counter() < begin + limit:
        time.sleep(0.01)
        status = os.waitpid(child, os.WNOHANG)[1] if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) else None
    try:
        os.killpg(child, signal.SIGKILL)  # with whatever it has started
    except ProcessLookupError:
        pass
    if status is None:
        os.waitpid(child, 0)
    path.write_text(original, encoding="utf-8")
    code = None if status is None else os.waitstatus_to_exitcode(status)
    if code in (4, 5):
        raise RuntimeError(f"{module}: pytest says {code}, that there is nothing to run")
    return "late" if code is None else "failed" if code else "passed", time.perf_counter() - begin


def tests_of(module: Path) -> Path:
    """A module's own tests, which lie in the room of the same name."""
    return Path("tests", *module.parts[1:-1], f"test_{module.name}")


def changed(before: str, after: str) -> list[str]:
    """The first line that differs, in both."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    return next([line.strip() for line in pair] for pair in pairs if pair[0] != pair[1])


def main(modules: list[str]) -> None:
    for unknown in set(modules) - set(FILES):
        raise SystemExit(f"module: got {unknown!r}; allowed: {', '.join(FILES)}")
    if commit_here() == "unknown":
        raise SystemExit(NEEDED)
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    for name in LOADED:
        import_module(name)
    gc.freeze()  # what is loaded is not searched for rubbish in every fork
    commit, cores, context = git("rev-parse", "HEAD").strip(), len(os.sched_getaffinity(0)), multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(cores, context, start, (folder, commit)) as pool:
        sources = {module: git("show", f"{commit}:{FILES[module].as_posix()}") for module in modules or FILES}
        sound = {module: pool.submit(outcome, module, source, 600.0) for module, source in sources.items()}
        broken = {module: pool.submit(outcome, module, "raise ImportError", 600.0) for module in sources}
        for module in sources:  # all of them, before anything is tried
            if (sound[module].result()[0], broken[module].result()[0]) != ("passed", "failed"):
                raise SystemExit(f"{module}: its tests must pass as it is, and fail without it")
        jobs = {module: [(mutant, pool.submit(outcome, module, mutant, 10 + 5 * sound[module].result()[1]))
                         for mutant in mutants(source)] for module, source in sources.items()}
        for module, tried in jobs.items():
            found = tally(sources[module], [(mutant, *job.result()) for mutant, job in tried])
            record(module, dict(date=datetime.date.today().isoformat(), commit=commit[:7], **found))


def tally(source: str, results: list[tuple[str, str, float]]) -> dict:
    """The numbers of mutants, of those killed and of those stopped because they took too long, and every survivor's line."""
    survivors = sorted(changed(source, mutant) for mutant, said, _ in results if said == "passed")
    return dict(seconds=round(sum(seconds for *_, seconds in results)),
                mutants=len(results), killed=len(results) - len(survivors), late=sum(said == "late" for _, said, _ in results),
                survivors=survivors)


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, text=True, stdout=subprocess.PIPE).stdout


def record(module: str, found: dict) -> None:
    """Put what was found into ``book/mutants.json``, beside the other modules' results."""
    change(ROOT / "book" / "mutants.json", lambda results: results.update({module: found}), {})
    print(f"{module}: {found['killed']} of {found['mutants']} mutants killed in {found['seconds']} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
