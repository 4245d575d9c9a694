"""Trains several teachers at once on one accelerator, and a student on what they say together.

    KERAS_BACKEND=tensorflow python distil_on_jax.py prepare recipe.yaml RUN
    KERAS_BACKEND=jax python distil_on_jax.py train RUN --teachers 4 --minutes 2 2

`prepare` builds the task of the recipe and writes the ids of its data; `train` needs no
TensorFlow. Small models leave a large accelerator idle, so all teachers, which differ in their
first weights and their dropout, take each step together (`jax.vmap`). The student learns the mean
of their probabilities beside the answers themselves (Hinton et al. 2015). With `--unlabelled` the
teachers also answer texts for which nobody wrote an answer, and the student learns from these too
(Sun et al. 2019). For seq2seq.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import keras
import numpy as np

import attention_zoo as az
from attention_zoo.checksums import write_checksums
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID
from attention_zoo.train.losses import smoothed_cross_entropy, twice, with_r_drop
from attention_zoo.zoo import MODELS
from attention_zoo.zoo.precision import dtype_policy
from attention_zoo.zoo.weights import WEIGHTS_FILE, read_weights, write_weights

CHUNK = 8  # steps in one call of the device
BATCH_TO_ANSWER = 2048


def prepare(arguments):
    """Writes the task, with fresh weights, and the ids of its training and validation data."""
    recipe = az.load_recipe(arguments.recipe, arguments.set)
    train, valid, test = (
        az.read_examples(files, recipe.columns, holds=recipe.holds) if files else []
        for files in (recipe.data.train, recipe.data.valid, recipe.data.test)
    )
    task = recipe.build(train)
    task.examples = valid[:100]
    task.save(arguments.run / "task")
    arrays = {}
    for name, examples in (("train", train), ("valid", valid)):
        sources, targets = zip(*task.to_ids(examples), strict=True)
        arrays |= {f"{name}_source": padded(sources), f"{name}_target": padded(targets)}
    if arguments.unlabelled:
        known = {source for source, _ in train + valid + test}
        texts = sorted(set(arguments.unlabelled.read_text().split("\n")) - known - {""})
        arrays["unlabelled"] = padded([row[0] for row in task.to_ids([(t, "") for t in texts])])
    np.savez_compressed(arguments.run / "ids.npz", **arrays)
    for name, array in arrays.items():
        print(f"{name}: {array.shape[0]:,} rows of at most {array.shape[1]} ids")


def padded(rows):
    """Rows of ids as one array."""
    array = np.zeros((len(rows), max(map(len, rows))), "int32")
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array.astype("uint16")


class Network:
    """A Keras model as a function of its weights."""

    def __init__(self, model):
        self.model = model
        self._states = [v.value for v in model.non_trainable_variables]
        assert all(v.path.endswith("seed_generator_state") for v in model.non_trainable_variables)

    @property
    def weights(self):
        """The weights of the Keras model, a list of arrays."""
        return [v.value for v in self.model.trainable_variables]

    def logits(self, weights, source_ids, target_ids, key=None):
        """Logits of teacher forcing, `(B, T, V)`, float32; with a key there is dropout."""
        shifted = jnp.pad(target_ids[:, :-1], ((0, 0), (1, 0)), constant_values=START_ID)
        states = self._states
        if key is not None:
            bits = jax.random.bits(key, (len(states), 2), "uint32")
            states = [bits[i].astype(state.dtype) for i, state in enumerate(states)]
        inputs = [source_ids, shifted]
        outputs, _ = self.model.stateless_call(weights, states, inputs, training=key is not None)
        return outputs.astype("float32")


class Ensemble:
    """Networks as one: its probabilities are the mean of theirs.

    Args:
        members: pairs of a network and its weights; the arrays of several members that are alike
            are stacked.
    """

    def __init__(self, members):
        self.networks = [network for network, _ in members]
        self.weights = [weights for _, weights in members]

    def probabilities(self, weights, source_ids, target_ids):
        """The mean of the probabilities of all members, `(B, T, V)`."""
        found = []
        for network, stacked in zip(self.networks, weights, strict=True):
            logits = jax.vmap(network.logits, (0, None, None))(stacked, source_ids, target_ids)
            found.append(jax.nn.softmax(logits))
        return jnp.concatenate(found).mean(0)

    def answers(self, weights, source_ids, length):
        """The best next id at each place in turn, `(B, length)`; 0 after the end."""

        def step(i, target_ids):
            best = self.probabilities(weights, source_ids, target_ids)[:, i].argmax(-1)
            is_open = (i == 0) | ((target_ids != END_ID) & (target_ids != PAD_ID))[:, i - 1]
            return target_ids.at[:, i].set(jnp.where(is_open, best, PAD_ID))

        empty = jnp.zeros((len(source_ids), length), "int32")
        return jax.lax.fori_loop(0, length, step, empty)


def mean_loss(network, weights, batch, key, options, expected=None):
    """The loss of a target token: of the answers, and of what teachers expect."""
    source_ids, target_ids = batch
    if options.r_drop:
        source_ids, target_ids = twice((source_ids, target_ids))
        expected = None if expected is None else jnp.concatenate([expected, expected])
    logits = network.logits(weights, source_ids, target_ids, key)
    mask = target_ids != PAD_ID
    total, count = smoothed_cross_entropy(logits, target_ids, mask, options.label_smoothing)
    if expected is not None:
        of_teachers = -(expected * jax.nn.log_softmax(logits)).sum(-1)
        total = (1 - options.share) * total + options.share * (of_teachers * mask).sum()
    if options.r_drop:
        total, count = with_r_drop((total, count), options.r_drop, logits, mask)
    return total / count


def adam(weights, gradients, state, rate, clip_norm=1.0):
    """A step of Adam and of the moving average, of one member."""
    first, second, average, step = state
    norm = jnp.sqrt(sum((g * g).sum() for g in gradients))
    gradients = [g * jnp.minimum(1.0, clip_norm / norm) for g in gradients]
    step += 1
    first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
    second = [0.98 * v + 0.02 * g * g for v, g in zip(second, gradients, strict=True)]
    scale = rate * jnp.sqrt(1 - 0.98**step) / (1 - 0.9**step)
    weights = [
        w - scale * m / (jnp.sqrt(v) + 1e-9) for w, m, v in zip(weights, first, second, strict=True)
    ]
    decay = jnp.minimum(0.999, step / (step + 10.0))
    average = [decay * a + (1 - decay) * w for a, w in zip(average, weights, strict=True)]
    return weights, (first, second, average, step)


class Rows:
    """Pairs of ids on the device, and batches of them in buckets of equal lengths."""

    def __init__(self, source_ids, target_ids, batch_tokens, buckets):
        self.fields = [jnp.asarray(field) for field in (source_ids, target_ids)]
        lengths = np.stack([(field > 0).sum(1) for field in (source_ids, target_ids)], 1)
        order = np.argsort(lengths.max(1), kind="stable")
        self.buckets = []
        for members in np.array_split(order, buckets):
            shape = [int(-(-longest // 8) * 8) for longest in lengths[members].max(0)]
            shape = [min(n, field.shape[1]) for n, field in zip(shape, self.fields, strict=True)]
            rows = min(max(batch_tokens // max(shape), 8), len(members))
            self.buckets.append((members, tuple(shape), rows))

    def chunks(self, seed):
        """Forever: lengths, and which rows, `(CHUNK, B)`; a bucket comes as often as its rows."""
        rng = np.random.default_rng(seed)
        waiting = [np.empty(0, "int64") for _ in self.buckets]
        steps = np.array([len(members) / rows for members, _, rows in self.buckets])
        while True:
            i = int(rng.choice(len(steps), p=steps / steps.sum()))
            members, shape, rows = self.buckets[i]
            while len(waiting[i]) < CHUNK * rows:
                waiting[i] = np.concatenate([waiting[i], rng.permutation(members)])
            taken, waiting[i] = np.split(waiting[i], [CHUNK * rows])
            yield shape, taken.reshape(CHUNK, rows)


class Training:
    """Trains members of one network side by side for a time.

    Args:
        network: a `Network`.
        weights: of all members, stacked.
        rows: `Rows`.
        options: the command line.
        ensemble: the teachers; None: there is none.
    """

    def __init__(self, network, weights, rows, options, ensemble=None):
        self.network, self.weights, self.rows = network, weights, rows
        self.options, self.ensemble = options, ensemble
        zeros = [jnp.zeros_like(w) for w in weights]
        members = len(weights[0])
        self.state = (zeros, zeros, weights, jnp.zeros(members))
        self._chunk = jax.jit(self._run_chunk, static_argnums=(0,))
        self._loss = jax.jit(self._valid_loss)

    def _run_chunk(self, shape, weights, state, fields, taught, taken, key, rate):
        def step(carry, inputs):
            weights, state = carry
            index, key = inputs
            batch = [
                field[index, :length].astype("int32")
                for field, length in zip(fields, shape, strict=True)
            ]
            expected = self.ensemble.probabilities(taught, *batch) if self.ensemble else None

            def member(weights, state, key):
                loss, gradients = jax.value_and_grad(
                    lambda w: mean_loss(self.network, w, batch, key, self.options, expected)
                )(weights)
                return *adam(weights, gradients, state, rate), loss

            weights, state, losses = jax.vmap(member)(
                weights, state, jax.random.split(key, len(weights[0]))
            )
            return (weights, state), losses.mean()

        keys = jax.random.split(key, CHUNK)
        (weights, state), losses = jax.lax.scan(step, (weights, state), (taken, keys))
        return weights, state, losses.mean()

    def _valid_loss(self, weights, source_ids, target_ids):
        def loss(weights):
            logits = self.network.logits(weights, source_ids, target_ids)
            total, count = smoothed_cross_entropy(logits, target_ids, target_ids != PAD_ID)
            return total / count

        return jax.vmap(loss)(weights).mean()

    def run(self, minutes, name, valid):
        """Trains until the time is over; the rate rises, then falls over it as a cosine does.

        Returns:
            The moving averages of the weights, stacked.
        """
        chunks, key = self.rows.chunks(self.options.seed), jax.random.key(self.options.seed)
        taught = self.ensemble.weights if self.ensemble else []
        compiled, started, done, told = set(), None, 0, 0.0
        while True:
            shape, taken = next(chunks)
            is_new = (shape, taken.shape) not in compiled
            before = time.monotonic()
            started = started or before
            part = min((before - started) / (60 * minutes), 1.0)
            warm = min((done + 1) * CHUNK / self.options.warmup, 1.0)
            rate = self.options.peak * warm * (0.5 + 0.5 * np.cos(np.pi * part))
            key, now = jax.random.split(key)
            self.weights, self.state, loss = self._chunk(
                shape, self.weights, self.state, self.rows.fields, taught, taken, now, rate
            )
            loss = float(loss)
            done += 1
            if is_new:  # the time of compiling does not count
                compiled.add((shape, taken.shape))
                started += time.monotonic() - before
            elapsed = time.monotonic() - started
            if part == 1.0 or elapsed - told > 6 * minutes:
                told = elapsed
                of_valid = float(self._loss(self.state[2], *valid))
                print(
                    f"{name}: step {done * CHUNK:,}, {elapsed:.0f} s, loss {loss:.3f}, "
                    f"validation {of_valid:.3f}",
                    flush=True,
                )
            if part == 1.0:
                return self.state[2]


def stacked(models):
    """The weights of models that are alike, with an axis for the members in front."""
    return [jnp.stack(arrays) for arrays in zip(*(Network(m).weights for m in models), strict=True)]


def make_model(task, overrides, seed, precision):
    """A model as the task in a folder has it, but for some options; weights are new."""
    keras.utils.set_random_seed(seed)
    description = json.loads((task / "task.json").read_text(encoding="utf-8"))["model"]
    config = {**description["config"], **overrides}
    with dtype_policy(precision), jax.default_device(jax.devices("cpu")[0]):
        return MODELS[description["class"]](**config)


def train(options):
    """Trains teachers, then the student, whose weights it writes into the task of the run."""
    with np.load(options.run / "ids.npz") as file:
        ids = dict(file)
    task = options.run / "task"
    new = functools.partial(make_model, task, precision=options.precision)
    device = jax.devices()[0]
    valid = [jnp.asarray(ids[f"valid_{side}"][:1000], "int32") for side in ("source", "target")]
    rows = Rows(ids["train_source"], ids["train_target"], options.batch_tokens, options.buckets)
    members = []
    for folder in options.also:
        model = make_model(folder, {}, 0, options.precision)
        read_weights(model, folder / WEIGHTS_FILE)
        members.append((Network(model), jax.device_put(stacked([model]), device)))
    if options.teachers:
        models = [new(options.teacher, seed) for seed in range(1, options.teachers + 1)]
        weights = jax.device_put(stacked(models), device)
        training = Training(Network(models[0]), weights, rows, options)
        members.append((training.network, training.run(options.minutes[0], "teachers", valid)))
    ensemble = Ensemble(members) if members else None
    if "unlabelled" in ids and ensemble:
        rows = with_answers(ids, ensemble, options)
    student = new(options.student, options.seed)
    if options.warm:
        read_weights(student, task / WEIGHTS_FILE)
    weights = jax.device_put(stacked([student]), device)
    options.r_drop = options.r_drop if not ensemble or options.student_r_drop else 0.0
    training = Training(Network(student), weights, rows, options, ensemble)
    averages = training.run(options.minutes[1], "student", valid)
    for variable, average in zip(student.trainable_variables, averages, strict=True):
        variable.assign(average[0])
    write_weights(student, task / WEIGHTS_FILE, options.dtype)
    write_checksums(task)
    print(f"{task}: trained on {device.device_kind}")


def with_answers(ids, ensemble, options):
    """The training data and, with the answers of an ensemble, the unlabelled texts."""
    started, found = time.monotonic(), []
    length = ids["train_target"].shape[1]
    answer = jax.jit(lambda weights, source_ids: ensemble.answers(weights, source_ids, length))
    texts = ids["unlabelled"]
    rest = -len(texts) % BATCH_TO_ANSWER
    texts = np.concatenate([texts, texts[:rest]])
    for start in range(0, len(texts), BATCH_TO_ANSWER):
        source_ids = jnp.asarray(texts[start : start + BATCH_TO_ANSWER], "int32")
        found.append(np.asarray(answer(ensemble.weights, source_ids)))
    answers = np.concatenate(found)
    is_whole = (answers == END_ID).any(1) & (answers[:, 0] != END_ID)
    width = max(ids["train_source"].shape[1], texts.shape[1])
    sources = [
        np.pad(each, ((0, 0), (0, width - each.shape[1])))
        for each in (ids["train_source"], texts[is_whole])
    ]
    print(f"{is_whole.sum():,} answers in {time.monotonic() - started:.0f} s", flush=True)
    targets = np.concatenate([ids["train_target"], answers[is_whole].astype("uint16")])
    return Rows(np.concatenate(sources), targets, options.batch_tokens, options.buckets)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    preparing = commands.add_parser("prepare", help="build the task and write its ids")
    preparing.add_argument("recipe", type=Path)
    preparing.add_argument("run", type=Path)
    preparing.add_argument("--set", action="append", default=[], help="a value of the recipe")
    preparing.add_argument("--unlabelled", type=Path, help="texts for the teachers, one a line")
    preparing.set_defaults(command=prepare)
    training = commands.add_parser("train", help="train teachers and student")
    training.add_argument("run", type=Path)
    training.add_argument("--teachers", type=int, default=0, help="how many; 0: none")
    training.add_argument("--also", type=Path, nargs="*", default=[], help="tasks that teach too")
    training.add_argument("--minutes", type=float, nargs=2, default=(1.0, 1.0))
    training.add_argument("--teacher", type=json.loads, default={}, help="options of the model")
    training.add_argument("--student", type=json.loads, default={}, help="options of the model")
    training.add_argument("--warm", action="store_true", help="the student has weights already")
    training.add_argument("--r-drop", type=float, default=0.0)
    training.add_argument("--student-r-drop", action="store_true", help="beside teachers, too")
    training.add_argument("--share", type=float, default=0.7, help="of the teachers in the loss")
    training.add_argument("--label-smoothing", type=float, default=0.1)
    training.add_argument("--batch-tokens", type=int, default=8192)
    training.add_argument("--buckets", type=int, default=3)
    training.add_argument("--peak", type=float, default=1e-3, help="the highest learning rate")
    training.add_argument("--warmup", type=int, default=400, help="steps")
    training.add_argument("--precision", default="mixed_bfloat16")
    training.add_argument("--dtype", default="float32", help="of the weights in the file")
    training.add_argument("--seed", type=int, default=1)
    training.set_defaults(command=train)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    if options.command is train:
        import jax
        import jax.numpy as jnp
    options.command(options)
