import contextlib
import errno
import hashlib
import os
import subprocess
import sys

import pytest

from attention_zoo.errors import ResultError, UserError
from attention_zoo.files import (
    atomic_directory,
    atomic_file,
    clear_leftovers,
    locked,
    new_directory,
    read_file,
    require_empty,
    sha256,
)

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.fixture
def old_file(tmp_path):
    path = tmp_path / "answer.txt"
    path.write_text("old")
    return path


@pytest.fixture
def old_directory(tmp_path):
    path = tmp_path / "answers"
    path.mkdir()
    (path / "old.txt").write_text("old")
    return path


def test_a_file_is_replaced(old_file, tmp_path):
    with atomic_file(old_file) as temporary:
        temporary.write_text("new")
        assert old_file.read_text() == "old"
        assert temporary.parent == tmp_path
    assert old_file.read_text() == "new"
    assert names(tmp_path) == ["answer.txt"]


def test_a_file_may_be_new_as_its_folders_may(tmp_path):
    with atomic_file(str(tmp_path / "a" / "b" / "answer.txt")) as temporary:
        temporary.write_bytes(b"new")
    assert names(tmp_path) == ["a", "answer.txt", "b"]


def test_a_directory_is_replaced_as_a_whole(old_directory, tmp_path):
    with atomic_directory(old_directory, "old.txt") as temporary:
        assert names(temporary) == []
        (temporary / "new.txt").write_text("new")
        assert names(old_directory) == ["old.txt"]
    assert names(tmp_path) == ["answers", "new.txt"]


def test_a_directory_may_be_new_as_its_folders_may(tmp_path):
    with atomic_directory(str(tmp_path / "a" / "b"), "new.txt") as temporary:
        (temporary / "new.txt").write_text("new")
    assert names(tmp_path) == ["a", "b", "new.txt"]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755


def write_half_a_file(path, error):
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise error


def write_half_a_directory(path, error):
    with atomic_directory(path, "old.txt") as temporary:
        (temporary / "new.txt").write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_was_there_stays_when_the_block_raises(error, old_file, old_directory, tmp_path):
    for write, path in [(write_half_a_file, old_file), (write_half_a_directory, old_directory)]:
        with pytest.raises(type(error)) as raised:
            write(path, error)
        assert raised.value is error
    assert names(tmp_path) == ["answer.txt", "answers", "old.txt"]
    assert old_file.read_text() == "old"


def test_what_was_there_stays_when_the_disk_is_full(old_file, old_directory, tmp_path):
    for write, path in [(write_half_a_file, old_file), (write_half_a_directory, old_directory)]:
        with pytest.raises(UserError, match=f"^cannot write {path}: No space left on device$"):
            write(path, FULL)
    assert names(tmp_path) == ["answer.txt", "answers", "old.txt"]
    assert old_file.read_text() == "old"


def write_to_full_device(path):
    with atomic_file(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("half")


def test_the_full_device_itself(old_file, tmp_path):
    with pytest.raises(UserError, match=f"^cannot write {old_file}: No space left on device$"):
        write_to_full_device(old_file)
    assert names(tmp_path) == ["answer.txt"]
    assert old_file.read_text() == "old"


LIMITED = """
import resource, sys
from pathlib import Path
from attention_zoo.errors import UserError
from attention_zoo.files import atomic_directory, atomic_file

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
folder = Path(sys.argv[1])
try:
    with atomic_file(folder / "answer.txt") as temporary:
        temporary.write_bytes(bytes(5000))
except UserError as error:
    print(error)
try:
    with atomic_directory(folder / "answers", "old.txt") as temporary:
        (temporary / "small.txt").write_bytes(bytes(500))
        (temporary / "large.txt").write_bytes(bytes(5000))
except UserError as error:
    print(error)
"""


@pytest.mark.usefixtures("old_file", "old_directory")
def test_a_real_limit_on_the_size_of_files(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines() == [
        f"cannot write {tmp_path}/answer.txt: File too large",
        f"cannot write {tmp_path}/answers: File too large",
    ]
    assert names(tmp_path) == ["answer.txt", "answers", "old.txt"]
    assert (tmp_path / "answer.txt").read_text() == "old"


def write_file(path):
    with atomic_file(path) as temporary:
        temporary.write_text("new")


def write_directory(path):
    with atomic_directory(path, "old.txt") as temporary:
        (temporary / "new.txt").write_text("new")


@pytest.mark.parametrize("write", [write_file, write_directory])
def test_a_file_in_place_of_a_folder_above(write, old_file, tmp_path):
    path = old_file / "below" / "answer.txt"
    with pytest.raises(UserError, match=f"^cannot write {path}: "):
        write(path)
    assert names(tmp_path) == ["answer.txt"]


def test_a_file_cannot_replace_a_directory(old_directory, tmp_path):
    with pytest.raises(UserError, match=f"^cannot write {old_directory}: Is a directory$"):
        write_file(old_directory)
    assert names(tmp_path) == ["answers", "old.txt"]


def test_a_directory_in_place_of_a_file_leaves_no_third(old_file, tmp_path):
    # Refused or replaced, but not both.
    with contextlib.suppress(UserError):
        write_directory(old_file)
    assert names(tmp_path) in (["answer.txt"], ["answer.txt", "new.txt"])


def test_a_directory_comes_back_when_it_cannot_be_replaced(old_directory, tmp_path, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if str(source).endswith(".tmp"):
            raise FULL
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=f"^cannot write {old_directory}: No space"):
        write_directory(old_directory)
    assert names(tmp_path) == ["answers", "old.txt"]


def test_empty_directories_are_accepted(tmp_path):
    require_empty(tmp_path, "hint")
    require_empty(tmp_path / "new", "hint")
    assert names(tmp_path) == []


def test_directories_with_something_in_them_are_refused(old_directory):
    with pytest.raises(UserError, match=f"^{old_directory} is not empty; give another$"):
        require_empty(old_directory, "give another")
    (old_directory / "old.txt").rename(old_directory / ".hidden")
    with pytest.raises(UserError, match="is not empty"):
        require_empty(str(old_directory), "give another")


def test_a_file_is_no_empty_directory(old_file):
    with pytest.raises(UserError, match=f"^{old_file} is a file, not a directory$"):
        require_empty(old_file, "hint")


def test_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
    path.write_bytes(bytes(1_000_000))
    assert sha256(str(path)) == hashlib.sha256(bytes(1_000_000)).hexdigest()


def test_a_link_to_a_directory_stays_one(old_directory, tmp_path):
    (tmp_path / "link").symlink_to(old_directory)
    write_directory(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["answers", "link", "new.txt"]


def test_a_link_to_a_file_is_replaced_and_the_file_stays(old_file, tmp_path):
    """A directory from a stranger may have links to anywhere."""
    (tmp_path / "link").symlink_to(old_file)
    write_file(tmp_path / "link")
    assert old_file.read_text() == "old"
    assert (tmp_path / "link").read_text() == "new"


def test_a_directory_of_something_else_is_not_replaced(old_directory, tmp_path):
    (tmp_path / "link").symlink_to(old_directory)
    (old_directory / "old.txt").rename(old_directory / "other.txt")
    for path in (old_directory, tmp_path / "link"):
        with pytest.raises(
            UserError, match=f"^cannot write {path}: it contains something else, with"
        ):
            write_directory(path)
    assert names(tmp_path) == ["answers", "link", "other.txt"]


def test_a_new_directory_is_locked_and_gone_if_nothing_was_written(tmp_path):
    with locked(tmp_path / "a" / "run"):
        assert (tmp_path / "a" / "run").is_dir()
        with (
            pytest.raises(UserError, match=f"^another process is writing to {tmp_path}/a/run: "),
            locked(tmp_path / "a" / "run"),
        ):
            raise AssertionError
    assert names(tmp_path) == ["a"]
    with locked(tmp_path / "run"):
        (tmp_path / "run" / "answer.txt").touch()
    with locked(tmp_path / "run"):
        pass
    assert names(tmp_path) == ["a", "answer.txt", "run"]


HOLDING = """
import sys, time
from attention_zoo.files import locked

with locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock(old_directory):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, old_directory], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another process"), locked(old_directory):
            pass
        process.kill()
    with locked(old_directory):
        pass
    assert names(old_directory) == ["old.txt"]


def test_where_nothing_can_be_locked_one_works_without(old_directory, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(old_directory):
        (old_directory / "new.txt").touch()
    assert names(old_directory) == ["new.txt", "old.txt"]


@pytest.mark.parametrize("path", ["/proc/run", "/dev/null", "/dev/null/run"])
def test_where_no_directory_can_be(path):
    with pytest.raises(UserError, match=f"^(cannot write )?{path}"), locked(path):
        pass


def fail_in_a_new_directory(path, error):
    with new_directory(path, "hint"):
        (path / "inner").mkdir()
        (path / "inner" / "half.txt").touch()
        (path / "link").symlink_to(path.parent)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("mine"), FULL])
def test_a_new_directory_is_empty_again_when_the_block_raises(error, old_file, tmp_path):
    (tmp_path / "mine").mkdir()
    for path in (tmp_path / "run", tmp_path / "mine"):
        message = f"^cannot write {path}: No space" if error is FULL else None
        with pytest.raises(UserError if error is FULL else type(error), match=message):
            fail_in_a_new_directory(path, error)
    assert names(tmp_path) == ["answer.txt", "mine"]
    assert old_file.exists()


def test_results_that_fail_stay_to_be_looked_at(tmp_path):
    with pytest.raises(ResultError):
        fail_in_a_new_directory(tmp_path / "run", ResultError("differs"))
    assert names(tmp_path / "run") == ["half.txt", "inner", "link"]


KILLED = """
import os, signal, sys
from pathlib import Path
from attention_zoo.files import atomic_directory, atomic_file

run, moment = Path(sys.argv[1]), sys.argv[2]
replace = os.replace

def die(source, target):
    if moment == "between" and str(target).endswith(".old"):
        replace(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

os.replace = die
if moment == "file":
    with atomic_file(run / "answer.txt") as temporary:
        temporary.touch()
with atomic_directory(run / "task", "old.txt") as temporary:
    (temporary / "new.txt").touch()
"""


@pytest.mark.parametrize("moment", ["file", "before", "between"])
def test_what_a_killed_process_leaves_is_cleared_away(moment, tmp_path):
    run = tmp_path / "run"
    (run / "task").mkdir(parents=True)
    (run / "task" / "old.txt").touch()
    subprocess.run([sys.executable, "-c", KILLED, run, moment], check=False)
    assert len(list(run.iterdir())) == 2
    clear_leftovers(tmp_path)
    assert names(tmp_path) == ["old.txt", "run", "task"]


def test_leftovers_alone_are_nothing(tmp_path):
    run = tmp_path / "run"
    (run / ".task.abcd1234.tmp").mkdir(parents=True)
    (run / ".recipe.yaml.123.tmp").touch()
    require_empty(run, "hint")
    with new_directory(run, "hint"):
        assert names(run) == []
    (run / ".task.tmp").touch()  # not one of ours
    with pytest.raises(UserError, match="is not empty"):
        require_empty(run, "hint")


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    os.symlink(secret, tmp_path / f".report.json.{os.getpid()}.tmp")
    with atomic_file(tmp_path / "report.json") as temporary:
        temporary.write_text("{}")
    assert secret.read_text() == "kept"
    assert (tmp_path / "report.json").read_text() == "{}"


def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "device")
    for name in ("pipe", "device", "."):
        with pytest.raises(UserError, match="is not a file but a directory, a device or a pipe"):
            read_file(tmp_path / name)
    with pytest.raises(UserError, match="none: No such file"):
        read_file(tmp_path / "none")
    with pytest.raises(UserError, match="null"):
        read_file("a\0b")
