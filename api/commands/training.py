"""Commands that train: from a recipe to a run."""

from pathlib import Path
from typing import Annotated

import typer

from attention_zoo.allocator import keep_freed_memory
from attention_zoo.commands.options import Overrides, RecipeFile
from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import json_text
from attention_zoo.quiet import import_tensorflow
from attention_zoo.streams import say


def train(
    context: typer.Context,
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option(help="the run directory to write")],
    set_: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in --out")] = False,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,N...", help="train once for each seed, and compare")
    ] = None,
    cpu_devices: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="split the CPU into this many devices, for train.strategy: mirrored"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="train in this many processes on this machine"),
    ] = None,
    restarts: Annotated[
        int, typer.Option(min=0, help="resume up to this many times if a process fails")
    ] = 0,
):
    """Train a task from a recipe. Ctrl-C stops after the current step and keeps the weights.

    The exit status is 130 after Ctrl-C and 143 after SIGTERM: the run is saved, and --resume
    continues it.
    """
    from attention_zoo.exporting import check_export_settings
    from attention_zoo.recipes.recipe import load_recipe
    from attention_zoo.train.cluster import read_cluster

    loaded = load_recipe(recipe, set_ or ())
    cluster = read_cluster()
    check_export_settings(loaded)
    seed_list = _seeds(seeds)
    if cpu_devices and loaded.train.strategy != "mirrored":
        raise UserError(
            f"--cpu-devices is for train.strategy: mirrored, not {loaded.train.strategy}"
        )
    if workers or restarts:
        raise typer.Exit(_train_in_processes(context, loaded, cluster))
    keep_freed_memory()
    import_tensorflow()
    if cpu_devices:
        from attention_zoo.train.strategies import divide_cpu

        divide_cpu(cpu_devices)
    from attention_zoo.recipes.run import train_recipe, train_seeds

    if seed_list:
        report = train_seeds(loaded, out, seed_list, resume, say)
        for name, spread in report["valid"].items():
            say(f"{name} {spread['mean']:.4g}, deviation {spread['deviation']:.2g}")
        say(f"{out}: kept the weights of seed {report['best']}")
        _exit_if_interrupted(report)
        return
    _, figures = train_recipe(loaded, out, resume, say)
    if cluster is None or cluster.index == 0:
        scores = "".join(f", {name} {value:.4g}" for name, value in figures["valid"].items())
        say(
            f"{out}: {figures['steps']:,} steps in {figures['seconds']:.0f} s, "
            f"{figures['tokens_per_second']:,} targets/s; kept {figures['weights']}{scores}"
        )
    _exit_if_interrupted(figures)


def _exit_if_interrupted(figures):
    if figures["interrupted"]:
        raise typer.Exit(128 + figures["signal"])


def _train_in_processes(context, recipe, cluster):
    """Starts the command again in processes of its own; their exit status."""
    from attention_zoo.launching import train_in_processes

    given, options = context.params, context.parent.params
    workers, strategy = given["workers"], recipe.train.strategy
    if workers and strategy not in ("auto", "multi_worker"):
        raise UserError(f"--workers is for train.strategy: auto or multi_worker, not {strategy}")
    if workers and cluster:
        raise UserError("--workers is for one machine, but TF_CONFIG or Slurm describe workers")
    if given["seeds"]:
        raise UserError("--seeds is not for --workers and --restarts: it trains in one process")
    arguments = [f"--plugin={name}" for name in options["plugin"] or ()]
    arguments += ["train", str(given["recipe"]), f"--out={given['out']}"]
    arguments += [f"--set={value}" for value in given["set_"] or ()]
    arguments += ["--resume"] if given["resume"] else []
    arguments += [f"--cpu-devices={given['cpu_devices']}"] if given["cpu_devices"] else []
    run_file = given["out"] / "recipe.yaml"
    return train_in_processes(arguments, run_file, workers or 1, given["restarts"], say)


def prepare(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option(help="the directory to write, for data.train")],
    set_: Overrides = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="how many tokenize; default: one for each CPU")
    ] = None,
):
    """Tokenize the training data of a recipe once, into files that training maps into memory.

    If it is interrupted, the same command continues it.
    """
    from attention_zoo.recipes.recipe import load_recipe

    loaded = load_recipe(recipe, set_ or ())
    import_tensorflow()
    from attention_zoo.recipes.prepare import prepare_recipe

    prepared = prepare_recipe(loaded, out, processes, say)
    say(f"{out}: {prepared.manifest.examples:,} examples, {prepared.lengths.sum():,} ids")


def tune(
    recipe: RecipeFile,
    set_: Overrides = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="find the largest batch that fits into memory")
    ] = False,
    learning_rate: Annotated[
        bool, typer.Option("--learning-rate", help="find a learning rate by a range test")
    ] = False,
    steps: Annotated[int, typer.Option(min=10, help="steps of the range test")] = 100,
):
    """Try a recipe's data and model on this machine, and print settings for --set.

    Writes nothing. Without options it finds both, the batch first.
    """
    from attention_zoo.recipes.recipe import load_recipe

    loaded = load_recipe(recipe, set_ or ())
    import_tensorflow()
    from attention_zoo.recipes.tune import rate_setting, tune_batch_tokens, tune_learning_rate

    if batch or not learning_rate:
        tokens = tune_batch_tokens(loaded, say)
        print(f"train.batch_tokens={tokens}")
        settings = loaded.train.model_copy(update={"batch_tokens": tokens})
        loaded = loaded.model_copy(update={"train": settings})
    if learning_rate or not batch:
        test, width = tune_learning_rate(loaded, steps, say)
        for i in range(0, len(test.rates), max(1, len(test.rates) // 20)):
            say(f"rate {test.rates[i]:.2g}: loss {test.losses[i]:.4g}")
        print(rate_setting(loaded, test.suggestion, width))


def runs(
    directory: Annotated[Path, typer.Argument(help="a folder of runs")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="print one JSON object per run")] = False,
):
    """Compare the runs in a folder, the best of each task first."""
    import dataclasses

    from rich.console import Console
    from rich.table import Table

    from attention_zoo.recipes.runs import list_runs

    found = list_runs(directory)
    if json_:
        for run in found:
            print(json_text(dataclasses.asdict(run)))
        return
    metrics = dict.fromkeys(name for run in found for name in (*run.metrics, "loss"))
    table = Table("run", "task", "model", "seed", "steps", "targets/s", "kept", *metrics, "state")
    for run in found:
        facts = (run.path, run.task, run.model, run.seed, run.steps, run.tokens_per_second)
        scores = (run.valid.get(name) for name in metrics)
        row = (*facts, run.kept, *scores, run.state)
        table.add_row(
            *(f"{x:.4g}" if isinstance(x, float) else str("" if x is None else x) for x in row)
        )
    Console().print(table)


def schema():
    """Print the JSON Schema of recipes, for completion and checks in editors."""
    from attention_zoo.recipes.recipe import recipe_schema

    print(json_text(recipe_schema(), indent=2))


def demo(
    out: Annotated[Path, typer.Option(help="the run directory to write")] = Path("runs/demo"),
):
    """Train on dates, export, verify, answer: end to end in a few minutes."""
    import_tensorflow()
    from attention_zoo.demo import run_demo

    run_demo(out, say)


def _seeds(text):
    parts = text.split(",") if text is not None else []
    # The range of `train.seed`.
    seeds = [int(p) for p in parts if p.strip().isdecimal() and int(p[:20]) < 1 << 31]
    if len(seeds) < len(parts) or len(set(seeds)) < len(seeds):
        raise UserError(
            f"--seeds needs different numbers from 0 to 2147483647, separated by commas, "
            f"received {shown(text)}"
        )
    return seeds
