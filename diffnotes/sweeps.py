"""One function over many configurations, on any executor, with progress and a cache that survives being killed."""

import hashlib
import inspect
import io
import json
import os
from concurrent.futures import Executor, as_completed
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import _checks as check


def sweep(function, configurations, *, executor: Executor | None = None, cache=None, progress: bool = True) -> list:
    """[function(**c) for c in configurations], in their order.

    Args:
        function: called with the entries of a configuration as keywords.  For a process pool or a cluster it must be
            importable there, that is, defined in a module.
        configurations: dicts of JSON values (numbers, strings, booleans, None, lists and dicts of these).
        executor: any ``concurrent.futures.Executor``: a thread or process pool, or ``Client.get_executor()`` of Dask.
            None runs here, one after the other.
        cache: a folder for results; each is written in one rename as soon as it is there.  A sweep that was killed goes on
            where it stopped.  Results are found again by the function's source and the configuration: after a change in
            what the function *calls*, take another folder.  The function must then be a plain one (no method, closure or
            partial: what varies belongs into the configurations), and results tensors, numbers, strings, None, and lists,
            tuples and dicts of these.
        progress: show a bar (environment variable TQDM_DISABLE=1 hides all bars).

    The first exception is raised after the running calls end; what was finished stays in the cache.
    """
    check.function("function", function)
    configurations = check.sequence("configurations", configurations)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        check.fail("executor", type(executor).__name__, "a concurrent.futures.Executor, or None")
    if cache is not None and not isinstance(cache, (str, os.PathLike)):
        check.fail("cache", type(cache).__name__, "the path of a folder, or None")
    if cache is not None and (not inspect.isfunction(function) or function.__closure__):
        check.fail("function", type(function).__name__, "with a cache: a function that is no method, closure or partial")
    keys = [_key(function, c) for c in configurations]
    if len(set(keys)) < len(keys):
        twice = next(c for i, c in enumerate(configurations) if keys[i] in keys[:i])
        check.fail("configurations", f"{twice} twice", "different configurations")
    paths: list = [None] * len(keys) if cache is None else [Path(cache) / f"{key}.pt" for key in keys]
    results: list = [_load(path) for path in paths]
    missing = [i for i, result in enumerate(results) if result is None]
    hidden = {} if progress else {"disable": True}  # disable=False would override the environment variable
    with tqdm(total=len(keys), initial=len(keys) - len(missing), **hidden) as bar:
        for i, value in _run(function, configurations, missing, executor):
            if paths[i]:
                _save(paths[i], value)
            results[i] = (value,)
            bar.update()
    return [result[0] for result in results]


def _run(function, configurations, missing, executor):
    """Yield (index, result) as results come."""
    if executor is None:
        for i in missing:
            yield i, function(**configurations[i])
        return
    futures = {executor.submit(function, **configurations[i]): i for i in missing}
    left = set(futures)
    try:
        for future in as_completed(futures):
            left.discard(future)
            try:
                value = future.result()
            except Exception:  # what waits is given up; what runs may end, and is kept
                for running in as_completed([other for other in left if not other.cancel()]):
                    if running.exception() is None:
                        yield futures[running], running.result()
                raise
            yield futures[future], value
    finally:
        for future in futures:
            future.cancel()


def _key(function, configuration) -> str:
    if not isinstance(configuration, dict) or not all(isinstance(name, str) for name in configuration):
        check.fail("configurations", repr(configuration), "dicts with the function's keywords")
    try:
        text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        check.fail("configurations", repr(configuration), "JSON values: finite numbers, strings, booleans, None, lists, dicts")
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # built in, or a callable object
        source = getattr(function, "__qualname__", type(function).__qualname__)
    return hashlib.sha256(f"{source}\n{text}".encode()).hexdigest()[:24]


def _load(path: Path | None) -> tuple | None:
    """(result,), or None where there is none or the file is damaged; a damaged one is computed again."""
    if path is None or not path.exists():
        return None
    try:
        return (torch.load(path, weights_only=True, map_location="cpu"),)
    except Exception:
        return None


def _own(value):
    """The value with tensors that own their memory (a view is saved with all that it looks at), and Python's numbers."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(_own, value))
    return {key: _own(entry) for key, entry in value.items()} if type(value) is dict else value


def _save(path: Path, value) -> None:
    buffer = io.BytesIO()
    torch.save(_own(value), buffer)
    buffer.seek(0)
    try:
        torch.load(buffer, weights_only=True)
    except Exception:
        check.fail("function", f"a result of type {type(value).__name__}",
                   "with a cache: tensors, numbers, strings, None, and lists, tuples and dicts of these")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)
