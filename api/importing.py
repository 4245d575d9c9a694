"""Importing as on the command line: from a folder or a repository into a run directory."""

import dataclasses
import warnings

from attention_zoo.files import new_directory
from attention_zoo.hub import fetch
from attention_zoo.json_files import json_text
from attention_zoo.quiet import import_tensorflow
from attention_zoo.text.lines import read_lines

IMPORT_FILE = "import.json"


def import_run(
    source,
    out,
    fields=None,
    target_language=None,
    keep_vocabulary=None,
    revision=None,
    progress=lambda message: None,
):
    """Imports a model into a run directory, with `import.json`: where it is from.

    Args:
        source: a folder, or the name of a repository of the Hugging Face Hub.
        out: the run directory to write.
        fields: see `attention_zoo.tasks.importing.import_task`.
        target_language: see there.
        keep_vocabulary: a file of texts, a line each or several with tabs between; tokens that they
            do not use are dropped. None: none are.
        revision: of a repository a commit, tag or branch.
        progress: called with lines of text.

    Returns:
        The task.

    Raises:
        UserError: if the directory is not empty, or the import fails.
    """
    texts = None
    if keep_vocabulary is not None:
        texts = [text for line in read_lines(keep_vocabulary) for text in line.split("\t")]
    with new_directory(out, "choose another --out"):
        folder, origin = fetch(source, revision, progress)
        import_tensorflow()
        from attention_zoo.tasks.importing import import_task

        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            task = import_task(folder, fields, target_language)
        for note in notes:
            progress(str(note.message))
        if texts is not None:
            task = _pruned(task, texts, origin, progress)
        task.save(out / "task")
        (out / IMPORT_FILE).write_text(json_text(origin, indent=2) + "\n", encoding="utf-8")
    return task


def is_foreign(path):
    """Whether a path is a folder of another library, such as `import_task` takes."""
    # An export has `config.json` and `task.json`.
    is_ours = any((path / name).exists() for name in ("task", "task.json", "saved_model.pb"))
    names = ("config.json", "bert_config.json", "*decoder.yml", "model.*.bin")
    return path.is_dir() and not is_ours and any(True for n in names for _ in path.glob(n))


def _pruned(task, texts, origin, progress):
    from attention_zoo.tasks.pruning import prune_vocabulary

    task, pruning = prune_vocabulary(task, texts)
    origin["pruning"] = dataclasses.asdict(pruning)
    progress(
        f"kept {pruning.tokens_kept:,} of {pruning.tokens_before:,} tokens: "
        f"{pruning.bytes_saved / 1e6:.1f} MB less; the same tokens in {pruning.texts:,} texts, and "
        f"numbers within {pruning.largest_difference:.1g} in {pruning.texts_compared:,}"
    )
    return task
