"""Trains one model to say what several say together.

The method is that of "Distilling the Knowledge in a Neural Network" (Hinton et al. 2015):

    python recipes/g2p/distil.py train runs/student --student g2p_transformer \
      --teachers g2p_transformer,g2p_rnn --set train.steps=10000

The mean of what the teachers expect at each place of the training answers is computed once. The
student learns it beside the answers themselves, as `recipe.yaml` says for the rest.

What teachers have learned by heart they can teach no better than a dictionary. So they also answer
words for which nobody wrote an answer ("Token-Level Ensemble Distillation for Grapheme-to-Phoneme
Conversion", Sun et al. 2019), and these answers are further examples:

    python recipes/g2p/make_words.py
    python recipes/g2p/distil.py answer --teachers g2p_transformer,g2p_rnn
    python recipes/g2p/distil.py train runs/student --student g2p_transformer \
      --teachers g2p_transformer,g2p_rnn --set data.train='[data/train.tsv, data/answered.tsv]'
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
import typer
from rich.progress import track

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, clear_leftovers, locked, require_empty
from attention_zoo.pretrained import locate
from attention_zoo.recipes.recipe import load_recipe, save_recipe
from attention_zoo.recipes.run import RECIPE_FILE, digests, require_same
from attention_zoo.tasks.seq2seq.ids import pad_rows, shift_right
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.lines import read_lines
from attention_zoo.text.readers import read_examples
from attention_zoo.train.losses import smoothed_cross_entropy
from attention_zoo.train.trainer import Trainer

RECIPE = Path(__file__).with_name("recipe.yaml")
DATA = Path(__file__).with_name("data")
ORIGIN = "teachers.json"  # in the run directory
_BATCH = 256


class Ensemble:
    """Several models as one: its probabilities are the mean of theirs, its logits their logs.

    Args:
        models: sequence-to-sequence models with the same vocabularies.
    """

    attends = False  # each looks somewhere else

    def __init__(self, models):
        self.models = models
        self.source_vocab_size = models[0].source_vocab_size
        self.target_vocab_size = models[0].target_vocab_size
        self.max_length = min(model.max_length for model in models)

    def __call__(self, inputs):
        """Logits of teacher forcing, `(B, T, V)`."""
        return _mean([model(inputs) for model in self.models])

    def encode(self, source_ids):
        """The memories of all models."""
        return [model.encode(source_ids) for model in self.models]

    def start(self, memories, max_length, num_hypotheses=1):
        """The caches of all models."""
        return [
            model.start(memory, max_length, num_hypotheses)
            for model, memory in zip(self.models, memories, strict=True)
        ]

    def step(self, token_ids, position, caches, memories):
        """A step of all models: logits, caches, and no attention."""
        logits, caches, _ = zip(
            *(
                model.step(token_ids, position, cache, memory)
                for model, cache, memory in zip(self.models, caches, memories, strict=True)
            ),
            strict=True,
        )
        return _mean(logits), list(caches), None

    def reorder(self, caches, parents):
        """Makes hypotheses go on from others, in all models."""
        return [
            model.reorder(cache, parents) for model, cache in zip(self.models, caches, strict=True)
        ]


def _mean(logits):
    """Logits of several models to the logs of the mean of their probabilities."""
    logs = tf.stack([tf.nn.log_softmax(tf.cast(each, tf.float32)) for each in logits])
    return tf.reduce_logsumexp(logs, axis=0) - tf.math.log(float(len(logits)))


def together(task, teachers):
    """Teachers as one task, with the tokenizers of a task.

    Raises:
        UserError: if a teacher has other tokens.
    """
    for teacher in teachers:
        if any(_tokens(teacher, side) != _tokens(task, side) for side in ("source", "target")):
            raise UserError("models that learn from each other must have the same tokens")
    ensemble = Ensemble([teacher.model for teacher in teachers])
    return Seq2Seq(ensemble, task.source_tokenizer, task.target_tokenizer, beam_size=4)


class Student(Seq2Seq):
    """A task whose loss is that of answers and teachers.

    Args:
        task: the task that is to learn.
        teacher: a model with the same vocabularies.
        examples: training examples.
        share: of the teacher in the loss, 0 to 1.
    """

    def __init__(self, task, teacher, examples, share):
        super().__init__(
            task.model,
            task.source_tokenizer,
            task.target_tokenizer,
            task.max_source_length,
            task.max_target_length,
            task.beam_size,
            task.length_penalty,
            task.fields,
            task.replace_unknown,
        )
        self.share = share
        rows = super().to_ids(examples)
        # What the teacher expects at all places of all answers, one answer after the other.
        self._expected_NV = tf.constant(expectations(teacher, rows))
        self._last = len(self._expected_NV) - 1
        lengths = [len(target_ids) for _, target_ids in rows]
        self._first = dict(zip(examples, np.cumsum([0, *lengths[:-1]]), strict=True))

    def to_ids(self, examples):
        """As usual, and where what the teachers expect begins; 0 for what they were not asked."""
        rows = super().to_ids(examples)
        firsts = [np.array([self._first.get(example, 0)]) for example in examples]
        return [(*row, first) for row, first in zip(rows, firsts, strict=True)]

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """The loss of the answers, and in training that of the teachers."""
        source_ids, target_ids, first_B1 = batch
        if not training:
            return super().loss((source_ids, target_ids), training, label_smoothing)
        logits_BTV = self.model([source_ids, shift_right(target_ids)], training=training)
        logits_BTV = tf.cast(logits_BTV, tf.float32)
        is_target_BT = tf.not_equal(target_ids, 0)
        total, count = smoothed_cross_entropy(logits_BTV, target_ids, is_target_BT, label_smoothing)
        # Beyond the end of an answer stands the next one, which does not count.
        place_BT = first_B1 + tf.range(tf.shape(target_ids)[1])
        expected_BTV = tf.gather(self._expected_NV, tf.minimum(place_BT, self._last))
        losses_BT = tf.nn.softmax_cross_entropy_with_logits(
            tf.cast(expected_BTV, tf.float32), logits_BTV
        )
        of_teachers = tf.reduce_sum(losses_BT * tf.cast(is_target_BT, tf.float32))
        return (1.0 - self.share) * total + self.share * of_teachers, count


def _tokens(task, side):
    tokenizer = getattr(task, f"{side}_tokenizer")
    return list(tokenizer.pieces(range(tokenizer.vocab_size)))


def expectations(model, rows):
    """The model's probabilities for each id of the answers, float16 `(N, V)`.

    Args:
        model: a sequence-to-sequence model.
        rows: pairs of arrays of source ids and target ids.
    """
    expect = tf.function(
        lambda pair: tf.nn.softmax(model(pair)), autograph=False, reduce_retracing=True
    )
    # Sorted by length, so that a batch holds little padding.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][1]))
    found = [None] * len(rows)
    for start in range(0, len(rows), _BATCH):
        members = order[start : start + _BATCH]
        source_ids, target_ids = (pad_rows([rows[i][side] for i in members]) for side in (0, 1))
        pair = [tf.constant(source_ids), shift_right(tf.constant(target_ids))]
        expected_BTV = expect(pair).numpy().astype("float16")
        for i, expected_TV in zip(members, expected_BTV, strict=True):
            found[i] = expected_TV[: len(rows[i][1])]
    return np.concatenate(found)


def answered(task, words):
    """What a task answers to words, as examples; those without an answer are left out."""
    examples = []
    for start in track(range(0, len(words), _BATCH), "the teachers answer"):
        part = words[start : start + _BATCH]
        examples += zip(part, task(part), strict=True)
    return [(word, answer) for word, answer in examples if answer]


def _require_same_origin(path, origin):
    """Refuses to go on with a student of other teachers."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if old != origin:
        raise UserError(f"{path.parent} is no run of these teachers: it has {old}, not {origin}")


def _load(names):
    return [az.load(name.strip()) for name in names.split(",")]


app = typer.Typer(add_completion=False, help=__doc__.splitlines()[0])
Teachers = Annotated[str, typer.Option(help="runs or names of the zoo, with commas between")]


@app.command()
def answer(
    teachers: Teachers,
    words: Annotated[Path, typer.Option(help="a word a line")] = DATA / "words.txt",
    out: Annotated[Path, typer.Option(help="the file to write")] = DATA / "answered.tsv",
):
    """Has the teachers answer, by a beam of 4, the words that are in no file of the recipe."""
    recipe = load_recipe(RECIPE)
    splits = (recipe.data.train, recipe.data.valid, recipe.data.test)
    known = {word for files in splits for word, _ in read_examples(files, recipe.columns)}
    asked = _load(teachers)
    task = together(asked[0], asked)
    found = sorted(set(read_lines(words)) - known - {""})
    too_long = set(task.truncated(found))
    examples = answered(task, [word for i, word in enumerate(found) if i not in too_long])
    lines = ["\t".join(row) + "\n" for row in [tuple(recipe.columns), *examples]]
    with atomic_file(out) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    print(f"{out}: {len(examples):,} words and answers")


@app.command()
def train(
    out: Annotated[Path, typer.Argument(help="the run directory to write")],
    student: Annotated[str, typer.Option(help="a run or a name of the zoo, where it begins")],
    teachers: Teachers,
    share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="of the teachers in the loss")
    ] = 0.7,
    dropout: Annotated[float, typer.Option(help="of the student")] = 0.2,
    settings: Annotated[
        list[str], typer.Option("--set", help="replace a value of the recipe: train.steps=100")
    ] = (),
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run there")] = False,
):
    """Trains the student on one device; the run directory gets checkpoints, logs and the task."""
    with locked(out):
        if not resume:
            require_empty(out, "choose another run directory, or go on with that run by --resume")
        clear_leftovers(out)
        _train(out, student, teachers, share, dropout, settings, resume)


def _train(out, student, teachers, share, dropout, settings, resume):
    model = f"model={{pretrained: {locate(student).absolute()}, dropout: {dropout}}}"
    recipe = load_recipe(RECIPE, ["tokenizer=null", model, *settings])
    if recipe.train.scheduled_sampling:
        raise UserError("train.scheduled_sampling: a student reads the answers, not its own words")
    origin = {"teachers": teachers, "share": share}
    if resume:
        _require_same_origin(out / ORIGIN, origin)
        require_same(recipe, out)
    examples, valid = (
        read_examples(files, recipe.columns) for files in (recipe.data.train, recipe.data.valid)
    )
    task = recipe.build(examples)
    task = Student(task, together(task, _load(teachers)).model, examples, share)
    metrics = recipe.evaluate.metrics or task.metrics
    read = digests(recipe, examples, valid)
    trainer = Trainer(task, recipe.train, examples, valid, out, metrics, read=read)
    if resume:
        trainer.resume()
    with atomic_file(out / RECIPE_FILE) as temporary:
        save_recipe(recipe, temporary)
    with atomic_file(out / ORIGIN) as temporary:
        temporary.write_text(json.dumps(origin) + "\n", encoding="utf-8")
    figures = trainer.run()
    print(f"{out}: {figures['steps']:,} steps in {figures['seconds']:.0f} s; {figures['valid']}")
    if figures["interrupted"]:
        raise typer.Exit(130)


if __name__ == "__main__":
    try:
        app()
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
