"""Trains a recipe into a run directory."""

import hashlib
import shutil
import statistics
import tempfile
from pathlib import Path

import keras

from attention_zoo.errors import UserError
from attention_zoo.files import (
    atomic_directory,
    atomic_file,
    clear_leftovers,
    locked,
    require_empty,
    sha256,
)
from attention_zoo.json_files import json_text
from attention_zoo.recipes.recipe import load_recipe, save_recipe
from attention_zoo.recipes.runs import RECIPE_FILE, REPORT_FILE
from attention_zoo.recipes.training_data import (
    build_task,
    differences,
    digest_of,
    pretrained_digest,
    read_training_data,
    weights_digest,
)
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.task_files import TASK_FILE
from attention_zoo.text.prepared import PreparedExamples
from attention_zoo.text.readers import read_examples
from attention_zoo.train.cluster import read_cluster
from attention_zoo.train.metrics import metric_signatures
from attention_zoo.train.ranking import rank
from attention_zoo.train.strategies import make_strategy
from attention_zoo.train.texts import notes_on_texts
from attention_zoo.train.trainer import TASK_FOLDER, Trainer
from attention_zoo.train.workers import Workers
from attention_zoo.zoo.precision import dtype_policy


def train_recipe(recipe, out, resume=False, progress=lambda message: None):
    """Trains a recipe.

    Args:
        recipe: a `Recipe`.
        out: the run directory; must be empty unless `resume`.
        resume: continue from its last checkpoint.
        progress: called with a line of text before each long step.

    Returns:
        The trained task and the figures of the run (see `Trainer.run`).

    Raises:
        UserError: if the recipe or the data are invalid, the directory is not empty or
            another process is writing to it, or it contains a run of another recipe or of
            other data.
    """
    out = Path(out)
    cluster = read_cluster()
    if cluster and cluster.index > 0:  # the chief alone writes to the directory
        return _train(recipe, out, resume, progress=lambda message: None)
    with locked(out):
        if resume:
            require_same(recipe, out)
        else:
            require_empty(out, "choose another --out, or continue that run with --resume")
        clear_leftovers(out)
        return _train(recipe, out, resume, progress)


def _train(recipe, out, resume, progress):
    keras.utils.set_random_seed(recipe.train.seed)
    strategy = make_strategy(recipe.train.strategy)  # before TensorFlow computes anything
    workers = Workers(strategy)
    examples = read_training_data(recipe)
    columns, holds = recipe.columns, recipe.holds
    valid = read_examples(recipe.data.valid, columns, holds=holds) if recipe.data.valid else []
    progress(f"building tokenizers and model for {len(examples):,} examples")
    with strategy.scope(), dtype_policy(recipe.train.precision):
        is_known = resume and (out / TASK_FOLDER).is_dir()
        task = load_task(out) if is_known else build_task(recipe, examples)
    metrics = recipe.evaluate.metrics or task.metrics
    if isinstance(examples, PreparedExamples):
        if workers.is_chief:
            examples.verify()
    else:
        for note in notes_on_texts(task, examples, recipe.train.max_unknown):
            progress(note)
        progress("tokenizing the examples")
    read = digests(recipe, examples, valid)
    workers.require_same({**read, "tokenizers": _tokenizer_digest(task)})
    trainer = Trainer(task, recipe.train, examples, valid, out, metrics, strategy, read)
    if workers.is_chief:
        with atomic_file(out / RECIPE_FILE) as temporary:
            save_recipe(recipe, temporary)
    if resume:
        trainer.resume(progress)
    elif workers.is_chief:
        task.save(out / TASK_FOLDER)
    figures = trainer.run()
    if not workers.is_chief:
        return task, figures
    references = task.references(trainer.valid)
    figures["signatures"] = metric_signatures(metrics, references, task.metric_options)
    with atomic_file(out / REPORT_FILE) as temporary:
        temporary.write_text(json_text(figures, indent=2) + "\n", encoding="utf-8")
    return task, figures


def digests(recipe, examples, valid):
    """SHA-256 of the inputs of a training, by the name in its recipe.

    Paths alone are not enough: projects are moved, and files change in place.

    Args:
        recipe: a `Recipe`.
        examples: the training examples, tuples of strings or prepared.
        valid: the validation examples.
    """
    result = {"data.train": digest_of(examples), "data.valid": digest_of(valid)}
    if pretrained := pretrained_digest(recipe):
        result["model.pretrained"] = pretrained
    if teacher := getattr(recipe.train, "teacher", None):
        result["train.teacher"] = " ".join(str(weights_digest(name)) for name in teacher.names)
    return result


def _tokenizer_digest(task):
    """SHA-256 of the files of the tokenizers, which each worker builds from the examples."""
    with tempfile.TemporaryDirectory() as folder:
        for name, tokenizer in task.tokenizers().items():
            tokenizer.save(Path(folder) / name)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def train_seeds(recipe, out, seeds, resume=False, progress=lambda message: None):
    """Trains a recipe once for each seed.

    Args:
        recipe: a `Recipe`; its seed is replaced.
        out: a directory that gets a run `seed-N` for each seed, and a copy of the best task.
        seeds: list of integers.
        resume: continue existing runs.
        progress: called with a line of text before each long step.

    Returns:
        A dict, also in `out/report.json`: `seeds`, `best`, and for each metric of the
        validation data its `mean`, `deviation` (of the sample) and `values`.

    Raises:
        UserError: as for `train_recipe`, or if there is no validation data.
    """
    if recipe.data.valid is None:
        raise UserError("several seeds are compared on validation data: data.valid is missing")
    if read_cluster():
        raise UserError("several seeds are trained one after another, not by several workers")
    out = Path(out)
    with locked(out):
        if not resume:
            require_empty(out, "choose another --out, or continue those runs with --resume")
        clear_leftovers(out)
        return _train_seeds(recipe, out, seeds, resume, progress)


def _train_seeds(recipe, out, seeds, resume, progress):
    results = []
    for seed in seeds:
        settings = recipe.train.model_copy(update={"seed": seed})
        folder = out / f"seed-{seed}"
        again = resume and (folder / RECIPE_FILE).exists()
        seeded = recipe.model_copy(update={"train": settings})
        task, figures = train_recipe(seeded, folder, again, progress)
        results.append(figures["valid"])
        if figures["interrupted"]:
            break
    metrics = recipe.evaluate.metrics or task.metrics
    best = max(range(len(results)), key=lambda i: rank(results[i], metrics))
    with atomic_directory(out / TASK_FOLDER, TASK_FILE) as temporary:
        shutil.copytree(out / f"seed-{seeds[best]}" / TASK_FOLDER, temporary, dirs_exist_ok=True)
    report = {
        "seeds": list(seeds[: len(results)]),
        "best": seeds[best],
        "interrupted": figures["interrupted"],
        "signal": figures["signal"],
        "valid": {key: _spread([result[key] for result in results]) for key in results[0]},
    }
    with atomic_file(out / REPORT_FILE) as temporary:
        temporary.write_text(json_text(report, indent=2) + "\n", encoding="utf-8")
    return report


def _spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "deviation": deviation, "values": values}


def require_same(recipe, out):
    """Refuses to resume a run of another recipe; only settings of the duration may change.

    The paths of data, pretrained weights and teachers may change too: `digests` identifies their
    contents.
    """
    old = load_recipe(out / RECIPE_FILE).model_dump()
    new = recipe.model_dump()
    for settings in (old, new):
        for name in ("train", "valid", "test"):
            settings["data"].pop(name)
        settings["model"]["pretrained"] = settings["model"]["pretrained"] is not None
        if teacher := settings["train"].get("teacher"):
            teacher["tasks"] = len(teacher["tasks"])
        for name in ("steps", "minutes", "evaluate_every", "patience", "log_every", "average_last"):
            settings["train"].pop(name)
        settings.pop("export")
    if changed := differences(old, new):
        raise UserError(f"{out} is a run of another recipe: {'; '.join(changed)}")
