"""One function over many configurations, on any executor, with progress and a cache that survives being killed."""

import hashlib
import io
import json
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import checks as check
from . import files
from .fingerprints import fingerprint


def sweep(function, configurations, *, executor: Executor | None = None, cache=None, progress: bool = True) -> list:
    """[function(**c) for c in configurations], in their order.

    Args:
        function: called with the entries of a configuration as keywords.  For a process pool or a cluster it must be
            importable there, that is, defined in a module.
        configurations: dicts of JSON values (numbers, strings, booleans, None, lists and dicts of these).
        executor: any ``concurrent.futures.Executor``: a thread pool, a process pool whose processes are spawned, or
            ``Client.get_executor()`` of Dask.  None runs here, one after the other.
        cache: a folder for results; each is written in one rename as soon as it is there.  A sweep that was killed goes on
            where it stopped.  Results are found again by the configuration and by what decides the function's results: its
            code, its defaults, the values, functions and classes that it reads, and the versions of installed packages.
            A function for which this cannot be known is refused: a method, closure or partial (what varies belongs into the
            configurations), or one that reads an open file, the environment or a random generator.  Not seen: files that it
            opens, and torch's own generator; take another folder after a change in them.  Results must be tensors, numbers,
            strings, None, and lists, tuples and dicts of these.
        progress: show a bar (environment variable TQDM_DISABLE=1 hides all bars).

    The first exception is raised after the running calls end; what was finished stays in the cache.
    """
    check.function("function", function)
    configurations = check.sequence("configurations", configurations)
    if executor is not None:
        _check_executor(executor)
    keys = [_text(configuration) for configuration in configurations]
    if len(set(keys)) < len(keys):
        twice = next(c for i, c in enumerate(configurations) if keys[i] in keys[:i])
        check.fail("configurations", f"{twice} twice", "different configurations")
    paths: list = [None] * len(keys)
    if cache is not None:
        known, folder = fingerprint(function), _folder(cache)
        function = partial(_checked, function, known)
        paths = [folder / f"{hashlib.sha256(f'{known} {key}'.encode()).hexdigest()[:24]}.pt" for key in keys]
    results: list = [_load(path) for path in paths]
    missing = [i for i, result in enumerate(results) if result is None]
    hidden = {} if progress else {"disable": True}  # disable=False would override the environment variable
    with tqdm(total=len(keys), initial=len(keys) - len(missing), **hidden) as bar:
        for i, value in run(function, configurations, missing, executor):
            if paths[i]:
                _save(paths[i], value)
            results[i] = (value,)
            bar.update()
    return [result[0] for result in results]


def run(function, configurations: list[dict], missing: list[int], executor: Executor | None):
    """Yield (index, result) of the configurations with these indices, as results come."""
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


def _checked(function, known: str, /, **configuration):
    """A result of the very function whose fingerprint is known: a worker may have imported it before it was changed."""
    if fingerprint(function) != known:
        check.fail("function", f"{function.__name__}, which is another one (code, defaults, or what it reads) where it runs",
                   "with a cache: the same function everywhere; start the executor anew after a change")
    result = function(**configuration)
    if fingerprint(function) != known:
        check.fail("function", f"{function.__name__}, which changes what it reads", "with a cache: a function that does not")
    return result


def _check_executor(executor) -> None:
    if not callable(getattr(executor, "submit", None)):
        check.fail("executor", type(executor).__name__, "a concurrent.futures.Executor, or None")
    context, threads = executor._mp_context if isinstance(executor, ProcessPoolExecutor) else None, torch.get_num_threads()
    if context and context.get_start_method() == "fork" and threads > 1:
        check.fail("executor", f"a process pool that forks a process with {threads} torch threads, which can hang for ever",
                   'ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")), or torch.set_num_threads(1) before')


def _folder(cache) -> Path:
    folder = files.folder("cache", cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        check.fail("cache", error, "a folder, or a path where one can be made")
    return folder


def _text(configuration) -> str:
    """A configuration as JSON; what JSON changes, such as a tuple or a number as a key, as Python too."""
    if not isinstance(configuration, dict) or not all(isinstance(name, str) for name in configuration):
        check.fail("configurations", repr(configuration), "dicts with the function's keywords")
    try:
        text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        check.fail("configurations", repr(configuration), "JSON values: finite numbers, strings, booleans, None, lists, dicts")
    return text if json.loads(text) == configuration else f"{text} {configuration!r}"


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
    try:
        files.write(path, buffer.getvalue())
    except OSError as error:
        warnings.warn(f"cache: results are not kept ({error.strerror}): give a folder that can be written", stacklevel=3)
