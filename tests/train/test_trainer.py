"""The loop: checkpoints, exact resume, averaging, early stopping, interruption, NaN."""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from attention_zoo.errors import ResultError, UserError
from attention_zoo.train import checkpoints
from attention_zoo.train.recipe import TrainSettings
from attention_zoo.train.trainer import Trainer

SETTINGS = {
    "batch_tokens": 64,
    "buckets": 2,
    "steps": 12,
    "evaluate_every": 4,
    "log_every": 2,
    "average_last": 2,
    "learning_rate": {"schedule": "constant", "peak": 0.01, "warmup": 2},
}


def _trainer(task, pairs, out, **settings):
    valid = pairs[:8] if settings.pop("valid", True) else []
    values = TrainSettings(**{**SETTINGS, **settings})
    return Trainer(task, values, pairs, valid, out, ["exact_match", "chrf"])


def _weights(task):
    return np.concatenate([v.numpy().ravel() for v in task.model.trainable_variables])


def _losses(out):
    rows = map(json.loads, (out / "logs" / "metrics.jsonl").read_text().splitlines())
    return {row["step"]: row["loss"] for row in rows if row["kind"] == "train"}


def test_it_learns_and_leaves_a_task(make_task, pairs, tmp_path):
    task = make_task()
    figures = _trainer(task, pairs, tmp_path, steps=150, evaluate_every=50).run()
    losses = _losses(tmp_path)
    assert losses[150] < 0.5 * losses[2]
    assert figures["steps"] == 150
    reloaded = type(task).load(tmp_path / "task")
    np.testing.assert_array_equal(_weights(reloaded), _weights(task))
    assert reloaded.examples == pairs[:8]
    assert reloaded.metrics == ("exact_match", "chrf")
    words = [word for word, _ in pairs[:8]]
    assert reloaded(words) == task(words)
    assert list((tmp_path / "logs").glob("events.out.tfevents.*"))


@pytest.mark.parametrize("family", ["transformer", "rnn"])
def test_resume_is_exact(family, make_task, pairs, tmp_path):
    """Losses and weights of a resumed run equal those of a run without a break, to the bit."""
    make_task = functools.partial(make_task, family=family)
    whole = make_task(dropout=0.3)
    _trainer(whole, pairs, tmp_path / "whole", average_last=1).run()
    first = make_task(dropout=0.3)
    # The schedule is constant, so a shorter run takes the same steps.
    _trainer(first, pairs, tmp_path / "broken", average_last=1, steps=8).run()
    second = make_task(dropout=0.3, seed=99)
    trainer = _trainer(second, pairs, tmp_path / "broken", average_last=1)
    trainer.resume()
    assert trainer.state["step"] == 8
    trainer.run()
    assert _losses(tmp_path / "whole") == _losses(tmp_path / "broken")
    last = [
        checkpoints.checkpoint_path(tmp_path / run / "checkpoints", 12)
        for run in ("whole", "broken")
    ]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (last[0] / name).read_bytes() == (last[1] / name).read_bytes()


def test_scheduled_sampling_starts_as_teacher_forcing_and_is_reproducible(
    make_task, pairs, tmp_path
):
    losses = []
    for name, share in (("none", 0.0), ("half", 0.5), ("again", 0.5)):
        settings = {"scheduled_sampling": share, "log_every": 1, "steps": 6}
        _trainer(make_task(), pairs, tmp_path / name, **settings).run()
        losses.append(_losses(tmp_path / name))
    none, half, again = losses
    assert half == again
    assert half[1] == none[1]
    assert half[6] != none[6]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_usable_run(make_task, pairs, tmp_path, number):
    task = make_task()
    trainer = _trainer(task, pairs, tmp_path, steps=100_000, evaluate_every=50_000)

    def interrupt():
        while trainer.state["step"] < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    figures = trainer.run()
    assert figures["interrupted"]
    assert 3 <= figures["steps"] < 100_000
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [figures["steps"]]
    assert type(task).load(tmp_path / "task")(["ab"])


def test_a_killed_run_resumes(make_task, pairs, tmp_path):
    """SIGKILL at any moment leaves whole checkpoints only."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from attention_zoo.tasks.seq2seq import Seq2Seq\n"
        "from attention_zoo.train.recipe import TrainSettings\n"
        "from attention_zoo.train.trainer import Trainer\n"
        "task = Seq2Seq.load(sys.argv[1])\n"
        "settings = TrainSettings(batch_tokens=64, steps=10**6, evaluate_every=1)\n"
        "Trainer(task, settings, list(task.examples), [], sys.argv[2], ['chrf']).run()\n"
    )
    task = make_task()
    task.examples = pairs
    task.save(tmp_path / "start")
    arguments = [sys.executable, "-c", script, str(tmp_path / "start"), str(tmp_path / "run")]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    folder = tmp_path / "run" / "checkpoints"
    deadline = time.monotonic() + 120
    while len(checkpoints.list_steps(folder)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    steps = checkpoints.list_steps(folder)
    trainer = _trainer(make_task(), pairs, tmp_path / "run", steps=steps[-1] + 2, valid=False)
    trainer.resume()
    assert trainer.state["step"] == steps[-1]
    assert trainer.run()["steps"] == steps[-1] + 2


def test_a_loss_that_is_not_finite_stops_the_run(make_task, pairs, tmp_path):
    task = make_task()
    trainer = _trainer(task, pairs, tmp_path, steps=50)
    taken = trainer._train_step

    def broken(batch, step):
        if step == 6:
            variable = task.model.trainable_variables[0]
            variable.assign(variable * float("nan"))
        return taken(batch, step)

    trainer._train_step = broken
    with pytest.raises(
        ResultError, match=r"at step 7; the checkpoint of step 4 is good.*learning_rate"
    ):
        trainer.run()
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [4]
    assert np.isfinite(_weights(type(task).load(tmp_path / "task"))).all()


def test_early_stopping(make_task, pairs, tmp_path):
    trainer = _trainer(
        make_task(),
        pairs,
        tmp_path,
        steps=1000,
        patience=2,
        learning_rate={"schedule": "constant", "peak": 1e-12},
    )
    # Nothing is learned, so the first evaluation stays the best.
    assert trainer.run()["steps"] == 12
    assert trainer.state["best_step"] == 4


def test_a_budget_of_minutes(make_task, pairs, tmp_path):
    figures = _trainer(make_task(), pairs, tmp_path, steps=10**6, minutes=1e-6).run()
    assert figures["steps"] == 2  # the first report is due after two steps


def test_average_is_the_mean_of_the_last_checkpoints(make_task, pairs, tmp_path):
    task = make_task()
    figures = _trainer(task, pairs, tmp_path, average_last=3, valid=False).run()
    assert figures["weights"] == "mean of the checkpoints 4, 8, 12"
    singles = []
    for step in (4, 8, 12):
        one = make_task()
        checkpoints.load_weights(tmp_path / "checkpoints", step, one.model)
        singles.append(_weights(one))
    np.testing.assert_allclose(_weights(task), np.mean(singles, axis=0), atol=1e-7)


def test_old_checkpoints_go_and_the_best_stays(make_task, pairs, tmp_path):
    trainer = _trainer(
        make_task(),
        pairs,
        tmp_path,
        steps=20,
        learning_rate={"schedule": "constant", "peak": 1e-12},
    )
    trainer.run()
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [4, 16, 20]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named(make_task, pairs, tmp_path, name):
    _trainer(make_task(), pairs, tmp_path, steps=4).run()
    file = checkpoints.checkpoint_path(tmp_path / "checkpoints", 4) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"step-00000004.* is damaged.*--resume"):
        _trainer(make_task(), pairs, tmp_path).resume()


def test_a_full_disk_keeps_the_last_checkpoint(make_task, pairs, tmp_path, monkeypatch):
    task = make_task()
    trainer = _trainer(task, pairs, tmp_path)
    write = checkpoints.write_weights

    def full(model, path):
        if trainer.state["step"] == 8:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(model, path)

    monkeypatch.setattr(checkpoints, "write_weights", full)
    with pytest.raises(UserError, match=r"cannot write .*step-00000008: No space left on device"):
        trainer.run()
    folder = tmp_path / "checkpoints"
    assert [path.name for path in folder.iterdir()] == ["step-00000004"]
    again = _trainer(make_task(), pairs, tmp_path)
    again.resume()
    assert again.state["step"] == 4


def test_fit_takes_examples_or_files(make_task, pairs, tmp_path):
    task = make_task()
    lines = ["source\ttarget", *("\t".join(pair) for pair in pairs)]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    options = {"steps": 2, "batch_tokens": 64, "metrics": ["chrf"]}
    from_file = task.fit(str(tmp_path / "pairs.tsv"), **options)
    from_list = task.fit(pairs, pairs[:3], **options)
    assert from_file["steps"] == from_list["steps"] == 2
    assert set(from_list["valid"]) == {"loss", "chrf"}
    with pytest.raises(UserError, match=r'no setting \'step\'; did you mean "steps"'):
        task.fit(pairs, step=3)
