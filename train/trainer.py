"""The training loop: steps, evaluations, checkpoints; resuming is exact to the bit."""

import contextlib
import copy
import itertools
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.text.batching import TokenBatches
from attention_zoo.text.prepared import PreparedExamples
from attention_zoo.train import checkpoints
from attention_zoo.train.background import BackgroundWriter
from attention_zoo.train.evaluation import answer_and_score
from attention_zoo.train.figures import TrainingFigures
from attention_zoo.train.loss_scale import LossScale
from attention_zoo.train.metrics import check_metrics
from attention_zoo.train.moving_average import MovingAverage
from attention_zoo.train.optimizer import make_optimizer
from attention_zoo.train.prefetch import Prefetched
from attention_zoo.train.progress import Progress, shown
from attention_zoo.train.ranking import rank
from attention_zoo.train.schedules import make_schedule
from attention_zoo.train.signals import StopSignals
from attention_zoo.train.step import make_step
from attention_zoo.train.workers import Workers
from attention_zoo.zoo.weights import WEIGHTS_FILE, copy_weights, read_weights

TASK_FOLDER = "task"

# Without validation data, the task keeps this many training examples.
EXAMPLES_KEPT = 100

# Batches that are ready, in calls of the device.
_CALLS_AHEAD = 4

# Sample answers in TensorBoard.
_SAMPLES = 4


class Trainer:
    """Trains a task and keeps the best weights, in the task and in `out/task`.

    The first metric on the validation data decides which weights are best; ties are broken by
    the next metrics, then the loss, then the later step. Without validation data the last
    weights are kept. After the last step the mean of the last checkpoints is evaluated too, and
    is kept if it is at least as good.

    With several workers each runs a trainer on the same examples. The chief, worker 0,
    evaluates, decides and writes; all of them read `out`.

    Args:
        task: the task; its model was created in the strategy's scope.
        settings: `TrainSettings`.
        train: training examples, tuples of strings; or `PreparedExamples`.
        valid: validation examples, or an empty list.
        out: the run directory.
        metrics: names of metrics.
        strategy: a `tf.distribute.Strategy`; default: the current one.
        read: digests of the inputs of the training, by name; a resumed run must have the
            same ones.
    """

    def __init__(self, task, settings, train, valid, out, metrics, strategy=None, read=None):
        check_metrics(metrics)
        self.task = task
        self.settings = settings
        self.valid = list(valid)[: settings.evaluate_examples]
        self.metrics = list(metrics)
        task.metrics = tuple(metrics)
        is_prepared = isinstance(train, PreparedExamples)
        last = map(tuple, train.manifest.last) if is_prepared else train
        task.examples = self.valid or list(last)[-EXAMPLES_KEPT:]
        self.strategy = strategy or tf.distribute.get_strategy()
        self.workers = Workers(self.strategy)
        self.out = Path(out)
        self.folder = self.out / "checkpoints"
        self.batches = task.training_batches(train, settings)
        self._valid_batches: Any = (
            TokenBatches(task.to_ids(self.valid), settings.batch_tokens) if self.valid else None
        )
        variables = task.trained_variables(settings)
        self._rate = make_schedule(settings.learning_rate, task.model.width, settings.steps)
        with self.strategy.scope():
            self.optimizer = make_optimizer(settings, self._rate, variables, task.rates(settings))
            self.loss_scale = LossScale() if settings.precision == "mixed_float16" else None
            self.average = MovingAverage(variables, settings.ema) if settings.ema else None
            self._train_step = make_step(
                task,
                settings,
                self.optimizer,
                self.strategy,
                variables,
                self.loss_scale,
                self.average,
            )
        self._valid_loss = tf.function(
            lambda batch: task.loss(batch, training=False), autograph=False, reduce_retracing=True
        )
        self._writer = BackgroundWriter()
        self._samples: list[tuple] = []  # sources, references and answers of the last evaluation
        # What a checkpoint stores besides weights and optimizer.
        self.state: dict[str, Any] = {
            "step": 0,
            "seconds": 0.0,
            "tokens": 0,
            "best_step": None,
            "best": None,
            "evaluations_since_best": 0,
            "evaluated": True,
            "read": read or {},
        }

    @property
    def _variables(self):
        """The variables in a checkpoint besides the weights of the model."""
        others = [part.variables for part in (self.loss_scale, self.average) if part]
        return [*self.optimizer.variables, *itertools.chain.from_iterable(others)]

    def resume(self, progress=lambda message: None):
        """Loads the newest checkpoint that is not damaged; damaged ones are set aside.

        A run without checkpoints starts at step 0.

        Args:
            progress: called with a line of text for each damaged checkpoint.

        Raises:
            UserError: if all checkpoints are damaged, or the inputs of the training changed.
        """
        step = self.workers.from_chief(lambda: self._newest(progress))
        if step is None:
            return
        state = checkpoints.load_checkpoint(self.folder, step, self.task.model, self._variables)
        if "best_value" in state:  # earlier versions stored only the first metric
            state["best"] = {self.metrics[0]: state["best_value"]}
        known = state.get("read", {})
        changed = [
            name for name, digest in self.state["read"].items() if known.get(name, digest) != digest
        ]
        if changed:
            raise UserError(
                f"{self.out} was trained on something else: {', '.join(changed)} changed since; "
                "start a new run, or restore what was there"
            )
        self.state.update({name: state[name] for name in self.state if name in state})

    def _newest(self, progress):
        step, damaged = checkpoints.newest_whole(self.folder)
        if damaged and step is None:
            raise UserError(
                f"no checkpoint is whole: {damaged[0][1]}; restore it, or remove {self.folder} to "
                "start again"
            )
        for path, error in damaged:
            progress(f"{error}; continuing from the checkpoint before {path.name}")
            checkpoints.set_aside(path)
        return step

    def run(self) -> TrainingFigures:
        """Trains to the end.

        Raises:
            ResultError: if the loss is not finite, or another worker fails; the last
                checkpoint remains valid.
        """
        try:
            return self._run()
        except tf.errors.OpError as error:
            if self.workers.count == 1:
                raise
            reason = re.sub(r"\{\{.*?\}\} ", "", str(error.message)).strip().splitlines()[0]
            raise ResultError(
                f"worker {self.workers.index} of {self.workers.count} lost another worker: "
                f"{reason}; {self._last_checkpoint()}. Start all workers again with --resume"
            ) from error

    def _run(self) -> TrainingFigures:
        state, settings = self.state, self.settings
        logged = state["step"], state["evaluated"]
        folder = self.out / "logs" if self.workers.is_chief else None
        with Progress(folder, settings.steps, *logged) as progress, self._writer:
            with StopSignals() as signals:
                if not state["evaluated"]:  # the run was killed before the evaluation
                    self._judge(progress)
                reason = self._run_steps(progress, signals)
            if reason:
                progress.say(reason)
            self._writer.flush()
            self.workers.wait()
            kept, figures = self._keep_the_best(progress)
        if self.workers.is_chief:
            self.task.save(self.out / TASK_FOLDER)
        self.workers.wait()
        return {
            "steps": state["step"],
            "seconds": round(state["seconds"], 1),
            "tokens_per_second": round(state["tokens"] / max(state["seconds"], 1e-9)),
            "weights": kept,
            "valid": figures,
            "interrupted": signals.number is not None,
            "signal": signals.number,
        }

    def _run_steps(self, progress, signals):
        """Trains until there is a reason to stop, and returns the reason."""
        ahead = _CALLS_AHEAD * self.settings.steps_per_call
        with Prefetched(self._worker_batches(self.state["step"]), ahead) as batches:
            return self._train_on(_SameShapes(batches), progress, signals)

    def _train_on(self, batches, progress, signals):
        state, settings = self.state, self.settings
        pending = []
        started = time.monotonic()
        while state["step"] < settings.steps:
            to_log = settings.log_every - sum(len(losses) for losses, _, _ in pending)
            most = min(
                settings.steps_per_call,
                settings.steps - state["step"],
                settings.evaluate_every - state["step"] % settings.evaluate_every,
                to_log,
            )
            group = batches.take(most)
            pending.append(self._train_step.several(group, state["step"]))
            state["step"] += len(group)
            due = state["step"] == settings.steps or state["step"] % settings.evaluate_every == 0
            # Checked once per call: a later signal takes effect after the next one. Several
            # workers compare notes only where they wait for each other anyway.
            is_alone = self.workers.count == 1
            if not (due or len(group) == to_log or (is_alone and signals.number)):
                continue
            self._report(progress, pending, time.monotonic() - started)
            is_late = settings.minutes and state["seconds"] >= 60 * settings.minutes
            stopping, is_late = self.workers.any([signals.number is not None, bool(is_late)])
            if due or stopping or is_late:
                self._checkpoint(progress)
            pending, started = [], time.monotonic()
            if is_late:
                return f"{settings.minutes:g} minutes are over at step {state['step']:,}"
            patience = settings.patience
            if due and patience and state["evaluations_since_best"] >= patience:
                return f"stopped early: {patience} evaluations without improvement"
            if stopping:
                return f"interrupted after step {state['step']:,}; continue with --resume"
        return None

    def _worker_batches(self, step):
        """The rows of this worker in all batches from a step on.

        The batches do not depend on the number of replicas: empty rows fill up their parts.
        """
        parts = self.strategy.num_replicas_in_sync * self.settings.accumulate
        part = self.workers.index, self.workers.count
        return (batch for _, batch in self.batches.steps_from(step, parts, part))

    def _report(self, progress, pending, seconds):
        """Reads the losses of the last steps, which waits for the device."""
        columns = (np.concatenate(column) for column in zip(*pending, strict=True))
        loss_sums, counts, norms = (column.astype("float64") for column in columns)
        first = self.state["step"] - len(counts) + 1
        is_finite = np.isfinite(loss_sums)
        applied = np.isfinite(norms)
        if self.loss_scale is None or self.loss_scale.is_exhausted:
            is_finite &= applied
        if not is_finite.all():
            raise ResultError(self._not_finite(first + int(np.argmin(is_finite))))
        tokens = counts.sum()
        self.state["seconds"] += seconds
        self.state["tokens"] += int(tokens)
        figures = {
            "loss": loss_sums.sum() / max(tokens, 1.0),
            "tokens_per_second": tokens / seconds,
            "gradient_norm": norms[applied].mean() if applied.any() else 0.0,
            # Schedules count from 0: this is the rate of the last step.
            "learning_rate": float(self._rate(self.state["step"] - 1)),
        }
        if self.loss_scale is not None:
            figures["loss_scale"] = float(self.loss_scale.value)
            figures["skipped_steps"] = int((~applied).sum())
        progress.steps(self.state["step"], figures)

    def _last_checkpoint(self):
        steps = checkpoints.list_steps(self.folder)
        if not steps:
            return "there is no checkpoint yet"
        path = checkpoints.checkpoint_path(self.folder, steps[-1])
        return f"the checkpoint of step {steps[-1]} is valid: {path}"

    def _not_finite(self, step):
        return (
            f"the loss or its gradient is not a finite number at step {step}; "
            f"{self._last_checkpoint()}. Lower train.learning_rate, lengthen its warmup, or set "
            "train.clip_norm"
        )

    def _checkpoint(self, progress):
        """Saves, then evaluates: a failing metric does not lose any steps."""
        self.state["evaluated"] = False
        if self.workers.is_chief:
            snapshot = checkpoints.take_snapshot(self.task.model, self._variables)
            self._write(checkpoints.save_checkpoint, self.folder, snapshot, self._state_copy())
        self._judge(progress)

    def _judge(self, progress):
        """Evaluates the current weights, or their average, and saves the task if they are best."""
        with self.average.applied() if self.average else contextlib.nullcontext():
            self._judge_weights(progress)

    def _judge_weights(self, progress):
        state = self.state
        figures = self._evaluated(progress)
        new, old = self._rank(figures), self._rank(state["best"])
        state["evaluations_since_best"] = 0 if new > old else state["evaluations_since_best"] + 1
        is_best = new >= old or not self.valid
        if is_best:
            state.update(best_step=state["step"], best=figures)
            self._save_task()
        if self.valid:
            progress.evaluation(state["step"], figures, is_best)
        state["evaluated"] = True
        self._write(checkpoints.update_state, self.folder, self._state_copy())
        keep = max(self.settings.average_last, 2)
        self._write(checkpoints.remove_old, self.folder, keep, state["best_step"])

    def _save_task(self):
        if self.workers.is_chief:
            weights = copy_weights(self.task.model)
            self._write(lambda: self.task.save(self.out / TASK_FOLDER, weights=weights))

    def _write(self, function, *arguments):
        """Calls a function that writes files: in the background, and only in the chief."""
        if self.workers.is_chief:
            self._writer.submit(function, *arguments)

    def _state_copy(self):
        return copy.deepcopy(self.state)

    def _rank(self, figures):
        return rank(figures or {}, self.metrics)

    def _evaluated(self, progress):
        """Loss and metrics on the validation examples, decoded as in the recipe."""
        figures = self.workers.from_chief(self._evaluate) if self.valid else {}
        progress.samples(self.state["step"], self._samples)
        return figures

    def _evaluate(self):
        batches = self._valid_batches
        sums = [self._valid_loss(batches.gather(*step)) for step in batches.plan(epoch=0)]
        loss = float(sum(loss for loss, _ in sums) / sum(count for _, count in sums))
        texts, scores = answer_and_score(self.task, self.valid, self.metrics)
        self._samples = list(zip(*texts, strict=True))[:_SAMPLES]
        return {"loss": loss, **scores}

    def _keep_the_best(self, progress) -> tuple[str, Any]:
        """Loads the best weights into the model: those of one step, or the mean of the last."""
        steps = checkpoints.list_steps(self.folder)
        if not steps:
            return "none: no step was taken", {}
        last = steps[-self.settings.average_last :]
        if len(last) > 1 and self._load_average(last, progress):
            kept = f"mean of the checkpoints {', '.join(map(str, last))}"
            if not self.valid:
                return kept, {}
            figures = self._evaluated(progress)
            progress.say(f"{kept}: {shown(figures)}")
            if self._rank(figures) >= self._rank(self.state["best"]):
                return kept, figures
        self._load_best(progress)
        average = "moving average at " if self.average else ""
        return f"{average}step {self.state['best_step']}", self._evaluated(progress)

    def _load_average(self, steps, progress):
        """Loads the mean of checkpoints into the model, if all of them can be read."""
        try:
            checkpoints.load_average(self.folder, steps, self.task.model)
        except UserError as error:
            progress.say(f"cannot average the last checkpoints: {error}")
            return False
        return True

    def _load_best(self, progress):
        """Loads the weights of the best step into the model; the task has a copy of them."""
        if self.average:
            read_weights(self.task.model, self.out / TASK_FOLDER / WEIGHTS_FILE)
            return
        try:
            checkpoints.load_weights(self.folder, self.state["best_step"], self.task.model)
        except UserError as error:
            task = self.out / TASK_FOLDER
            progress.say(f"{error}; loading its weights from {task} instead")
            read_weights(self.task.model, task / WEIGHTS_FILE)


class _SameShapes:
    """Takes batches from an iterator, as many of the same shapes at a time as come in a row."""

    def __init__(self, batches: Any):
        self._groups = itertools.groupby(batches, key=lambda b: [field.shape for field in b])
        self._group: Any = iter(())

    def take(self, most):
        """At least one batch, and at most `most`."""
        batches = list(itertools.islice(self._group, most))
        if not batches:
            _, self._group = next(self._groups)
            batches = list(itertools.islice(self._group, most))
        return batches
