"""Training in several processes: `--workers`, `--restarts`, signals, exit statuses."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.numpy

RECIPE = """
task: seq2seq
model:
  {preset: transformer_tiny, width: 16, num_heads: 2, feed_forward_width: 24, dropout: 0.3,
   num_encoder_blocks: 1, num_decoder_blocks: 1, max_length: 16, attention_bias: false}
data: {train: pairs.tsv, valid: pairs.tsv, source: source, target: target}
tokenizer: {kind: characters}
train:
  {steps: 24, evaluate_every: 8, log_every: 4, batch_tokens: 64, buckets: 2, average_last: 1,
   learning_rate: {schedule: constant, peak: 0.01, warmup: 2}}
evaluate: {beam_size: 1, metrics: [exact_match]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recipe and its data: words and their reversal."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    words = ["abcdef"[i % 6] + "fedcba"[: 1 + i % 5] + "ab" * (i % 3) for i in range(60)]
    lines = ["source\ttarget", *(f"{word}\t{word[::-1]}" for word in words)]
    (folder / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def start(folder, out, *options):
    command = [sys.executable, "-m", "attention_zoo.cli", "train", "recipe.yaml", "--out", out]
    return subprocess.Popen([*command, *options], cwd=folder, stderr=subprocess.PIPE, text=True)


def children_of(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(path, encoding="ascii") as file:
        return [int(number) for number in file.read().split()]


def wait_for(path):
    deadline = time.monotonic() + 240
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.02)


def losses(run):
    rows = [json.loads(row) for row in (run / "logs" / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if row["kind"] == "train"}


def weights(run, step=24):
    return (run / "checkpoints" / f"step-{step:08d}" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(folder):
    """The run of two workers."""
    process = start(folder, "two", "--workers", "2")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    # One of the workers speaks.
    assert errors.count("step 24 of 24: loss") == errors.count("two: 24 steps in") == 1
    return folder / "two"


@pytest.mark.slow
def test_one_process_that_accumulates_two_parts_does_the_same(folder, uninterrupted):
    process = start(folder, "one", "--set", "train.accumulate=2", "--set", "train.steps_per_call=3")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    one = losses(folder / "one")
    assert one.keys() == losses(uninterrupted).keys()
    for step, loss in losses(uninterrupted).items():
        assert one[step] == pytest.approx(loss, rel=1e-5)
    one, two = (safetensors.numpy.load(weights(run)) for run in (folder / "one", uninterrupted))
    for name, array in two.items():
        assert one[name] == pytest.approx(array, abs=1e-4), name


@pytest.mark.parametrize("worker", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_dead_worker_ends_all_and_a_restart_resumes(worker, folder, uninterrupted):
    out = folder / f"killed-{worker}"
    process = start(folder, out.name, "--workers", "2", "--restarts", "1")
    wait_for(out / "checkpoints" / "step-00000008")
    os.kill(children_of(process)[worker], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"worker {worker} of 2 was killed by SIGKILL; starting again (1 of 1)" in errors
    assert losses(out) == losses(uninterrupted)
    assert weights(out) == weights(uninterrupted)


KILLS, SOAK_STEPS = 30, 1500
SOAK = [
    f"--set=train.steps={SOAK_STEPS}",
    "--set=train.evaluate_every=30",
    "--set=train.log_every=1",
]


def last_step(out):
    """The last step in the log, which a killed process may have left half-written."""
    path = out / "logs" / "metrics.jsonl"
    steps = re.findall(r'"step": (\d+)', path.read_text()) if path.exists() else []
    return int(steps[-1]) if steps else 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_soak_of_kills(workers, folder):
    options = (*SOAK, *(("--workers", "2") if workers == 2 else ()))
    process = start(folder, f"whole-{workers}", *options)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    rng = random.Random(1)
    targets = sorted(rng.sample(range(1, SOAK_STEPS - 10), KILLS))
    out = folder / f"soak-{workers}"
    process = start(folder, out.name, *options, "--restarts", str(KILLS + 5))
    killed = []
    while targets and process.poll() is None:
        children = children_of(process)
        if len(children) == workers and last_step(out) >= targets[0]:
            os.kill(rng.choice(children), signal.SIGKILL)
            killed.append((last_step(out), targets.pop(0)))
            while process.poll() is None and {*children} & {*children_of(process)}:
                time.sleep(0.01)
        time.sleep(0.002)
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    assert len(killed) == KILLS
    assert errors.count("was killed by SIGKILL; starting again") == KILLS
    print(f"killed at the steps {[step for step, _ in killed]}")
    # Most fell in the middle of the training, not at its start.
    assert sum(60 < step < SOAK_STEPS - 60 for step, _ in killed) >= 0.7 * KILLS
    assert losses(out) == losses(folder / f"whole-{workers}")
    ours, theirs = (weights(run, SOAK_STEPS) for run in (out, folder / f"whole-{workers}"))
    assert hashlib.sha256(ours).hexdigest() == hashlib.sha256(theirs).hexdigest()


def test_the_page_has_these_options():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "several-devices.md"
    commands = re.findall(r"^attention-zoo train .*", page.read_text("utf-8"), re.MULTILINE)
    options = [re.findall(r"--[a-z-]+", command) for command in commands]
    # `tests/cli/test_cli.py` runs the second one.
    assert options == [["--out", "--workers", "--restarts"], ["--out", "--set", "--cpu-devices"]]


def test_sigterm_saves_and_has_a_status_of_its_own(folder):
    out = folder / "stopped"
    process = start(
        folder, "stopped", "--workers", "2", "--restarts", "3", "--set", "train.steps=100000"
    )
    wait_for(out / "checkpoints" / "step-00000008")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    (step,) = re.findall(r"interrupted after step ([\d,]+); continue with --resume", errors)
    assert (out / "checkpoints" / f"step-{int(step.replace(',', '')):08d}").is_dir()
    assert "starting again" not in errors


def test_sigterm_during_the_start_is_not_a_failure(folder):
    process = start(folder, "early", "--restarts", "3")
    while not children_of(process):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    assert "starting again" not in errors


def test_a_mistake_is_reported_once_and_not_tried_again(folder):
    options = ["--workers", "2", "--restarts", "3", "--set", "data.train=nowhere.tsv"]
    process = start(folder, "mistake", *options)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.count("nowhere.tsv") == 1
    assert "starting again" not in errors


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (["--workers", "2", "--set", "train.strategy=mirrored"], {}, "--workers is for"),
        (
            ["--workers", "2"],
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}}'},
            "--workers is for one machine, but TF_CONFIG or Slurm describe workers",
        ),
        ([], {"TF_CONFIG": "{"}, "TF_CONFIG is not valid"),
        (["--set", "train.strategy=parameter_server"], {}, "parameter_server is not supported"),
        (["--set", "train.strategy=ModelParallel"], {}, "has no effect on the TensorFlow backend"),
    ],
)
def test_mistakes_are_found_before_tensorflow_is_loaded(options, environment, message, folder):
    code = "import sys; from attention_zoo.cli import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code, "train", "recipe.yaml", "--out", "x"]
    process = subprocess.run(
        [*command, *options],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert message in process.stderr
    assert not re.search(r"\| +tensorflow$", process.stderr, re.MULTILINE)
    assert not (folder / "x").exists()
