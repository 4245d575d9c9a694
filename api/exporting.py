"""Exporting as on the command line, with defaults from the run's recipe."""

from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.pretrained import locate


def export_run(
    run, out, formats=None, quantize=None, data=None, progress=lambda message: None, **gate
):
    """Exports the task of a run.

    Args:
        run: a run or task directory, or the name of a pretrained task.
        out: the export directory to write.
        formats: names of formats; default: the recipe's.
        quantize: names of quantisations; default: the recipe's.
        data: list of files of examples to verify on, see `attention_zoo.text.readers.named_files`;
            default: the recipe's test data.
        progress: called with a line of text before each step.
        **gate: `max_drop`, see `attention_zoo.export.export.export`.

    Returns:
        The report.
    """
    from attention_zoo.export.export import export
    from attention_zoo.recipes.recipe import load_recipe
    from attention_zoo.tasks.loading import load_task
    from attention_zoo.tasks.settings import ExportSettings
    from attention_zoo.text.readers import named_files, read_examples

    folder = locate(run)
    recipe_file = folder / "recipe.yaml"
    recipe = load_recipe(recipe_file) if recipe_file.exists() else None
    settings = recipe.export if recipe else ExportSettings()
    task = load_task(folder)
    files: Any = named_files(data, task.fields) if data else recipe and recipe.data.test
    examples = read_examples(files, list(task.fields), holds=task.holds) if files else None
    return export(
        task,
        out,
        formats=formats or settings.formats,
        quantize=quantize or settings.quantize,
        examples=examples,
        origin={"run": str(run), "data": str(files) if files else "examples kept by training"},
        progress=progress,
        **gate,
    )


def check_export_settings(recipe: Any) -> None:
    """Refuses formats and quantisations that do not exist, before hours of training.

    Raises:
        UserError: naming the one, and those that exist.
    """
    from attention_zoo.export.formats import FORMATS, QUANTIZATIONS

    for name in recipe.export.formats:
        FORMATS.find(name)
    for name in recipe.export.quantize:
        if name not in QUANTIZATIONS:
            hint = suggest(name, QUANTIZATIONS)
            raise UserError(f"export.quantize: there is no quantisation {name!r}; {hint}")


def print_report(report):
    """Prints the table of a report to standard error."""
    from rich.console import Console
    from rich.table import Table

    from attention_zoo.export.report import report_rows

    columns, rows = report_rows(report)
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console = Console(stderr=True)
    if not console.is_terminal:
        # A log file has no width; do not fold the table to 80 columns there.
        console = Console(stderr=True, width=140)
    console.print(table)
