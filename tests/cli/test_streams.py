"""Output that is full, closed or no longer read, closed input, and Ctrl-C at any time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attention_zoo.version import __version__

COMMAND = str(Path(sys.executable).parent / "attention-zoo")


def shell(line):
    """Runs a line of bash, where ZOO is the command; returns the finished process."""
    return subprocess.run(
        ["bash", "-c", line.replace("ZOO", COMMAND)], capture_output=True, text=True, check=False
    )


def test_version():
    process = shell("ZOO --version")
    assert (process.returncode, process.stdout) == (0, f"attention-zoo {__version__}\n")


@pytest.mark.parametrize("arguments", ["--version", "--help", "list"])
def test_output_that_cannot_be_written_is_said(arguments):
    for target, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file desc")):
        process = shell(f"ZOO {arguments} {target}")
        assert process.returncode == 2
        assert process.stderr.startswith(f"attention-zoo: cannot write standard output: {reason}")
        assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["--help", "list"])
def test_output_that_nobody_reads_ends_in_silence(arguments):
    # The reader is gone before anything is written.
    process = shell(f"(sleep 0.5; ZOO {arguments}; echo $? >&2) | true")
    assert process.stderr == "0\n"


def test_messages_that_nobody_reads_are_dropped():
    process = shell("ZOO predict nowhere 2>&-")
    assert (process.returncode, process.stdout, process.stderr) == (2, "", "")
    process = shell("(sleep 0.5; ZOO predict nowhere; echo $?) 2> >(true)")
    assert process.stdout == "2\n"


def test_an_input_that_cannot_be_read(run):
    process = shell(f"ZOO predict {run} <&-")
    assert process.returncode == 2
    assert process.stderr == (
        "attention-zoo: the input cannot be read from line 1 on: Bad file descriptor\n"
    )


def test_a_folder_is_no_input(tmp_path):
    process = shell(f"ZOO predict g2p_rnn --input {tmp_path}")
    assert (process.returncode, process.stderr) == (
        2,
        f"attention-zoo: {tmp_path}: Is a directory\n",
    )


def test_predict_stops_with_its_reader(run):
    process = shell(f"yes ab | head -2000 | ZOO predict {run} --batch 1 | head -1; "
                    "echo ${PIPESTATUS[2]}")  # fmt: skip
    assert len(process.stdout.splitlines()) == 2
    assert process.stdout.endswith("\n0\n")
    assert process.stderr == ""


@pytest.mark.parametrize("module", ["tensorflow", "typer"])
def test_ctrl_c_while_modules_are_imported(module, tmp_path):
    """A module in front of the real one that says when it is being imported."""
    (tmp_path / f"{module}.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "try:\n    time.sleep(60)\nexcept BaseException as error:\n"
        "    raise ImportError('not what it was') from error\n"
        if module == "tensorflow"
        else "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [COMMAND, "predict", "g2p_rnn"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert (process.returncode, messages) == (130, "attention-zoo: interrupted\n")


@pytest.mark.parametrize("seeds", ["-1", "1,x", "1,1", "4294967296", "", "1,"])
def test_seeds_are_different_numbers(seeds, tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "model: {preset: transformer_tiny}\ndata: {train: t.tsv, source: 1, target: 2}\n"
    )
    process = shell(f"ZOO train {tmp_path}/recipe.yaml --out {tmp_path}/run --seeds '{seeds}'")
    assert process.returncode == 2
    wanted = "--seeds needs different numbers from 0 to 2147483647, separated by commas"
    assert f"{wanted}, received '{seeds}'" in process.stderr
