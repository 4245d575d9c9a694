"""Commands that bring models in and out: import, export, verify, playground."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from attention_zoo.commands.options import Run, given
from attention_zoo.quiet import import_tensorflow
from attention_zoo.streams import say


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

    gate = given(max_drop=max_drop)
    print_report(export_run(run, out, _names(formats), _names(quantize), data, say, **gate))
    say(f"wrote {out}, with report.md")


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


def _names(text):
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
