"""The training loop: steps, evaluations, checkpoints; resuming is exact to the bit."""

import contextlib
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.text.batching import TokenBatches
from attention_zoo.train import checkpoints
from attention_zoo.train.evaluation import evaluate
from attention_zoo.train.metrics import check_metrics
from attention_zoo.train.optimizer import make_optimizer
from attention_zoo.train.progress import Progress, shown
from attention_zoo.train.ranking import rank
from attention_zoo.train.schedules import make_schedule
from attention_zoo.train.step import make_train_step
from attention_zoo.zoo.weights import WEIGHTS_FILE, read_weights

TASK_FOLDER = "task"

# Without validation data, the task keeps this many training examples.
_EXAMPLES_KEPT = 100


class Trainer:
    """Trains a task and keeps the best weights, in the task and in `out/task`.

    The first metric on the validation data decides which weights are best; ties are broken by
    the next metrics, then the loss, then the later step. Without validation data the last
    weights are kept. After the last step the mean of the last checkpoints is evaluated too, and
    is kept if it is at least as good.

    Args:
        task: the task; its model was created in the strategy's scope.
        settings: `TrainSettings`.
        train: training examples, tuples of strings.
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
        task.examples = self.valid or list(train)[-_EXAMPLES_KEPT:]
        self.strategy = strategy or tf.distribute.get_strategy()
        self.out = Path(out)
        self.folder = self.out / "checkpoints"
        self.batches = TokenBatches(
            task.to_ids(train),
            settings.batch_tokens,
            settings.buckets,
            self.strategy.num_replicas_in_sync,
            settings.seed,
        )
        self._valid_batches: Any = (
            TokenBatches(task.to_ids(self.valid), settings.batch_tokens) if self.valid else None
        )
        variables = task.trained_variables(settings)
        with self.strategy.scope():
            self.optimizer = make_optimizer(
                settings, task.model.width, variables, task.rates(settings)
            )
        self._rate = make_schedule(settings.learning_rate, task.model.width, settings.steps)
        self._train_step = make_train_step(
            task,
            self.optimizer,
            self.strategy,
            settings.label_smoothing,
            settings.clip_norm,
            settings.seed,
            settings.jit_compile,
            task.loss_options(settings),
            variables,
        )
        self._valid_loss = tf.function(
            lambda batch: task.loss(batch, training=False), autograph=False, reduce_retracing=True
        )
        # What a checkpoint stores besides weights and optimizer.
        self.state = {
            "step": 0,
            "seconds": 0.0,
            "tokens": 0,
            "best_step": None,
            "best": None,
            "evaluations_since_best": 0,
            "evaluated": True,
            "read": read or {},
        }

    def resume(self):
        """Loads the last checkpoint; a run without checkpoints starts at step 0.

        Raises:
            UserError: if the checkpoint is damaged, or the inputs of the training changed.
        """
        steps = checkpoints.list_steps(self.folder)
        if not steps:
            return
        state = checkpoints.load_checkpoint(self.folder, steps[-1], self.task.model, self.optimizer)
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

    def run(self):
        """Trains to the end.

        Returns:
            A dict with the figures of the run: `steps`, `seconds`, `tokens_per_second`,
            `weights` (which ones were kept), `valid` (their metrics) and `interrupted`.

        Raises:
            ResultError: if the loss is not finite; the last checkpoint remains valid.
        """
        state, settings = self.state, self.settings
        logged = state["step"], state["evaluated"]
        with Progress(self.out / "logs", settings.steps, *logged) as progress:
            with _stop_on_signal() as stop:
                if not state["evaluated"]:  # the run was killed before the evaluation
                    self._judge(progress)
                reason = self._run_steps(progress, stop)
            if reason:
                progress.say(reason)
            kept, figures = self._keep_the_best(progress)
        self.task.save(self.out / "task")
        return {
            "steps": state["step"],
            "seconds": round(state["seconds"], 1),
            "tokens_per_second": round(state["tokens"] / max(state["seconds"], 1e-9)),
            "weights": kept,
            "valid": figures,
            "interrupted": stop.is_set(),
        }

    def _run_steps(self, progress, stop):
        """Trains until there is a reason to stop, and returns the reason."""
        state, settings = self.state, self.settings
        pending = []
        started = time.monotonic()
        steps = self.batches.steps_from(state["step"])
        while state["step"] < settings.steps:
            _, batch = next(steps)
            pending.append(self._train_step(batch, state["step"]))
            state["step"] += 1
            # Checked once per step: a later signal takes effect after the next step.
            stopping = stop.is_set()
            last = state["step"] == settings.steps
            due = last or stopping or state["step"] % settings.evaluate_every == 0
            if due or len(pending) >= settings.log_every:
                self._report(progress, pending, time.monotonic() - started)
                pending, started = [], time.monotonic()
                if settings.minutes and state["seconds"] >= 60 * settings.minutes:
                    stop_reason = f"{settings.minutes:g} minutes are over at step {state['step']:,}"
                    self._checkpoint(progress)
                    return stop_reason
            if due:
                self._checkpoint(progress)
                started = time.monotonic()
                patience = settings.patience
                if patience and state["evaluations_since_best"] >= patience:
                    return f"stopped early: {patience} evaluations without improvement"
            if stopping:
                return f"interrupted after step {state['step']:,}; continue with --resume"
        return None

    def _report(self, progress, pending, seconds):
        """Reads the losses of the last steps, which waits for the device."""
        sums = np.array([[float(value) for value in result] for result in pending])
        bad = np.flatnonzero(~np.isfinite(sums).all(axis=1))
        first = self.state["step"] - len(pending) + 1
        if len(bad):
            raise ResultError(self._not_finite(first + int(bad[0])))
        tokens = sums[:, 1].sum()
        self.state["seconds"] += seconds
        self.state["tokens"] += int(tokens)
        progress.steps(
            self.state["step"],
            {
                "loss": sums[:, 0].sum() / max(tokens, 1.0),
                "tokens_per_second": tokens / seconds,
                "gradient_norm": sums[:, 2].mean(),
                # Schedules count from 0: this is the rate of the last step.
                "learning_rate": float(self._rate(self.state["step"] - 1)),
            },
        )

    def _not_finite(self, step):
        steps = checkpoints.list_steps(self.folder)
        kept = (
            f"the checkpoint of step {steps[-1]} is valid: "
            f"{checkpoints.checkpoint_path(self.folder, steps[-1])}"
            if steps
            else "there is no checkpoint yet"
        )
        return (
            f"the loss or its gradient is not a finite number at step {step}; {kept}. "
            f"Lower train.learning_rate, lengthen its warmup, or set train.clip_norm"
        )

    def _checkpoint(self, progress):
        """Saves, then evaluates: a failing metric does not lose any steps."""
        self.state["evaluated"] = False
        checkpoints.save_checkpoint(self.folder, self.task.model, self.optimizer, self.state)
        self._judge(progress)

    def _judge(self, progress):
        """Evaluates the weights of the last checkpoint, and saves the task if they are the best."""
        state = self.state
        figures = self._evaluate() if self.valid else {}
        new, old = self._rank(figures), self._rank(state["best"])
        state["evaluations_since_best"] = 0 if new > old else state["evaluations_since_best"] + 1
        is_best = new >= old or not self.valid
        if is_best:
            state.update(best_step=state["step"], best=figures)
            self.task.save(self.out / TASK_FOLDER)
        if self.valid:
            progress.evaluation(state["step"], figures, is_best)
        state["evaluated"] = True
        checkpoints.update_state(self.folder, state)
        checkpoints.remove_old(self.folder, max(self.settings.average_last, 2), state["best_step"])

    def _rank(self, figures):
        return rank(figures or {}, self.metrics)

    def _evaluate(self):
        """Loss and metrics on the validation examples, decoded as in the recipe."""
        batches = self._valid_batches
        sums = [self._valid_loss(batches.gather(*step)) for step in batches.plan(epoch=0)]
        loss = float(sum(loss for loss, _ in sums) / sum(count for _, count in sums))
        return {"loss": loss, **evaluate(self.task, self.valid, self.metrics)["metrics"]}

    def _keep_the_best(self, progress):
        """Loads the best weights into the model: those of one step, or the mean of the last."""
        steps = checkpoints.list_steps(self.folder)
        if not steps:
            return "none: no step was taken", {}
        last = steps[-self.settings.average_last :]
        if len(last) > 1 and self._load_average(last, progress):
            kept = f"mean of the checkpoints {', '.join(map(str, last))}"
            if not self.valid:
                return kept, {}
            figures = self._evaluate()
            progress.say(f"{kept}: {shown(figures)}")
            if self._rank(figures) >= self._rank(self.state["best"]):
                return kept, figures
        self._load_best(progress)
        return f"step {self.state['best_step']}", self._evaluate() if self.valid else {}

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
        try:
            checkpoints.load_weights(self.folder, self.state["best_step"], self.task.model)
        except UserError as error:
            task = self.out / TASK_FOLDER
            progress.say(f"{error}; loading its weights from {task} instead")
            read_weights(self.task.model, task / WEIGHTS_FILE)


@contextlib.contextmanager
def _stop_on_signal():
    """Turns the first Ctrl-C or SIGTERM into a flag; a second one has its usual effect."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {}

    def handle(number, _frame):
        stop.set()
        signal.signal(number, previous[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
