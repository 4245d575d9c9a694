"""From a recipe to a run directory."""

import shutil
import statistics
from pathlib import Path

import keras

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_directory, atomic_file, require_empty
from attention_zoo.json_files import json_text
from attention_zoo.tasks.kinds import TASK_FOLDER, load_task
from attention_zoo.text.readers import read_examples
from attention_zoo.train.building import make_task
from attention_zoo.train.metrics import METRICS
from attention_zoo.train.recipe import load_recipe, save_recipe
from attention_zoo.train.strategies import make_strategy
from attention_zoo.train.trainer import Trainer

RECIPE_FILE = "recipe.yaml"
REPORT_FILE = "report.json"


def train_recipe(recipe, out, resume=False, progress=lambda message: None):
    """Trains what a recipe describes.

    Args:
        recipe: a `Recipe`.
        out: the run directory; must be empty unless `resume`.
        resume: go on from the last checkpoint in it.
        progress: called with a line of text before what takes long.

    Returns:
        The trained task and the figures of the run (see `Trainer.run`).

    Raises:
        UserError: if something in the recipe or the data is wrong, the directory is
            not empty, or it holds a run of another recipe.
    """
    out = Path(out)
    if resume:
        require_same(recipe, out)
    else:
        require_empty(out, "choose another --out, or go on with that run by --resume")
    keras.utils.set_random_seed(recipe.train.seed)
    examples = read_examples(recipe.data.train, recipe.columns)
    valid = read_examples(recipe.data.valid, recipe.columns) if recipe.data.valid else []
    strategy = make_strategy(recipe.train.strategy)
    progress(f"making tokenizers and model for {len(examples):,} examples")
    with strategy.scope():
        task = (
            load_task(out)
            if resume and (out / TASK_FOLDER).is_dir()
            else make_task(recipe, examples)
        )
    metrics = recipe.evaluate.metrics or task.metrics
    progress("cutting the examples into ids")
    trainer = Trainer(task, recipe.train, examples, valid, out, metrics, strategy)
    with atomic_file(out / RECIPE_FILE) as temporary:
        save_recipe(recipe, temporary)
    if resume:
        trainer.resume()
    else:
        task.save(out / TASK_FOLDER)
    figures = trainer.run()
    with atomic_file(out / REPORT_FILE) as temporary:
        temporary.write_text(json_text(figures, indent=2) + "\n", encoding="utf-8")
    return task, figures


def train_seeds(recipe, out, seeds, resume=False, progress=lambda message: None):
    """Trains what a recipe describes once for each seed.

    Args:
        recipe: a `Recipe`; its seed is replaced.
        out: a directory that gets a run `seed-N` for each seed, and a copy of the best task.
        seeds: list of integers.
        resume: go on with the runs that are there.
        progress: called with a line of text before what takes long.

    Returns:
        A dict, also in `out/report.json`: `seeds`, `best`, and for each metric of the
        validation data its `mean`, `deviation` (of the sample) and `values`.

    Raises:
        UserError: as `train_recipe`, or if there is no validation data.
    """
    if recipe.data.valid is None:
        raise UserError("several seeds are compared on validation data: data.valid is missing")
    out, results = Path(out), []
    if not resume:
        require_empty(out, "choose another --out, or go on with those runs by --resume")
    for seed in seeds:
        settings = recipe.train.model_copy(update={"seed": seed})
        folder = out / f"seed-{seed}"
        again = resume and (folder / RECIPE_FILE).exists()
        seeded = recipe.model_copy(update={"train": settings})
        task, figures = train_recipe(seeded, folder, again, progress)
        results.append(figures["valid"])
        if figures["interrupted"]:
            break
    name = (recipe.evaluate.metrics or task.metrics)[0]
    best = max(range(len(results)), key=lambda i: METRICS[name].gain(results[i][name], 0.0))
    with atomic_directory(out / TASK_FOLDER) as temporary:
        shutil.copytree(out / f"seed-{seeds[best]}" / TASK_FOLDER, temporary, dirs_exist_ok=True)
    report = {
        "seeds": list(seeds[: len(results)]),
        "best": seeds[best],
        "interrupted": figures["interrupted"],
        "valid": {key: _spread([result[key] for result in results]) for key in results[0]},
    }
    with atomic_file(out / REPORT_FILE) as temporary:
        temporary.write_text(json_text(report, indent=2) + "\n", encoding="utf-8")
    return report


def _spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "deviation": deviation, "values": values}


def require_same(recipe, out):
    """Refuses to resume a run of another recipe; only how long to train may change."""
    old = load_recipe(out / RECIPE_FILE).model_dump()
    new = recipe.model_dump()
    for settings in (old, new):
        for name in ("steps", "minutes", "evaluate_every", "patience", "log_every", "average_last"):
            settings["train"].pop(name)
        settings.pop("export")
    differences = list(_differences(old, new))
    if differences:
        raise UserError(f"{out} is a run of another recipe: {'; '.join(differences)}")


def _differences(old, new, name=""):
    """What differs between two recipes, field by field."""
    if isinstance(old, dict) and isinstance(new, dict):
        for field in {**old, **new}:
            path = f"{name}.{field}" if name else field
            yield from _differences(old.get(field), new.get(field), path)
    elif old != new:
        yield f"{name} was {old}, is now {new}"
