"""The commands: a thin layer, which imports TensorFlow only when a command needs it."""

from typing import Annotated

import typer

from attention_zoo.allocator import keep_freed_memory
from attention_zoo.commands import answering, exporting, training
from attention_zoo.quiet import import_tensorflow
from attention_zoo.version import __version__

app = typer.Typer(
    name="attention-zoo",
    help="Train attention models on text, export them with their tokenizers, verify the exports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool):
    if wanted:
        print(f"attention-zoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
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
        if context.invoked_subcommand == "train":
            keep_freed_memory()  # before TensorFlow is imported
        import_tensorflow()
        from attention_zoo.plugins import load_plugin

        for name in plugin:
            load_plugin(name)


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


# In the order of the help.
for _name, _command in {
    "list": list_models,
    "train": training.train,
    "prepare": training.prepare,
    "tune": training.tune,
    "runs": training.runs,
    "evaluate": answering.evaluate,
    "predict": answering.predict,
    "answer": answering.answer,
    "explain": answering.explain,
    "export": exporting.export,
    "import": exporting.import_,
    "verify": exporting.verify,
    "playground": exporting.playground,
    "schema": training.schema,
    "demo": training.demo,
}.items():
    app.command(_name)(_command)
