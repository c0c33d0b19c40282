"""What decides a function's results, in one number, so that stored results are never another function's.

Python shows a function's code as it was loaded, its defaults, and the names it looks up; each is followed to plain values,
to other functions and classes of the user's, and to installed packages, which count by name and version.  Where something else
is met, such as an open file or a random generator, the function is refused.
"""

import builtins
import dis
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import pickle
import random
import sys
import sysconfig
from abc import ABCMeta
from contextlib import suppress
from functools import cache, cached_property, lru_cache, reduce
from operator import itemgetter
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType, NoneType

import numpy as np
import torch
from torch import Tensor

from . import checks as check

_OWN = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py")))).hexdigest()
_PLAIN = (NoneType, EllipsisType, bool, int, float, complex, str, bytes, range, torch.dtype, torch.device, torch.Size)
_CODE = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_posonlyargcount",
         "co_kwonlyargcount", "co_flags", "co_exceptiontable")  # without line numbers and file names
_BOOKKEEPING = {"__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__", "__firstlineno__",
                "__static_attributes__", "__annotate_func__", "__annotations_cache__", "__dataclass_fields__",
                "__dataclass_params__", "_abc_impl"}
_HIDDEN = {"eval", "exec", "compile", "globals", "__import__"}  # look up names that no code shows
_GENERATES = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


_Cached = type(lru_cache(len))


class _Unadorned:
    """An instance of it has a dict and nothing else."""


class _Unknown(Exception):
    """Why a function's results may depend on something that cannot be seen."""


def fingerprint(function) -> str:
    """The same for equal functions, in every process; another after any change in what decides the results.

    Raises ``ValueError`` that names ``function`` where this cannot be known.
    """
    try:
        if type(function) is not FunctionType:
            raise _Unknown(f"a {type(function).__name__}")
        if function.__closure__:
            raise _Unknown(f"{function.__name__}, a closure over {', '.join(function.__code__.co_freevars)}")
        if function.__code__.co_flags & _GENERATES:
            raise _Unknown(f"{function.__name__}, a generator or coroutine")
        made = torch.empty(0)  # with the default dtype and device
        text = f"{sys.implementation.cache_tag} {np.__version__} {torch.__version__} {made.dtype} {made.device} "
        text += _describe(function, {}, function.__name__)
    except (_Unknown, RecursionError) as why:
        check.fail("function", why, "with a cache: a plain function that reads only plain values, functions, classes and "
                   "installed packages (what varies belongs into the configurations)")
    return hashlib.sha256(text.encode()).hexdigest()


def _describe(value, seen: dict, where: str) -> str:
    """Text that tells values apart; ``seen`` numbers what was met, ``where`` says how it was reached."""
    kind = type(value)
    if kind in _PLAIN or isinstance(value, PurePath):
        return f"{kind.__name__}:{value!r}"
    if kind in (tuple, list):
        return f"{kind.__name__}({','.join(_describe(entry, seen, where) for entry in value)})"
    if kind in (set, frozenset):  # whose order changes from process to process
        return f"{kind.__name__}({','.join(sorted(_describe(entry, seen, where) for entry in value))})"
    if kind is dict:
        return f"dict{_describe(list(value.items()), seen, where)}"
    if (kind is np.ndarray or isinstance(value, np.generic)) and value.dtype.kind in "biufcSUmM":
        return f"array({value.dtype.str},{value.shape},{_hash(value.tobytes())})"
    if kind in (Tensor, torch.nn.Parameter) and value.layout == torch.strided and value.device.type != "meta":
        content = value.detach().cpu().resolve_conj().resolve_neg().reshape(-1).view(torch.uint8).numpy()
        return f"tensor({value.dtype},{value.device},{value.requires_grad},{tuple(value.shape)},{_hash(content)})"
    if kind is CodeType:
        return f"code{_describe([*(getattr(value, name) for name in _CODE), *value.co_consts], seen, where)}"
    if kind is ModuleType:
        if package := _package(value.__name__):
            return f"module {value.__name__} {package}"
        raise _Unknown(f"{where} the module {value.__name__} as a whole")
    if id(value) in seen:
        return f"#{seen[id(value)][0]}"
    seen[id(value)] = len(seen), value  # the value, so that no other one gets its id
    if name := _by_name(value):
        return name
    if kind is FunctionType:
        return f"function{_describe(_parts_of_function(value), seen, f'{value.__name__} holds')} {_reads(value, seen)}"
    if kind is _Cached:
        return _describe(value.__wrapped__, seen, where)
    if kind in (type, ABCMeta):
        return f"class{_describe(_parts_of_class(value), seen, f'{where} the class {value.__name__}, which has')}"
    if kind in (staticmethod, classmethod, property, cached_property):
        parts = [getattr(value, name, None) for name in ("__func__", "fget", "fset", "fdel", "func")]
        return f"{kind.__name__}{_describe(parts, seen, where)}"
    if _all_in_dict(kind):
        state = {name: part for name, part in vars(value).items() if not isinstance(getattr(kind, name, None), cached_property)}
        return f"instance{_describe([kind, state], seen, f'{where} a {kind.__name__}, which has')}"
    raise _Unknown(f"{where} a {kind.__name__}")


def _hash(content) -> str:
    return hashlib.sha256(content).hexdigest()


def _by_name(value) -> str | None:
    """A function or class of an installed package, and anything that pickle finds by its name there; None for all others."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and (package := _package(module)):
        with suppress(AttributeError, KeyError):
            if reduce(getattr, name.split("."), sys.modules[module]) is value:
                return f"{module}.{name} {package}"
    owner = getattr(value, "__self__", None)
    if type(value) in (BuiltinFunctionType, np.ufunc) and (owner is None or isinstance(owner, ModuleType | type)):
        with suppress(Exception):  # pickle finds it nowhere
            return repr(pickle.dumps(value, protocol=4))
    return None


@cache
def _package(module: str) -> str | None:
    """Name and version of the installed package that a module belongs to; None for the user's own modules."""
    top = module.partition(".")[0]
    if top == __package__.partition(".")[0]:
        return _OWN
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    place = Path((spec.origin if spec.has_location else None) or next(iter(spec.submodule_search_locations or ()), ""))
    if {"site-packages", "dist-packages"} & {*place.parts}:
        names = _distributions().get(top, ())
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names))) or None
    standard = not spec.has_location or any(place.is_relative_to(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    return "python" if standard and top in sys.stdlib_module_names else None


_distributions = cache(importlib.metadata.packages_distributions)  # reads every installed package


def _parts_of_function(function) -> list:
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        raise _Unknown(f"{function.__name__} reads a name that has no value yet") from None
    return [function.__code__, function.__defaults__, function.__kwdefaults__, cells, vars(function)]


def _parts_of_class(kind) -> list:
    entries = [(name, entry) for name, entry in vars(kind).items() if name not in _BOOKKEEPING]
    return [kind.__name__, kind.__bases__, *sorted(entries, key=itemgetter(0))]


def _all_in_dict(kind) -> bool:
    """Whether instances of a class hold all that they are in ``__dict__``: no slots, nothing in C."""
    if not kind.__dictoffset__:  # such as object, which Python 3.13 makes as large as an instance with a ``__dict__``
        return False
    return kind.__basicsize__ == _Unadorned.__basicsize__ and not any("__slots__" in vars(base) for base in kind.__mro__)


def _reads(function, seen) -> str:
    """What the global names in a function's code, and in the code inside it, stand for."""
    out = []
    for name, *attributes in dict.fromkeys(_names(function.__code__, function.__name__)):
        where = f"{function.__name__} reads {'.'.join((name, *attributes))},"
        if name not in function.__globals__:
            if name in _HIDDEN:
                raise _Unknown(f"{function.__name__} calls {name}")
            out.append(f"{name}: {'built in' if hasattr(builtins, name) else 'missing'}")
            continue
        value = function.__globals__[name]
        if (type(value), *attributes) in ((list, "append"), (list, "extend"), (set, "add")):
            continue  # a log, which is written and not read
        reached = reduce(lambda held, name: getattr(held, name, None) if type(held) is ModuleType else held, attributes, value)
        shared = isinstance(getattr(reached, "__self__", None), random.Random | np.random.RandomState)
        if shared or reached is os.environ or reached is os.getenv:
            raise _Unknown(f"{where} {'a generator that all share' if shared else 'the environment'}")
        while attributes and type(value) is ModuleType and not _package(value.__name__):
            value = getattr(value, attributes.pop(0), None)
        out.append(f"{name}: {_describe(value, seen, where)}")
    return "; ".join(out)


def _names(code: CodeType, function: str):
    """Global names with the attributes that are looked up in them, such as ("np", "linalg", "norm")."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    chain: tuple = ()
    for i, step in enumerate(steps):
        if chain and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, step.argval)
            continue
        if chain:
            yield chain
        chain = ()
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise _Unknown(f"{function}, which sets the global {step.argval}")
        level = steps[i - 2].argval if step.opname == "IMPORT_NAME" else None  # above 0 for a relative import
        if level or (level == 0 and not _package(step.argval)):
            raise _Unknown(f"{function}, which imports {step.argval or 'a module'} when it is called, not before")
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") and step.argval != "__name__":
            chain = (step.argval,)
    for part in code.co_consts:
        if type(part) is CodeType:
            yield from _names(part, function)
