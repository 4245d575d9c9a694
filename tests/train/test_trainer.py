"""The loop: checkpoints, exact resume, averaging, early stopping, interruption, NaN."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from reference.sweeps import quick_and_slow

from attention_zoo.errors import ResultError, UserError
from attention_zoo.tasks.seq2seq.settings import Seq2SeqRecipe
from attention_zoo.train import checkpoints
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
    values = Seq2SeqRecipe.train_settings(**{**SETTINGS, **settings})
    return Trainer(task, values, pairs, valid, out, ["exact_match", "chrf"])


def _weights(task):
    return np.concatenate([v.numpy().ravel() for v in task.model.trainable_variables])


def _rows(out):
    return [json.loads(row) for row in (out / "logs" / "metrics.jsonl").read_text().splitlines()]


def _losses(out):
    return {row["step"]: row["loss"] for row in _rows(out) if row["kind"] == "train"}


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


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("transformer", {}),
        pytest.param("rnn", {}, marks=pytest.mark.slow),
        pytest.param("transformer", {"optimizer": "lion", "accumulate": 3}, marks=pytest.mark.slow),
        pytest.param(
            "transformer",
            {"optimizer": "adafactor", "steps_per_call": 3, "ema": 0.9},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_resume_is_exact(family, more, make_task, pairs, tmp_path):
    """Losses and weights of a resumed run equal those of a run without a break, to the bit."""
    make_task = functools.partial(make_task, family=family)
    more = {"average_last": 1, **more}
    whole = make_task(dropout=0.3)
    _trainer(whole, pairs, tmp_path / "whole", **more).run()
    first = make_task(dropout=0.3)
    # The schedule is constant, so a shorter run takes the same steps.
    _trainer(first, pairs, tmp_path / "broken", **more, steps=8).run()
    second = make_task(dropout=0.3, seed=99)
    trainer = _trainer(second, pairs, tmp_path / "broken", **more)
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
    assert figures["signal"] == number
    assert 3 <= figures["steps"] < 100_000
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [figures["steps"]]
    assert type(task).load(tmp_path / "task")(["ab"])


def test_a_killed_run_resumes(make_task, pairs, tmp_path):
    """SIGKILL at any moment leaves whole checkpoints only."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from attention_zoo.tasks.seq2seq.task import Seq2Seq\n"
        "from attention_zoo.tasks.seq2seq.settings import Seq2SeqRecipe\n"
        "from attention_zoo.train.trainer import Trainer\n"
        "task = Seq2Seq.load(sys.argv[1])\n"
        "settings = Seq2SeqRecipe.train_settings(batch_tokens=64, steps=10**6, evaluate_every=1)\n"
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
    several = trainer._train_step.several

    def broken(batches, step):
        if step == 6:
            variable = task.model.trainable_variables[0]
            variable.assign(variable * float("nan"))
        return several(batches, step)

    trainer._train_step.several = broken
    with pytest.raises(
        ResultError, match=r"at step 7; the checkpoint of step 4 is valid.*learning_rate"
    ):
        trainer.run()
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [4]
    assert np.isfinite(_weights(type(task).load(tmp_path / "task"))).all()


def _evaluating(trainer, *rows):
    """Replaces what a trainer's evaluations say: loss, exact match and chrF, one after another."""
    names = ("loss", "exact_match", "chrf")
    figures = [dict(zip(names, row, strict=True)) for row in rows]
    trainer._evaluate = lambda: figures.pop(0) if len(figures) > 1 else figures[0]
    return trainer


def test_early_stopping(make_task, pairs, tmp_path):
    trainer = _evaluating(_trainer(make_task(), pairs, tmp_path, steps=1000, patience=2), (1, 0, 0))
    assert trainer.run()["steps"] == 12
    # Where nothing tells them apart the later one is kept.
    assert trainer.state["best_step"] == 12


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        # The first metric is 0 for hours; the next one, then the loss, tell what is better.
        ([(3.5, 0, 0), (2.5, 0, 0), (1.5, 0, 0)], 12),
        ([(3.5, 0, 0), (1.5, 0, 0), (2.5, 0, 0)], 8),
        ([(3.5, 0, 2), (1.5, 0, 3), (1.2, 0, 1)], 8),
        ([(3.5, 9, 0), (1.5, 0, 3), (1.2, 0, 4)], 4),
        ([(float("nan"), 0, 0), (2.5, 0, 0), (float("nan"), 0, 0)], 8),
    ],
)
def test_ties_are_broken_by_the_next_metric_and_the_loss(rows, best, make_task, pairs, tmp_path):
    task = make_task()
    # The mean of the last checkpoints is evaluated after them, and is worse.
    trainer = _evaluating(_trainer(task, pairs, tmp_path, patience=2), *rows, (9.9, 0, 0))
    assert trainer.run()["weights"] == f"step {best}"
    one = make_task()
    checkpoints.load_weights(tmp_path / "checkpoints", best, one.model)
    np.testing.assert_array_equal(_weights(task), _weights(one))
    np.testing.assert_array_equal(_weights(type(task).load(tmp_path / "task")), _weights(one))


def test_patience_goes_on_while_the_loss_falls(make_task, pairs, tmp_path):
    rows = [(4 - 0.1 * i, 0, 0) for i in range(6)]
    trainer = _trainer(make_task(), pairs, tmp_path, steps=24, patience=2)
    assert _evaluating(trainer, *rows, (9.9, 0, 0)).run()["steps"] == 24


def test_a_mean_wins_by_the_loss_where_the_metric_is_tied(make_task, pairs, tmp_path):
    rows = [(3.5, 0, 0), (2.5, 0, 0), (1.5, 0, 0), (1.4, 0, 0)]
    figures = _evaluating(_trainer(make_task(), pairs, tmp_path), *rows).run()
    assert figures["weights"] == "mean of the checkpoints 8, 12"
    assert figures["valid"]["loss"] == 1.4


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
    trainer = _trainer(make_task(), pairs, tmp_path, steps=20)
    _evaluating(trainer, (1, 5, 0), (1, 0, 0)).run()
    # What people put beside them is not ours.
    (tmp_path / "checkpoints" / "step-backup").mkdir()
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [4, 16, 20]


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_lost_best_checkpoint_costs_nothing(is_missing, make_task, pairs, tmp_path):
    """The task holds the same weights."""
    _evaluating(_trainer(make_task(), pairs, tmp_path), (1, 5, 0), (1, 0, 0)).run()
    best = checkpoints.checkpoint_path(tmp_path / "checkpoints", 4)
    one, task = make_task(), make_task(seed=8)
    checkpoints.load_weights(best.parent, 4, one.model)
    if is_missing:
        shutil.rmtree(best)
    else:
        (best / "model.safetensors").write_bytes(b"damaged")
    trainer = _evaluating(_trainer(task, pairs, tmp_path, steps=16), (1, 0, 0))
    trainer.resume()
    assert trainer.run()["weights"] == "step 4"
    np.testing.assert_array_equal(_weights(task), _weights(one))


def test_a_damaged_checkpoint_is_in_no_mean(make_task, pairs, tmp_path):
    _trainer(make_task(), pairs, tmp_path, steps=8).run()
    folder = tmp_path / "checkpoints"
    (checkpoints.checkpoint_path(folder, 4) / "state.json").write_text("{}")
    trainer = _trainer(make_task(), pairs, tmp_path, steps=9, average_last=3, valid=False)
    trainer.resume()
    assert trainer.run()["weights"] == "step 9"


def test_steps_are_saved_before_they_are_evaluated(make_task, pairs, tmp_path):
    """A metric that fails costs no steps, and the evaluation is made good for."""
    trainer = _trainer(make_task(), pairs, tmp_path)

    def fail():
        raise UserError("no such thing")

    trainer._evaluate = fail
    with pytest.raises(UserError, match="no such thing"):
        trainer.run()
    assert checkpoints.list_steps(tmp_path / "checkpoints") == [4]
    again = _evaluating(_trainer(make_task(), pairs, tmp_path), (1, 7, 0), (1, 0, 0))
    again.resume()
    figures = again.run()
    assert (figures["steps"], figures["weights"]) == (12, "step 4")
    rows = _rows(tmp_path)
    assert [row["step"] for row in rows if row["kind"] == "valid"] == [4, 8, 12]


def test_a_run_that_was_killed_leaves_no_doubled_rows(make_task, pairs, tmp_path):
    _trainer(make_task(), pairs, tmp_path, steps=8).run()
    log = tmp_path / "logs" / "metrics.jsonl"
    with open(log, "a", encoding="utf-8") as file:
        # What a run writes after its last checkpoint, the last row in part.
        file.write('{"step": 10, "kind": "train", "loss": 1.0}\n{"step": 12, "ki')
    trainer = _trainer(make_task(), pairs, tmp_path)
    trainer.resume()
    trainer.run()
    assert [row["step"] for row in _rows(tmp_path) if row["kind"] == "train"] == [
        2,
        4,
        6,
        8,
        10,
        12,
    ]
    assert [row["step"] for row in _rows(tmp_path) if row["kind"] == "valid"] == [4, 8, 12]


def test_the_rate_in_the_log_is_that_of_the_step(make_task, pairs, tmp_path):
    _trainer(make_task(), pairs, tmp_path, log_every=1, steps=4, valid=False).run()
    rates = [row["learning_rate"] for row in _rows(tmp_path)]
    np.testing.assert_allclose(rates, [0.005, 0.01, 0.01, 0.01], rtol=1e-6)


def test_a_changed_state_is_noticed(make_task, pairs, tmp_path):
    _trainer(make_task(), pairs, tmp_path, steps=4).run()
    file = checkpoints.checkpoint_path(tmp_path / "checkpoints", 4) / "state.json"
    whole = file.read_text()
    for old, new in [
        ('"step": 4', '"step": 5'),
        ('"sha256"', '"sha25"'),
        ('"seconds"', '"secondt"'),
    ]:
        assert old in whole
        file.write_text(whole.replace(old, new))
        with pytest.raises(UserError, match=r"no checkpoint is whole: .*state.json is damaged"):
            _trainer(make_task(), pairs, tmp_path).resume()


def test_states_of_earlier_versions_are_read(make_task, pairs, tmp_path):
    _trainer(make_task(), pairs, tmp_path, steps=4).run()
    file = checkpoints.checkpoint_path(tmp_path / "checkpoints", 4) / "state.json"
    state = json.loads(file.read_text())
    kept = ("step", "seconds", "tokens", "best_step", "evaluations_since_best", "files")
    old = {name: state[name] for name in kept} | {"best_value": 200.0}
    file.write_text(json.dumps(old))
    trainer = _trainer(make_task(), pairs, tmp_path)
    trainer.resume()
    assert trainer.run()["weights"] == "step 4"


def test_a_run_goes_on_with_what_it_was_trained_on_alone(make_task, pairs, tmp_path):
    task, settings = make_task(), Seq2SeqRecipe.train_settings(**{**SETTINGS, "steps": 4})
    arguments = (task, settings, pairs, [], tmp_path, ["chrf"])
    Trainer(*arguments, read={"data.train": "a", "data.valid": "b"}).run()
    Trainer(*arguments, read={"data.train": "a", "data.valid": "b"}).resume()
    with pytest.raises(UserError, match=r"trained on something else: data.valid changed since"):
        Trainer(*arguments, read={"data.train": "a", "data.valid": "c"}).resume()


@pytest.mark.parametrize(
    "name",
    quick_and_slow(
        ["model.safetensors", "optimizer.safetensors", "state.json"], ["optimizer.safetensors"]
    ),
)
def test_a_damaged_checkpoint_is_named(make_task, pairs, tmp_path, name):
    _trainer(make_task(), pairs, tmp_path, steps=4).run()
    file = checkpoints.checkpoint_path(tmp_path / "checkpoints", 4) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"no checkpoint is whole: .*step-00000004.* is damaged"):
        _trainer(make_task(), pairs, tmp_path).resume()


def test_a_damaged_newest_checkpoint_is_skipped(make_task, pairs, tmp_path):
    """The resumed run is that without damage, to the bit."""
    _trainer(make_task(), pairs, tmp_path / "whole", average_last=1).run()
    run = tmp_path / "damaged"
    _trainer(make_task(), pairs, run, average_last=1, steps=8).run()
    file = checkpoints.checkpoint_path(run / "checkpoints", 8) / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    messages = []
    trainer = _trainer(make_task(), pairs, run, average_last=1)
    trainer.resume(messages.append)
    (message,) = messages
    assert "step-00000008/optimizer.safetensors is damaged: its SHA-256 differs" in message
    assert trainer.state["step"] == 4
    trainer.run()
    names = [path.name for path in (run / "checkpoints").iterdir()]
    assert "step-00000008.damaged" in names
    for name in ("model.safetensors", "optimizer.safetensors"):
        whole, resumed = (
            checkpoints.checkpoint_path(tmp_path / folder / "checkpoints", 12) / name
            for folder in ("whole", "damaged")
        )
        assert whole.read_bytes() == resumed.read_bytes()


def test_a_full_disk_keeps_the_last_checkpoint(make_task, pairs, tmp_path, monkeypatch):
    task = make_task()
    trainer = _trainer(task, pairs, tmp_path)
    write = checkpoints.write_arrays

    def full(arrays, path):
        if "step-00000008" in str(path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(arrays, path)

    monkeypatch.setattr(checkpoints, "write_arrays", full)
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
    with pytest.raises(UserError, match=r'unknown key "step"; did you mean "steps"'):
        task.fit(pairs, step=3)
