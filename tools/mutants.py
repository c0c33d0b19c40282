"""Break the package on purpose, one constant, sign, operator or comparison at a time, and count which breaks the tests see.

``python -m tools.mutants`` (cosmic-ray must be installed) takes the last commit, runs each module's own tests on every mutant,
and writes what was killed, and every survivor, to ``book/mutants.json``; page 04 shows it.  Module names choose some of them.
"""

import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tools.build import ROOT
from tools.checkout import NEEDED, clone, commit
from tools.files import change

TESTS = {"sde": ["test_sde"], "density": ["test_density"], "flow": ["test_flow"],
         "bounds": ["test_bounds"], "noise_average": ["test_noise_average"]}
# Each operator becomes its opposite, each comparison its near and its far neighbour; numbers go one up and one down.
OPERATORS = ["NumberReplacer", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd", "AddNot",
             "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not",
             *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul")),
             *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "Lt_Gt", "LtE_Lt", "LtE_GtE", "Gt_GtE", "Gt_Lt",
                                                            "GtE_Gt", "GtE_LtE", "Eq_NotEq", "NotEq_Eq"))]
CONFIG = """[cosmic-ray]
module-path = "diffnotes/{module}.py"
timeout = 300.0
test-command = {command}
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = ['^(?!core/({operators})$)']
"""


def mutate(module: str) -> dict:
    """Counts and survivors of one module, from a copy of the last commit."""
    with tempfile.TemporaryDirectory() as name:
        copy, session = clone(Path(name) / "copy"), Path(name) / "session.sqlite"
        tests = [f"tests/{test}.py" for test in TESTS[module]]
        command = shlex.join([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests])
        config = copy / "mutants.toml"
        config.write_text(CONFIG.format(module=module, command=json.dumps(command), operators="|".join(OPERATORS)))

        def tool(name: str, *arguments) -> str:
            program = shutil.which(name, path=str(Path(sys.executable).parent)) or name
            return subprocess.run([program, *arguments], cwd=copy, check=True, text=True, stdout=subprocess.PIPE,
                                  env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(copy)}).stdout

        tool("cosmic-ray", "baseline", config)
        tool("cosmic-ray", "init", config, session)
        tool("cr-filter-operators", session, config)
        tool("cosmic-ray", "exec", config, session)
        results = [result for _, result in map(json.loads, tool("cosmic-ray", "dump", session).splitlines())]
    return tally(results)


def tally(results: list[dict]) -> dict:
    """The numbers of mutants and of those killed, and the line of every survivor before and after."""
    tried = [result for result in results if result["worker_outcome"] != "skipped"]
    survivors = [changed(result["diff"]) for result in tried if result["test_outcome"] == "survived"]
    killed = sum(result["test_outcome"] == "killed" for result in tried)
    if killed + len(survivors) < len(tried):
        raise RuntimeError(f"{len(tried) - killed - len(survivors)} of {len(tried)} mutants were not tried to the end")
    return dict(mutants=len(tried), killed=killed, survivors=sorted(survivors))


def changed(diff: str) -> list[str]:
    """The one changed line of a unified diff: [before, after]."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return [next(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"]


def main(modules: list[str]) -> None:
    for unknown in set(modules) - set(TESTS):
        raise SystemExit(f"module: got {unknown!r}; allowed: {', '.join(TESTS)}")
    if (last := commit().partition("-")[0]) == "unknown":
        raise SystemExit(NEEDED)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(mutate, module): module for module in modules or TESTS}
        for job in as_completed(jobs):
            record(jobs[job], dict(date=datetime.date.today().isoformat(), commit=last, **job.result()))


def record(module: str, found: dict) -> None:
    """Put what was found into ``book/mutants.json``, beside the other modules' results."""
    change(ROOT / "book" / "mutants.json", lambda results: results.update({module: found}), {})
    print(f"{module}: {found['killed']} of {found['mutants']} mutants killed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
