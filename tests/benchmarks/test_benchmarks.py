"""Each benchmark runs to its end on a tiny model and writes what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("training.py", ["--rounds", "1"]),
        ("training.py", ["--rounds", "1", "--model", "rnn"]),
        ("decoding.py", ["--rounds", "1", "--batches", "2"]),
        ("memory.py", ["--task", "g2p_rnn", "--threads", "2", "--trim"]),
        ("decoding_profile.py", ["--cases", "beam4 b1", "--repeats", "1"]),
    ],
)
def test_quick_run(script, options, tmp_path):
    output = tmp_path / "measured.json"
    command = [sys.executable, str(BENCHMARKS / script), "--quick", "--json", str(output), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    measured = json.loads(output.read_text())
    assert measured["machine"]["processors"] >= 1
    if script == "decoding.py":
        for mode in measured["results"].values():
            assert mode["agreement"]["CTranslate2 float32"] == 1.0
            assert mode["agreement"]["ours, LiteRT float32"] == 1.0


@pytest.mark.slow
def test_requests_add_nothing_to_the_memory_of_a_server(tmp_path):
    output = tmp_path / "measured.json"
    command = [sys.executable, str(BENCHMARKS / "memory.py"), "--json", str(output)]
    # What oneDNN keeps for each shape is not ours.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    subprocess.run([*command, "--requests", "5000"], env=environment, check=True)
    results = json.loads(output.read_text())["results"]
    megabytes = {row["requests"]: row["megabytes"] for row in results}
    assert megabytes[5000] - megabytes[2000] < 3
