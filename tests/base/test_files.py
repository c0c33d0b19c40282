"""Folders that a user names, and files that are whole or not there."""

import errno
import os
import threading
from pathlib import Path

import pytest

from diffnotes.base import files


def test_a_folder_is_given_as_text_or_path_and_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.folder("cache", "~/results") == files.folder("cache", Path("~/results")) == tmp_path / "results"
    assert files.folder("cache", "some where") == Path("some where") and not list(tmp_path.iterdir())

    class Named(os.PathLike):
        def __fspath__(self):
            return "named"

    assert files.folder("cache", Named()) == Path("named")


@pytest.mark.parametrize("value", [3, None, b"bytes", ["a"], 1j], ids=repr)
def test_what_is_no_path_is_refused_by_name(value):
    with pytest.raises(ValueError, match=rf"^cache: got {type(value).__name__}; allowed: the path of a folder$"):
        files.folder("cache", value)


def test_a_home_that_is_not_known_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^folder: got '~nobody-of-this-name/x' \(.+\); allowed: a path that is known on this machine$"):
        files.folder("folder", "~nobody-of-this-name/x")


def test_a_file_is_written_with_its_folders_and_in_the_place_of_an_older_one(tmp_path):
    path = tmp_path / "a" / "b" / "name.pt"
    assert files.write(path, b"one") == path and path.read_bytes() == b"one"
    assert files.write(path, b"another") == path and path.read_bytes() == b"another"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")], ids=repr)
@pytest.mark.parametrize("where", ["write_bytes", "replace"])
def test_what_is_interrupted_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch, where, error):
    """Which bug this catches: half a file under the name that the next run reads, or a temporary one that stays."""
    path = files.write(tmp_path / "name", b"before")

    def interrupted(path, content):
        if where == "write_bytes":
            with path.open("wb") as file:
                file.write(content[:2])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, where, interrupted)
        with pytest.raises(type(error)):
            files.write(path, b"after")
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_the_first_error_is_told_where_nothing_was_written(tmp_path, monkeypatch):
    """Which bug this catches: the missing temporary file reported in the place of the disk that cannot be written."""
    def refuse(*_):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="read-only"):
        files.write(tmp_path / "name", b"x")


def test_a_folder_may_be_made_by_two_at_once(tmp_path):
    """Which bug this catches: the second of two runs that fails because the first has made the folder in between."""
    (tmp_path / "new").mkdir()
    assert files.write(tmp_path / "new" / "name", b"x").exists()


def test_writers_of_one_process_id_do_not_meet(tmp_path, monkeypatch):
    """In containers that share a folder, and in threads: each has its own temporary file, and the result is one of theirs."""
    seen, write, both = [], Path.write_bytes, threading.Barrier(2, timeout=30)

    def together(path, content):
        seen.append(path)
        both.wait()
        write(path, content)
        both.wait()

    monkeypatch.setattr(Path, "write_bytes", together)
    writers = [threading.Thread(target=files.write, args=(tmp_path / "name", content)) for content in (b"a" * 99, b"b" * 99)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(seen)) == 2 and {path.parent for path in seen} == {tmp_path}
    assert [path.name for path in tmp_path.iterdir()] == ["name"] and (tmp_path / "name").read_bytes() in (b"a" * 99, b"b" * 99)
