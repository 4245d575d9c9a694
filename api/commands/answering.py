"""Commands that ask a task: score, answer, explain."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from attention_zoo.commands.options import (
    BeamSize,
    CoveragePenalty,
    LengthPenalty,
    MinLength,
    NoRepeatNgram,
    Source,
    given,
)
from attention_zoo.errors import UserError
from attention_zoo.json_files import json_text
from attention_zoo.quiet import import_tensorflow
from attention_zoo.streams import say


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
    options = given(
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
    diversity: Annotated[
        float | None,
        typer.Option(help="gamma of Li et al. 2016: the larger, the more the --n-best differ"),
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

    options = given(
        beam_size=beam_size,
        length_penalty=length_penalty,
        n_best=n_best,
        coverage_penalty=coverage_penalty,
        min_length=min_length,
        no_repeat_ngram=no_repeat_ngram,
        prefix=prefix,
        forbidden=forbid or None,
        forced=force or None,
        diversity=diversity,
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

    options = given(
        beam_size=beam_size, length_penalty=length_penalty, no_repeat_ngram=no_repeat_ngram
    )
    count, left_out = answer_file(sources, texts, out, options, exclude or (), say)
    say(f"{out}: {count:,} examples" + (f"; {left_out:,} lines left out" if left_out else ""))


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
    options = given(beam_size=beam_size, length_penalty=length_penalty, n_best=n_best)
    found = explain_task(task, texts[0] if len(texts) == 1 else texts, answer, **options)
    chosen = given(view=view, block=block, head=head)
    if out:
        found.save(out, font, say, **chosen)
        say(f"wrote {out}")
    if json_:
        print(json_text(found.map(**chosen).record, ensure_ascii=False))
    elif not out:
        print("\n".join(found.map(**chosen).lines))


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
