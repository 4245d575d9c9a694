"""Apache Beam, which needs an older protobuf, so that it is in a folder of its own."""

import filecmp
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest

import attention_zoo as az

BEAM = Path(sys.prefix) / "beam"
COMMAND = [sys.executable, "-m", "attention_zoo.cli"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The SavedModel of a small task, untrained."""
    keras.utils.set_random_seed(3)
    tokenizer = az.CharacterTokenizer("abcdefghijklmnopqrstuvwxyz ")
    model = az.Transformer.from_preset(
        "transformer_tiny",
        source_vocab_size=tokenizer.vocab_size,
        width=32,
        num_heads=2,
        num_encoder_blocks=1,
        num_decoder_blocks=1,
    )
    for variable in model.trainable_variables:  # so that answers differ
        variable.assign(variable * 3.0)
    task = az.Seq2Seq(model, tokenizer, max_target_length=8)
    task.metrics, task.examples = ("exact_match",), [("zoo", "zoo")] * 3
    out = tmp_path_factory.mktemp("beam") / "export"
    az.export(task, out, formats=["saved_model"])
    return str(out / "saved_model")


def run(*command):
    path = os.pathsep.join(filter(None, (str(BEAM), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert result.returncode == 0, result.stderr[-5000:]
    return result


def predict(source, file):
    return subprocess.run(
        [*COMMAND, "predict", source, "--input", str(file)], check=True, capture_output=True
    ).stdout


@pytest.mark.slow
def test_pipelines(source, tmp_path):
    assert BEAM.is_dir(), "make .venv/test installs Beam"
    run(sys.executable, str(Path(__file__).with_name("script.py")), source, str(tmp_path))
    for name in ("in-1.txt", "in-2.txt"):
        assert (tmp_path / "out" / name).read_bytes() == predict(source, tmp_path / name)


def test_without_beam(source, tmp_path):
    (tmp_path / "in.txt").write_text("zoo\n")
    options = ["--runner", "beam", "--input", str(tmp_path / "in.txt")]
    result = subprocess.run(
        [*COMMAND, "predict", source, *options, "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "pip install 'attention-zoo[beam]'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_hundred_thousand_lines_in_two_processes(source, tmp_path):
    """The same bytes as `predict` writes; prints both rates."""
    rng = random.Random(0)
    for part in range(4):
        words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 12))) for _ in range(25_000)]
        (tmp_path / f"in-{part}.txt").write_text("\n".join(words) + "\n")
    started = time.monotonic()
    options = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    inputs, out = str(tmp_path / "in-*.txt"), tmp_path / "out"
    given = ["--runner=beam", f"--input={inputs}", f"--output={out}", "--", *options]
    run(*COMMAND, "predict", source, *given)
    by_beam = time.monotonic() - started
    started = time.monotonic()
    for part in range(4):
        expected = tmp_path / f"expected-{part}.txt"
        expected.write_bytes(predict(source, tmp_path / f"in-{part}.txt"))
        assert filecmp.cmp(expected, out / f"in-{part}.txt", shallow=False)
    alone = time.monotonic() - started
    print(f"\n100,000 lines: {1e5 / by_beam:,.0f} lines/s by Beam, {1e5 / alone:,.0f} by predict")
