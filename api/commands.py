"""The commands: a thin layer, which imports TensorFlow only when a command needs it."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import json_text
from attention_zoo.quiet import import_tensorflow
from attention_zoo.streams import say
from attention_zoo.version import __version__

app = typer.Typer(
    name="attention-zoo",
    help="Train attention models on text, export them with their tokenizers, verify the exports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="RUN|ARTEFACT",
        help="a run, a task, an export or an artefact; or the name of a pretrained task",
    ),
]
Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="a run or task directory, or the name of a pretrained task"),
]
RecipeFile = Annotated[Path, typer.Argument(help="a YAML file")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="replace a value, such as train.steps=100"),
]
BeamSize = Annotated[int | None, typer.Option(min=1, help="hypotheses; 1 is greedy search")]
LengthPenalty = Annotated[float | None, typer.Option(help="alpha of Wu et al. 2016")]
CoveragePenalty = Annotated[float | None, typer.Option(help="beta of Wu et al. 2016, of a beam")]
MinLength = Annotated[
    int | None, typer.Option(help="smallest length of answers in ids, with the end")
]
NoRepeatNgram = Annotated[
    int | None, typer.Option(help="no sequence of this many tokens occurs twice in an answer")
]


def _print_version(wanted: bool):
    if wanted:
        print(f"attention-zoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version"),
    ] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE", help="a module or .py file with your own classes; for any command"
        ),
    ] = None,
):
    """Options of all commands."""
    if plugin:
        import_tensorflow()
        from attention_zoo.plugins import load_plugin

        for name in plugin:
            load_plugin(name)


@app.command("list")
def list_models():
    """List presets of models and pretrained tasks."""
    from rich.console import Console
    from rich.table import Table

    from attention_zoo.pretrained import pretrained_tasks, title
    from attention_zoo.zoo.presets import PRESETS

    table = Table("preset", "model", "description")
    for name, preset in PRESETS.items():
        table.add_row(name, preset["model"], preset["description"])
    Console().print(table)
    table = Table("pretrained", "description")
    for name, folder in pretrained_tasks().items():
        table.add_row(name, title(folder))
    Console().print(table)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def evaluate(
    source: Source,
    data: Annotated[
        list[str],
        typer.Option(
            metavar="FILE|FIELD=FILE",
            help="file with the same columns as in training, - for standard input; or a file for "
            "each field, such as --data zh=test.zh --data en=test.en",
        ),
    ],
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
    min_length: MinLength = None,
    no_repeat_ngram: NoRepeatNgram = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|ARTEFACT",
            help="also score this one, and say whether the difference is significant",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
):
    """Score a task or an artefact on examples, and compare it with another one.

    With --against, the line of a metric has the other one's value, the difference (if the metric is
    a mean with its 95 % interval), and p, the probability of such a difference between equally good
    ones, by paired bootstrap resampling (Koehn 2004) with 1,000 samples.
    """
    task = _load(source)
    other = _load(against) if against else None
    from attention_zoo.text.readers import named_files, read_examples
    from attention_zoo.train.evaluation import evaluate as score
    from attention_zoo.train.texts import truncation

    files = named_files(data, task.fields)
    examples = read_examples(files, list(task.fields), holds=task.holds)
    options = _given(
        beam_size=beam_size,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        min_length=min_length,
        no_repeat_ngram=no_repeat_ngram,
    )
    for note in truncation(task, examples)[1]:
        say(note)
    result = score(task, examples, against=other, **options)
    if json_:
        print(json_text(result))
    else:
        for name, value in result["metrics"].items():
            signature = result["signatures"].get(name)
            fields = [name, f"{value:.2f}", *_comparison(result.get("compared", {}).get(name))]
            fields += [signature] if signature else []
            print("\t".join(fields))


def _comparison(compared):
    """The columns of a metric that say how another task compares."""
    if not compared:
        return []
    difference = f"difference {compared['difference']:+.2f}"
    if "interval" in compared:
        difference += " [{:+.2f}, {:+.2f}]".format(*compared["interval"])
    columns = [f"against {compared['other']:.2f}", difference]
    return [*columns, f"p = {compared['p']:.3f}"] if "p" in compared else columns


@app.command()
def predict(
    source: Source,
    beam_options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- BEAM OPTIONS]", help="with --runner beam, options of its pipeline"
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", help="text file, or with --runner beam a pattern; default: stdin"),
    ] = None,
    runner: Annotated[
        Literal["here", "beam"], typer.Option(help="here, or in a pipeline of Apache Beam")
    ] = "here",
    output: Annotated[
        Path | None, typer.Option(help="with --runner beam, the directory to write")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    n_best: Annotated[
        int | None, typer.Option(min=1, help="answers per line, the best first")
    ] = None,
    coverage_penalty: CoveragePenalty = None,
    min_length: MinLength = None,
    no_repeat_ngram: NoRepeatNgram = None,
    prefix: Annotated[
        str | None, typer.Option(help="what each answer begins with, as the tokenizer writes it")
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="a word that no answer contains; may be repeated"),
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="a word that each answer contains; may be repeated"),
    ] = None,
    alignments: Annotated[
        Literal["tokens", "words"] | None,
        typer.Option(
            help="after a tab, the source position that each part of the answer attended to most, "
            "in Pharaoh format"
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="answer a text that is too long in parts, do not cut it")
    ] = False,
    prompt: Annotated[
        str | None, typer.Option(help="of an embedding model, the name of one of its prompts")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
    batch: Annotated[int, typer.Option(min=1, help="lines per batch")] = 32,
):
    """Answer each line of text with one line (with --n-best: with that many lines).

    For a task that reads two texts, such as question and context, separate them by a tab.
    """
    from attention_zoo.text.lines import open_regular

    options = _given(
        beam_size=beam_size,
        length_penalty=length_penalty,
        n_best=n_best,
        coverage_penalty=coverage_penalty,
        min_length=min_length,
        no_repeat_ngram=no_repeat_ngram,
        prefix=prefix,
        forbidden=forbid or None,
        forced=force or None,
        alignments=alignments,
        split=split or None,
        prompt=prompt,
    )
    if runner == "beam":
        _predict_by_beam(source, input_, output, options, batch, json_, beam_options or ())
        return
    if output or beam_options:
        raise UserError("--output and options after -- are for --runner beam")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_regular(input_)) if input_ else sys.stdin.buffer
        task = _load(source)
        from attention_zoo.predicting import predict_lines

        # At a terminal, answer each line at once.
        size = 1 if file.isatty() else batch
        for answer in predict_lines(task, file, size, options, say):
            lines = [json_text(answer.record, ensure_ascii=False)] if json_ else answer.lines
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()


def _predict_by_beam(source, pattern, output, options, batch, as_json, beam_options):
    if pattern is None or output is None:
        raise UserError("--runner beam needs --input, a pattern, and --output, a directory")
    from attention_zoo.pretrained import locate

    locate(source)
    import_tensorflow()
    from attention_zoo.beam import predict_files

    bad = predict_files(source, pattern, output, options, batch, as_json, beam_options, say)
    say(f"wrote {output}" + (f"; {bad:,} notes on lines in errors.jsonl" if bad else ""))


@app.command()
def answer(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="runs, tasks, or names of pretrained tasks; several answer by the mean of their "
            "probabilities",
        ),
    ],
    texts: Annotated[Path, typer.Option("--input", help="a file of texts, a line each")],
    out: Annotated[Path, typer.Option(help="the TSV file to write")],
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    no_repeat_ngram: NoRepeatNgram = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="examples whose texts are left out, such as test data; repeatable",
        ),
    ] = None,
):
    """Answer texts into a file to train on: what a student learns, or back-translations.

    Each text is answered once. Those that are empty, too long or excluded are left out, and those
    that get an empty answer. If it is interrupted, the same command continues it.
    """
    from attention_zoo.pretrained import locate

    for source in sources:
        locate(source)
    import_tensorflow()
    from attention_zoo.answering import answer_file

    options = _given(
        beam_size=beam_size, length_penalty=length_penalty, no_repeat_ngram=no_repeat_ngram
    )
    count, left_out = answer_file(sources, texts, out, options, exclude or (), say)
    say(f"{out}: {count:,} examples" + (f"; {left_out:,} lines left out" if left_out else ""))


@app.command()
def explain(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NAME|FOLDER",
            help="a run or task directory, the name of a pretrained task, or a folder to import",
        ),
    ],
    text: Annotated[str, typer.Option(help="the text; a tab separates two, as in predict")],
    pair: Annotated[
        str | None, typer.Option(help="the second text of a task that takes two")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="the answer to explain; default: the task's own")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    n_best: Annotated[int | None, typer.Option(min=1, help="answers to explain")] = None,
    view: Annotated[
        Literal["cross", "encoder", "decoder"] | None, typer.Option(help="default: the first")
    ] = None,
    block: Annotated[int | None, typer.Option(help="from 1; default: the last")] = None,
    head: Annotated[int | None, typer.Option(help="from 1; default: the mean")] = None,
    out: Annotated[
        Path | None, typer.Option(help="a page, .html, or a picture: .png, .pdf or .svg")
    ] = None,
    font: Annotated[
        Path | None, typer.Option(help="font file for the picture, such as for Chinese")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print the map's weights as JSON")] = False,
):
    """Show what each token attended to: as a page with every block and head, a picture, or text.

    Without --out it prints, for each token, the tokens that it attended to most in one head, or in
    the mean of a block's heads.
    """
    task = _load(run, imports=True)
    from attention_zoo.viewer.explanation import explain as explain_task

    texts = (*text.split("\t"), *([] if pair is None else [pair]))
    options = _given(beam_size=beam_size, length_penalty=length_penalty, n_best=n_best)
    found = explain_task(task, texts[0] if len(texts) == 1 else texts, answer, **options)
    chosen = _given(view=view, block=block, head=head)
    if out:
        found.save(out, font, say, **chosen)
        say(f"wrote {out}")
    if json_:
        print(json_text(found.map(**chosen).record, ensure_ascii=False))
    elif not out:
        print("\n".join(found.map(**chosen).lines))


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option(help="the export directory to write")],
    formats: Annotated[
        str | None,
        typer.Option(
            help="of saved_model,saved_model_xla,litert,litert_static,litert_stream,litert_text,"
            "mediapipe,keras,h5,onnx,huggingface; default: the recipe's"
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="of none,float16,dynamic_int8,full_int8,selective_int8; default: the recipe's"
        ),
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(min=0, help="points of a metric that a file may lose  [0.5]")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|FIELD=FILE",
            help="examples to verify on, as in evaluate; default: the recipe's test data",
        ),
    ] = None,
):
    """Export a task, run every artefact in its own runtime, and compare.

    Exit status 1 if one differs, or a quantised one loses more than --max-drop.
    """
    from attention_zoo.pretrained import locate

    locate(run)
    import_tensorflow()
    from attention_zoo.exporting import export_run, print_report

    gate = _given(max_drop=max_drop)
    print_report(export_run(run, out, _names(formats), _names(quantize), data, say, **gate))
    say(f"wrote {out}, with report.md")


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="a folder with a trained model, or a repository")],
    out: Annotated[Path, typer.Option(help="the run directory to write")],
    fields: Annotated[
        str | None,
        typer.Option(help="columns of an example, such as text,pair,label for pairs of texts"),
    ] = None,
    target_language: Annotated[
        str | None,
        typer.Option(help="what a translator into several languages translates into: cmn_Hans"),
    ] = None,
    keep_vocabulary: Annotated[
        Path | None,
        typer.Option(help="texts, a line each: of an encoder, drop the tokens that they never use"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="of a repository: a commit, tag or branch")
    ] = None,
):
    """Import a model of Hugging Face, Marian, google-research/bert or KerasHub.

    SOURCE is a folder, or the name of a repository of the Hugging Face Hub, such as
    sentence-transformers/all-MiniLM-L6-v2, for which the extra "hub" is needed.
    """
    from attention_zoo.importing import import_run

    task = import_run(source, out, _names(fields), target_language, keep_vocabulary, revision, say)
    say(f"{out}: {task.kind}, {task.model.count_params():,} weights, all accounted for")


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="an export directory")],
    python: Annotated[
        Path,
        typer.Option(help="the interpreter that runs the artefacts, with their runtimes installed"),
    ] = Path(sys.executable),
):
    """Run every artefact again in its own runtime; exit status 1 if one differs."""
    import_tensorflow()
    from attention_zoo.export.export import verify_export
    from attention_zoo.exporting import print_report

    print_report(verify_export(directory, say, python))


@app.command()
def playground(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="an export directory")],
    out: Annotated[Path, typer.Option(help="the directory to write")],
):
    """Write a static page that runs an exported LiteRT file in the browser.

    The export must have static.tflite (--formats litert_static); with stream.tflite (litert_stream)
    the page shows each token as it is written, and where the model looked.
    """
    import_tensorflow()
    from attention_zoo.playground.site import write_playground

    write_playground(export, out)
    say(f"wrote {out}; serve it by any web server, such as: python -m http.server -d {out}")


@app.command()
def schema():
    """Print the JSON Schema of recipes, for completion and checks in editors."""
    from attention_zoo.recipes.recipe import recipe_schema

    print(json_text(recipe_schema(), indent=2))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="the run directory to write")] = Path("runs/demo"),
):
    """Train on dates, export, verify, answer: end to end in a few minutes."""
    import_tensorflow()
    from attention_zoo.demo import run_demo

    run_demo(out, say)


def _load(path, imports=False):
    """Loads a task; with `imports` also from a folder of another library."""
    from attention_zoo.importing import is_foreign
    from attention_zoo.pretrained import locate

    found = locate(path)  # reports a mistyped path without importing TensorFlow
    import_tensorflow()
    if imports and is_foreign(found):
        from attention_zoo.tasks.importing import import_task

        return import_task(found)
    from attention_zoo.loading import load

    return load(path)


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


def _given(**options):
    return {name: value for name, value in options.items() if value is not None}


def _names(text):
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
