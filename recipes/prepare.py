"""Tokenizes the training data of a recipe once, in parallel, into files that training maps."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import rich.progress
import tensorflow as tf
from rich.console import Console

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, clear_leftovers, locked, require_empty, sha256
from attention_zoo.json_files import Content, json_text, read_json
from attention_zoo.plugins import load_plugin, loaded_plugins
from attention_zoo.recipes.training_data import (
    ExampleDigest,
    corpora_of,
    differences,
    facts_of,
    some_of,
)
from attention_zoo.tasks.loading import load_without_weights
from attention_zoo.tasks.saving import save_without_weights
from attention_zoo.tasks.settings import Recipe
from attention_zoo.tasks.task_files import TASK_FILE
from attention_zoo.text.corpora import Corpus
from attention_zoo.text.examples import Example
from attention_zoo.text.prepared import (
    MANIFEST_FILE,
    Manifest,
    PreparedExamples,
    Shard,
    write_shard,
)
from attention_zoo.text.readers import iter_examples
from attention_zoo.train.texts import notes_on_texts
from attention_zoo.train.trainer import EXAMPLES_KEPT

# Examples in a shard. A prepared directory is the same however many processes wrote it.
_SHARD = 20_000

# What a directory is for, until the manifest is written.
_BEGUN_FILE = "preparing.json"


class _Begun(Content):
    """What a directory is for: the facts of its recipe, and the SHA-256 of its examples."""

    facts: dict[str, object]
    digest: str


def prepare_recipe(
    recipe: Recipe,
    out: str | Path,
    processes: int | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> PreparedExamples:
    """Tokenizes the training data of a recipe into a directory, which `data.train` may name.

    Training on the directory is the same, to the bit, as training on the files. If it is
    interrupted, the same call continues after the last finished shard.

    Args:
        recipe: a recipe.
        out: the directory to write.
        processes: how many processes tokenize; default: one for each CPU.
        progress: called with a line of text before each long step.

    Returns:
        The prepared examples.

    Raises:
        UserError: if the recipe or the data are invalid, or the directory holds something else.
    """
    out = Path(out)
    with locked(out):
        facts = facts_of(recipe)
        known = _begun(out)
        if known is None:
            require_empty(out, "choose another --out")
        elif changed := differences(known.facts, facts):
            raise UserError(f"{out} was prepared by another recipe: {'; '.join(changed)}")
        progress("reading the data")
        corpora, digest, sample = _survey(recipe)
        if known is not None and known.digest != digest:
            raise UserError(
                f"the data changed since {out} was begun: choose another --out, or restore them"
            )
        clear_leftovers(out)
        if not (out / MANIFEST_FILE).exists():
            with atomic_file(out / _BEGUN_FILE) as temporary:
                begun = _Begun(facts=facts, digest=digest)
                temporary.write_text(json_text(begun.model_dump()), encoding="utf-8")
            _prepare(recipe, out, processes or os.cpu_count() or 1, progress, corpora, sample)
    return PreparedExamples(out)


def _prepare(
    recipe: Recipe,
    out: Path,
    processes: int,
    progress: Callable[[str], None],
    corpora: list[Corpus],
    sample: list[Example],
) -> None:
    count = sum(corpus.size for corpus in corpora)
    begun = _Begun(**read_json(out / _BEGUN_FILE, _Begun))
    if not (out / TASK_FILE).exists():
        progress(f"building tokenizers from {len(sample):,} of {count:,} examples")
        keras.utils.set_random_seed(recipe.train.seed)
        save_without_weights(recipe.build(sample), out)
    task = load_without_weights(out)
    for note in notes_on_texts(task, sample, recipe.train.max_unknown):
        progress(note)
    del sample
    sizes = [_SHARD if task.ids_by_example else corpus.size for corpus in corpora]
    digest = ExampleDigest()
    last: collections.deque[Example] = collections.deque(maxlen=EXAMPLES_KEPT)
    blocks = _blocks(_read(recipe), sizes, digest, last)
    shards_of = [-(-corpus.size // size) for corpus, size in zip(corpora, sizes, strict=True)]
    total = sum(shards_of)
    progress(f"tokenizing {count:,} examples in {min(processes, total)} processes")
    shards = []
    with _bar(total) as bar:
        tracked = bar.add_task("shards", total=total)
        for shard in _in_order(_jobs(blocks, out), out, min(processes, total)):
            shards.append(shard)
            bar.advance(tracked)
    if digest.hexdigest(corpora) != begun.digest:
        raise UserError("the data changed while they were read: run it again with another --out")
    manifest = Manifest(
        examples=count,
        digest=begun.digest,
        shards=shards,
        corpora=_rows_of(corpora, shards_of, shards),
        last=[list(example) for example in last],
        facts=begun.facts,
    )
    with atomic_file(out / MANIFEST_FILE) as temporary:
        temporary.write_text(json_text(manifest.model_dump(), indent=1) + "\n", encoding="utf-8")
    for path in (out / _BEGUN_FILE, *out.glob("train-*.json")):
        path.unlink()


def _begun(out: Path) -> _Begun | None:
    """What a directory was prepared for, wholly or in part; None: it was not."""
    for name in (MANIFEST_FILE, _BEGUN_FILE):
        if (out / name).exists():
            return _Begun(**read_json(out / name, _Begun))
    return None


def _rows_of(corpora: list[Corpus], shards_of: list[int], shards: list[Shard]) -> list[Corpus]:
    """The corpora with their numbers of rows of ids, not of examples; none if all weigh 1."""
    if all(corpus.weight == 1 for corpus in corpora):
        return []
    remaining = iter(shards)
    rows = [sum(s.rows for s in itertools.islice(remaining, count)) for count in shards_of]
    return [
        Corpus(size=size, weight=corpus.weight) for size, corpus in zip(rows, corpora, strict=True)
    ]


def _read(recipe: Recipe) -> list[Iterator[Example]]:
    """The examples of each corpus."""
    return [
        iter_examples(corpus.files, recipe.columns, holds=recipe.holds)
        for corpus in corpora_of(recipe)
    ]


def _survey(recipe: Recipe) -> tuple[list[Corpus], str, list[Example]]:
    """The corpora, the SHA-256 of the examples, and those that tokenizers are built from."""
    most = recipe.data.tokenizer_examples
    digest = ExampleDigest()
    corpora, sample = [], []
    for settings, read in zip(corpora_of(recipe), _read(recipe), strict=True):
        before = digest.count
        examples = map(digest.update, read)
        sample += itertools.islice(examples, most - len(sample))
        collections.deque(examples, maxlen=0)  # reads the others
        corpora.append(Corpus(size=digest.count - before, weight=settings.weight))
    if digest.count > most:
        every = itertools.chain.from_iterable(_read(recipe))
        sample = list(some_of(every, digest.count, most))
    return corpora, digest.hexdigest(corpora), sample


def _blocks(
    corpora: list[Iterator[Example]],
    sizes: list[int],
    digest: ExampleDigest,
    last: collections.deque[Example],
) -> Iterator[list[Example]]:
    """Blocks of the examples of each corpus, which are added to the digest and the last ones."""
    for examples, size in zip(corpora, sizes, strict=True):
        read = map(digest.update, examples)
        while block := list(itertools.islice(read, size)):
            last.extend(block)
            yield block


def _jobs(
    blocks: Iterable[list[Example]], out: Path
) -> Iterator[tuple[Path, list[Example] | None]]:
    """For each shard its path, and its examples unless it is finished."""
    for index, block in enumerate(blocks):
        path = out / f"train-{index:05}.arrow"
        yield path, None if _is_finished(path) else block


def _is_finished(path: Path) -> bool:
    receipt = path.with_suffix(".json")
    if not (receipt.exists() and path.exists()):
        return False
    return sha256(path) == Shard(**read_json(receipt, Shard)).sha256


def _in_order(jobs: Iterable[Any], out: Path, processes: int) -> Iterator[Shard]:
    """The shards in order, some of which are made at the same time."""
    if processes == 1:
        _initialize(out, ())
        for job in jobs:
            yield _make_shard(*job)
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        processes,
        multiprocessing.get_context("spawn"),
        _initialize_process,
        (out, loaded_plugins()),
    )
    pending: collections.deque[concurrent.futures.Future] = collections.deque()
    try:
        for job in jobs:
            pending.append(pool.submit(_make_shard, *job))
            if len(pending) > 2 * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except concurrent.futures.BrokenExecutor as error:
        raise UserError(
            "a process was killed, perhaps for lack of memory: run it again with fewer --processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_task: Any = None


def _initialize(out: Path, plugins: Sequence[str]) -> None:
    """Loads the task of a process."""
    global _task
    for name in plugins:
        load_plugin(name)
    _task = load_without_weights(out)


def _initialize_process(out: Path, plugins: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the others
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _initialize(out, plugins)


def _make_shard(path: Path, examples: list[Example] | None) -> Shard:
    """Writes a shard and its receipt, unless both are there."""
    if examples is None:
        return Shard(**read_json(path.with_suffix(".json"), Shard))
    rows = _task.to_ids(examples)
    write_shard(path, rows)
    shard = Shard(file=path.name, rows=len(rows), sha256=sha256(path))
    with atomic_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(json_text(shard.model_dump()), encoding="utf-8")
    return shard


def _bar(total: int) -> rich.progress.Progress:
    console = Console(stderr=True)
    return rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
    )
