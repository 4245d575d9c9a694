"""Each benchmark runs to its end on a tiny model and writes what it measured."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "needs"),
    [
        ("training.py", ["--rounds", "1"], "keras_hub"),
        ("training.py", ["--rounds", "1", "--model", "rnn"], "keras_hub"),
        ("decoding.py", ["--rounds", "1", "--batches", "2"], "ctranslate2"),
        ("decoding_profile.py", ["--cases", "beam4 b1", "--repeats", "1"], None),
    ],
)
def test_quick_run(script, options, needs, tmp_path):
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
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
