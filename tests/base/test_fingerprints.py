"""A cache never gives another function's results: what decides them is in the key, or the function is refused."""

import functools
import importlib.metadata
import os
import re
import runpy
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.base import fingerprints
from diffnotes.base.fingerprints import fingerprint


@pytest.fixture
def run(tmp_path):
    """The result of a function of n at 5, with a cache that all calls in a test share."""
    return lambda function: dn.sweep(function, [{"n": 5}], cache=tmp_path, progress=False)[0]


def module(source, name="user_module", **values):
    """A module as exec makes it: no file has its source."""
    made = types.ModuleType(name)
    vars(made).update(values)
    exec(source, vars(made))
    return made


def test_defaults(run):
    assert [run(lambda n, k=k: n * k) for k in (2, 3, 4)] == [10, 15, 20]
    assert [run(lambda n, *, k=k: n * k) for k in (2, 3, 4)] == [10, 15, 20]


def test_two_lambdas_on_one_line(run):
    assert [run(f) for f in (lambda n: n + 1, lambda n: n + 2)] == [6, 7]


PAIRS = {
    "a constant": ("def f(n): return n + 1", "def f(n): return n + 2"), "its type": ("def f(n): return 1", "def f(n): return True"),
    "an operator": ("def f(n): return n + 2", "def f(n): return n * 2"), "a zero's sign": ("def f(n): return str(0.0)", "def f(n): return str(-0.0)"),
    "a name": ("def f(n): return n.real", "def f(n): return n.imag"), "a built-in": ("def f(n): return min(n, 2)", "def f(n): return max(n, 2)"),
    "inside": ("def f(n): return [k * 2 for k in range(n)]", "def f(n): return [k * 3 for k in range(n)]"),
    "a lambda inside": ("def f(n): return (lambda m: m + 1)(n)", "def f(n): return (lambda m: m + 2)(n)"),
    "a global": ("K = 2\ndef f(n): return n * K", "K = 3\ndef f(n): return n * K"),
    "a global inside": ("K = 2\ndef f(n): return [K for _ in range(n)]", "K = 3\ndef f(n): return [K for _ in range(n)]"),
    "a global in a class": ("K = 2\ndef f(n):\n class C: k = K\n return C.k", "K = 3\ndef f(n):\n class C: k = K\n return C.k"),
    "a list": ("K = [1, 2]\ndef f(n): return sum(K)", "K = [1, 3]\ndef f(n): return sum(K)"),
    "a dict": ("K = {'a': {'b': 1}}\ndef f(n): return K['a']['b']", "K = {'a': {'b': 2}}\ndef f(n): return K['a']['b']"),
    "a set": ("K = {1, 2}\ndef f(n): return sum(K)", "K = {1, 3}\ndef f(n): return sum(K)"),
    "a tensor": ("K = torch.ones(2)\ndef f(n): return K.sum()", "K = torch.zeros(2)\ndef f(n): return K.sum()"),
    "its dtype": ("K = torch.ones(2)\ndef f(n): return str(K.dtype)", "K = torch.ones(2).double()\ndef f(n): return str(K.dtype)"),
    "an array": ("K = np.arange(3)\ndef f(n): return K.sum()", "K = np.arange(4)\ndef f(n): return K.sum()"),
    "a function it calls": ("def g(n): return n + 1\ndef f(n): return g(n)", "def g(n): return n + 2\ndef f(n): return g(n)"),
    "further down": ("K = 1\ndef h(n): return n + K\ndef g(n): return h(n)\ndef f(n): return g(n)",
                     "K = 2\ndef h(n): return n + K\ndef g(n): return h(n)\ndef f(n): return g(n)"),
    "a function's default": ("def g(n, k=1): return n + k\ndef f(n): return g(n)", "def g(n, k=2): return n + k\ndef f(n): return g(n)"),
    "a closure it calls": ("def make(k): return lambda n: n + k\ng = make(1)\ndef f(n): return g(n)", "def make(k): return lambda n: n + k\ng = make(2)\ndef f(n): return g(n)"),
    "a cached function": ("@lru_cache\ndef g(n): return n + 1\ndef f(n): return g(n)", "@lru_cache\ndef g(n): return n + 2\ndef f(n): return g(n)"),
    "an attribute": ("def f(n): return n + f.k\nf.k = 1", "def f(n): return n + f.k\nf.k = 2"),
    "recursion": ("def f(n): return f(n - 1) + 1 if n else 0", "def f(n): return f(n - 1) + 2 if n else 0"),
    "each other": ("def g(n): return f(n - 1)\ndef f(n): return g(n) + 1 if n else 0", "def g(n): return f(n - 1)\ndef f(n): return g(n) + 2 if n else 0"),
    "which of two": tuple(f"def a(n): return n + 1\ndef b(n): return n + 2\nq = {q}\ndef f(n): return a(n), b(n), q(n)" for q in "ab"),
    "a class": ("class C:\n def k(self): return 1\ndef f(n): return C().k()", "class C:\n def k(self): return 2\ndef f(n): return C().k()"),
    "its attribute": ("class C: k = 1\ndef f(n): return C.k", "class C: k = 2\ndef f(n): return C.k"),
    "its property": ("class C:\n @property\n def k(self): return 1\ndef f(n): return C().k", "class C:\n @property\n def k(self): return 2\ndef f(n): return C().k"),
    "its base": ("class B: k = 1\nclass C(B): pass\ndef f(n): return C.k", "class B: k = 2\nclass C(B): pass\ndef f(n): return C.k"),
    "a network": tuple(f"class N(torch.nn.Module):\n def __init__(self):\n  super().__init__()\n  self.k = {k}\ndef f(n): return N().k" for k in (1, 2)),
    "a data class": ("@dataclass\nclass C: k: int = 1\ndef f(n): return C().k", "@dataclass\nclass C: k: int = 2\ndef f(n): return C().k"),
    "a path": tuple(f"K = Path('{k}')\ndef f(n): return str(K)" for k in "ab"),
    "a number of NumPy": tuple(f"K = np.float32({k})\ndef f(n): return K" for k in (1, 2)),
    "texts in an array": tuple(f"K = np.array(['{k}'])\ndef f(n): return K[0]" for k in "ab"),
    "an array's shape": tuple(f"K = np.zeros({k})\ndef f(n): return K.shape" for k in ((1, 4), (2, 2))),
    "one number in a tensor": tuple(f"K = torch.tensor({k})\ndef f(n): return K" for k in (1, 2)),
    "a parameter": tuple(f"K = torch.nn.Parameter(torch.ones(1) * {k})\ndef f(n): return K" for k in (1, 2)),
    "whether it is trained": tuple(f"K = torch.ones(1, requires_grad={k})\ndef f(n): return K.requires_grad" for k in (True, False)),
    "a conjugate": ("K = torch.tensor([1j]).conj()\ndef f(n): return K", "K = torch.tensor([1j])\ndef f(n): return K"),
    "a function of NumPy": tuple(f"K = np.{k}\ndef f(n): return K(n)" for k in ("sin", "cos")),
    "a function of Python": tuple(f"K = {k}\ndef f(n): return K([n, 2])" for k in ("min", "max")),
    "a method of a class": tuple(f"K = {k}\ndef f(n): return K([n])" for k in ("dict.fromkeys", "int.from_bytes")),
    "a class of a package": tuple(f"K = torch.nn.{k}\ndef f(n): return K.__name__" for k in ("ReLU", "SiLU")),
    "a class method": tuple(f"class C:\n @classmethod\n def k(cls): return {k}\ndef f(n): return C.k()" for k in (1, 2)),
    "a static method": tuple(f"class C:\n @staticmethod\n def k(): return {k}\ndef f(n): return C.k()" for k in (1, 2)),
    "an object's state": tuple(f"class C:\n def __init__(self, k): self.k, self.j = k, 0\nc = C({k})\ndef f(n): return c.k" for k in (1, 2)),
    "a name among many": tuple("def f(n):\n return " + " + ".join(f"n.real + K{i}" for i in range(300)) + "\n" + "\n".join(f"K{i} = {k * (i == 299)}" for i in range(300)) for k in (1, 2)),
    "an SDE": ("K = dn.OU(1.0)\ndef f(n): return float(K.std(1.0))", "K = dn.OU(2.0)\ndef f(n): return float(K.std(1.0))"),
    "a mixture": ("K = dn.GaussianMixture.two_modes(1.0)\ndef f(n): return K.score([[0.5]])", "K = dn.GaussianMixture.two_modes(2.0)\ndef f(n): return K.score([[0.5]])"),
}
BROUGHT = dict(Path=Path, torch=torch, np=np, dn=dn, lru_cache=functools.lru_cache)


@pytest.mark.parametrize("what", PAIRS)
def test_functions_that_differ_in(what, run):
    from dataclasses import dataclass
    functions = [module(source, dataclass=dataclass, **BROUGHT).f for source in PAIRS[what]]
    expected = [function(5) for function in functions]
    assert str(expected[0]) != str(expected[1])
    assert [str(run(function)) for function in functions] == [str(value) for value in expected]
    again = [module(source, dataclass=dataclass, **BROUGHT).f for source in PAIRS[what]]
    assert [fingerprint(function) for function in again] == [fingerprint(function) for function in functions]


def test_a_global_that_changes_and_a_module_that_is_loaded_again(run):
    user = module("K = 2\ndef f(n): return n * K")
    assert run(user.f) == 10
    user.K = 3
    assert run(user.f) == 15
    exec("def f(n): return n - K", vars(user))
    assert run(user.f) == 2


def test_functions_of_the_users_other_modules(run, monkeypatch):
    helper = module("K = 1\ndef g(n): return n + K", "helper_module")
    monkeypatch.setitem(sys.modules, "helper_module", helper)
    user = module("import helper_module\ndef f(n): return helper_module.g(n)")
    assert run(user.f) == 6
    helper.K = 2
    assert run(user.f) == 7
    with pytest.raises(ValueError, match=r"^function: got f reads helper_module, the module helper_module as a whole; "):
        run(module("import helper_module\ndef f(n): return getattr(helper_module, 'K')").f)


def test_names_that_are_looked_up_step_by_step_in_the_users_modules(run, monkeypatch):
    inner = module("K = 1\nJ = 5", "helper_package.inner")
    monkeypatch.setitem(sys.modules, "helper_package", module("", "helper_package", inner=inner, K=100))
    user = module("import helper_package\ndef f(n): return n + helper_package.inner.K")
    assert run(user.f) == 6
    inner.K = 2
    assert run(user.f) == 7
    found = fingerprint(user.f)
    inner.J, sys.modules["helper_package"].K = 6, 101  # which it does not read
    assert fingerprint(user.f) == found
    many = "\n".join(f"a{i} = n.b{i}" for i in range(300)).replace("\n", "\n ")  # with arguments of two bytes
    far = module(f"import helper_package\ndef f(n):\n if n:\n  return helper_package.inner.K\n {many}\n return helper_package.inner.Z")
    inner.Z = 1
    found = fingerprint(far.f)
    inner.Z = 2
    assert fingerprint(far.f) != found


def test_a_users_module_with_the_name_of_one_of_pythons_is_the_users(tmp_path, monkeypatch, run):
    """Which bug this catches: a file ``this.py`` of the user's, which counts by Python's version and not by what is in it."""
    monkeypatch.delitem(sys.modules, "this", raising=False)
    (tmp_path / "this.py").write_text("K = 1\ndef g(n): return n + K\n")
    monkeypatch.syspath_prepend(tmp_path)
    fingerprints._package.cache_clear()
    import this
    try:
        user = module("def f(n): return g(n)", g=this.g)
        assert run(user.f) == 6
        this.K = 2
        assert run(user.f) == 7
    finally:
        del sys.modules["this"]
        fingerprints._package.cache_clear()


def test_packages_count_by_name_and_version(monkeypatch):
    assert fingerprints._package("torch.nn.functional") == f"torch {importlib.metadata.version('torch')}"
    assert [fingerprints._package(name) for name in ("json.decoder", "sys", "os", "itertools")] == 4 * ["python"]
    assert fingerprints._package("no_such_module") is fingerprints._package("__main__") is None
    before = fingerprints._package("diffnotes.processes.sde"), fingerprints._package("diffnotes")
    assert before == 2 * (fingerprints._OWN,) and re.fullmatch("[0-9a-f]{64}", before[0])
    function = module("import numpy as np\ndef f(n): return np.sum(n), np").f  # a whole package is one version
    found = fingerprint(function)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0.1")
    fingerprints._package.cache_clear()
    try:
        assert fingerprint(function) != found
    finally:
        fingerprints._package.cache_clear()


def test_what_only_claims_to_be_a_packages_is_followed(run):
    """Which bug this catches: a function that carries a package's name, as wrappers do, and is found by it."""
    for k in (1, 2):
        user = module(f"def g(n): return n + {k}\ndef f(n): return g(n)")
        user.g.__module__, user.g.__qualname__ = "numpy", "sum"
        assert run(user.f) == 5 + k
        user.g.__module__, user.g.__qualname__ = "numpy", "not.there"
        assert run(user.f) == 5 + k


def test_what_an_object_keeps_of_its_own_results_does_not_count():
    source = "class C:\n def __init__(self): self.k = 2\n @cached_property\n def twice(self): return 2 * self.k\nc = C()\ndef f(n): return c.twice"
    user, changed = (module(text, cached_property=functools.cached_property) for text in (source, source.replace("2 *", "3 *")))
    before = fingerprint(user.f)
    assert user.f(5) == 4 and fingerprint(user.f) == before != fingerprint(changed.f)


def test_a_module_edited_and_not_loaded_again_keeps_its_own_results(tmp_path, monkeypatch, run):
    """The key is the code that runs, not the file."""
    path = tmp_path / "edited_module.py"
    path.write_text("def f(n): return n + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited_module
    path.write_text("def f(n): return n + 22\n")
    assert run(edited_module.f) == 6
    del sys.modules["edited_module"]
    import edited_module
    assert run(edited_module.f) == 27


def test_comments_lines_and_places_do_not_count():
    one, two = (module(source, name).f for source, name in (
        ("def f(n): return n + 1", "first_module"), ("\n# a comment\ndef f(n):\n    return n + 1  # another", "second_module")))
    assert fingerprint(one) == fingerprint(two)
    one, two = (module("def f(n):\n class C: k = n\n return C.k", name).f for name in ("first_module", "second_module"))
    assert fingerprint(one) == fingerprint(two)  # a class's body reads the module's name
    one, two = (module(f"class C:\n {first}\n {then}\ndef f(n): return C.k").f for first, then in (("k = 1", "def j(self): pass"), ("def j(self): pass", "k = 1")))
    assert fingerprint(one) == fingerprint(two)


def test_the_default_dtype_counts(run):
    try:
        assert run(lambda n: str(torch.zeros(1).dtype)) == "torch.float32"
        torch.set_default_dtype(torch.float64)
        assert run(lambda n: str(torch.zeros(1).dtype)) == "torch.float64"
    finally:
        torch.set_default_dtype(torch.float32)


REFUSED = {
    "a generator's state": ("def f(n): return R.normal()", r"f reads R\.normal, a Generator"),
    "a lock": ("def f(n): return L", "f reads L, a lock"), "a default": ("def f(n, r=R): return r.normal()", "f holds a Generator"),
    "an object of objects": ("K = [{'a': object()}]\ndef f(n): return K", "f reads K, a object"),
    "a method": ("K = [].pop\ndef f(n): return K", "f reads K, a builtin_function_or_method"),
    "an array of objects": ("K = np.array([None])\ndef f(n): return K", "f reads K, a ndarray"),
    "what it calls": ("def g(n): return R\ndef f(n): return g(n)", "g reads R, a Generator"),
    "a set global": ("K = 1\ndef f(n):\n global K\n K = n", "f, which sets the global K"),
    "a deleted global": ("K = 1\ndef f(n):\n global K\n del K", "f, which sets the global K"),
    "eval": ("K = 1\ndef f(n): return eval('K')", "f calls eval"), "globals": ("K = 1\ndef f(n): return globals()['K']", "f calls globals"),
    "a late import": ("def f(n):\n import my_module\n return my_module.K", "f, which imports my_module"),
    "a relative import": ("def f(n):\n from .random import K\n return K", "f, which imports random"),
    "a generator": ("def f(n): yield n", "f, a generator or coroutine"), "a coroutine": ("async def f(n): return n", "f, a generator or coroutine"),
    "a closure": ("def make(k):\n return lambda n: n + k\nf = make(1)", "<lambda>, a closure over k"),
    "a partial": ("f = partial(max, 1)", "a partial"), "built in": ("f = max", "a builtin_function_or_method"), "a class": ("class f: pass", "a type"),
    "a callable": ("class C:\n def __call__(self, n): return n\nf = C()", "a C"),
    "a cached one": ("@lru_cache\ndef f(n): return n", "a _lru_cache_wrapper"), "vectorised": ("f = np.vectorize(lambda n: n)", "a vectorize"),
    "slots": ("class C:\n __slots__ = ('k',)\nc = C()\ndef f(n): return c", "f reads c, a C"),
    "a list in itself": ("K = []\nK.append(K)\ndef f(n): return K[0]", "maximum recursion"),
    "a dict of C": ("class C(dict): pass\nc = C()\ndef f(n): return c", "f reads c, a C"),
    "slots of a base": ("class B:\n __slots__ = ()\nclass C(B): pass\nc = C()\ndef f(n): return c", "f reads c, a C"),
    "a sparse tensor": ("K = torch.eye(2).to_sparse()\ndef f(n): return K", "f reads K, a Tensor"),
    "a name without a value": ("def make():\n def g(n): return h\n yield g\n h = 1\ng = next(make())\ndef f(n): return g(n)", "g reads a name that has no value yet"),
    "an import of an import": ("def f(n):\n import my_package.module as m\n return m.K", "f, which imports my_package.module"),
    "no values": ("K = torch.zeros(1, device='meta')\ndef f(n): return K", "f reads K, a Tensor"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what, run, tmp_path):
    source, why = REFUSED[what]
    function = module(source, R=np.random.default_rng(0), L=threading.Lock(), partial=functools.partial, **BROUGHT).f
    with pytest.raises(ValueError, match=rf"^function: got {why}.*; allowed: with a cache: "):
        run(function)
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_changes_what_it_reads_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match=r"^function: got f, which changes what it reads; allowed: with a cache: "):
        run(module("K = [0]\ndef f(n):\n K[0] += 1\n return K[0]").f)
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_not_read(run):
    """A list that is appended to, or extended, and a set that is added to; reading one refuses the call that changes it."""
    log, more, seen = [], [], set()
    function = module("def f(n):\n log.append(n)\n more.extend([n])\n seen.add(n)\n return n", log=log, more=more, seen=seen).f
    assert [run(function), run(function), log, more, seen] == [5, 5, [5], [5], {5}]
    with pytest.raises(ValueError, match="f, which changes what it reads"):
        run(module("def f(n):\n log.append(n)\n return log[0]", log=log).f)


def test_imports_of_packages_may_come_late(run):
    assert run(module("def f(n):\n import math\n from json import dumps\n import os.path\n return dumps(math.floor(n))").f) == "5"


SCRIPT = """
import numpy as np, torch, diffnotes as dn
from numpy import sin
from torch import zeros
NAMES, SIZES = {"a", "b", "c", "d", "e", "f", "g", "h"}, frozenset(["s", "t", "u", "v", "w", "x", "y", "z"])
class C:
    def g(self): return NAMES
def f(n):
    return sin(n) + zeros(1), [k in {"p", "q", "r", "s", "t", "u"} for k in "pq"], C().g(), SIZES, dn.OU(), np.linalg.norm
from diffnotes.base.fingerprints import fingerprint
print(fingerprint(f))
"""


def test_every_process_finds_the_same(tmp_path, capsys):
    """With another hash seed, which orders sets of texts, and from a file, another file, standard input or a string."""
    for k, name in enumerate(("file", "other")):
        (tmp_path / f"{name}.py").write_text("\n" * k + SCRIPT)
        runpy.run_path(tmp_path / f"{name}.py", run_name="__main__")
    exec(SCRIPT, {"__name__": "__main__"})
    here = capsys.readouterr().out.split()
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    there = subprocess.run([sys.executable, "-"], input=SCRIPT, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
    assert {*here} == {there.stdout.strip()} and len(here) == 3


@pytest.mark.parametrize("code", [
    "import os\ndef f(n): return n * int(os.environ['K'])", "import os\ndef f(n): return os.environ.get('K')",
    "import os\ndef f(n): return os.getenv('K')", "from os import environ\ndef f(n): return environ['K']",
    "import random\ndef f(n): return random.random()", "from random import gauss\ndef f(n): return gauss(0, 1)",
    "import numpy as np\ndef f(n): return np.random.rand()", "from numpy import random as r\ndef f(n): return r.standard_normal()",
])
def test_the_environment_and_shared_generators_are_refused(code):
    with pytest.raises(ValueError, match=r"^function: got f reads .*, (the environment|a generator that all share); allowed: "):
        fingerprint(module(code).f)


def test_a_generator_of_its_own_is_welcome():
    assert fingerprint(module("import numpy as np\ndef f(n): return np.random.default_rng(n).random()").f)
