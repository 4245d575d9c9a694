"""Metrics over answers: each takes the answers and the references, lists of strings."""

import dataclasses
from collections.abc import Callable

from attention_zoo.errors import UserError, suggest
from attention_zoo.tasks.classify.metrics import macro_f1, micro_f1, pearson, spearman
from attention_zoo.tasks.answer.metrics import squad_exact_match, squad_f1
from attention_zoo.tasks.tag.metrics import entity_f1, tag_accuracy
from attention_zoo.tasks.seq2seq.metrics import bleu, bleu_signature, chrf, chrf_signature


def exact_match(answers, references):
    """Percentage of answers that equal their reference.

    Example:
        >>> exact_match(["a", "b"], ["a", "c"])
        50.0
    """
    equal = sum(a == r for a, r in zip(answers, references, strict=True))
    return 100.0 * equal / max(len(references), 1)


def word_error_rate(answers, references):
    """Percentage of words whose pronunciation equals none of the references.

    As the papers on spelling to sound count it (Bisani and Ney 2008; Toshniwal and
    Livescu 2016): a word with several pronunciations is one word.

    Args:
        answers: list of strings, one a word.
        references: list of lists of strings, all pronunciations of the word.

    Example:
        >>> word_error_rate(["K AH T", "R EH D"], [["K AE T"], ["R IY D", "R EH D"]])
        50.0
    """
    wrong = sum(a not in accepted for a, accepted in zip(answers, references, strict=True))
    return 100.0 * wrong / max(len(references), 1)


def phoneme_error_rate(answers, references):
    """Edit distance to the nearest reference over the length of that reference, in percent.

    Distances and lengths, in phonemes between spaces, are summed over all words first.
    Of two references that are equally near, the longer counts.

    Args:
        answers: list of strings, one a word.
        references: list of lists of strings, all pronunciations of the word.

    Example:
        >>> phoneme_error_rate(["K AH T", "R EH D"], [["K AE T"], ["R IY D", "R EH D"]])
        16.666666666666668
    """
    distances = lengths = 0
    for answer, accepted in zip(answers, references, strict=True):
        phonemes = [reference.split() for reference in accepted]
        pairs = [(edit_distance(answer.split(), phones), -len(phones)) for phones in phonemes]
        distance, length = min(pairs)
        distances, lengths = distances + distance, lengths - length
    return 100.0 * distances / max(lengths, 1)


def edit_distance(first, second):
    """Fewest insertions, deletions and substitutions between two sequences (Levenshtein).

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A function, which way is better, and what it is for.

    With `by_source` the examples of one source are one case: its references are all of
    theirs. Otherwise every example is a case of its own.

    Attributes:
        function: takes answers and references, and options by name.
        answers: kinds of answers that it judges, see `kind_of_answers`.
        higher_is_better: as it says.
        by_source: as above.
        options: a dict from the name that a task has for an option to the function's.
        signature: a function of the references and the options, or None.
    """

    function: Callable
    answers: tuple
    higher_is_better: bool = True
    by_source: bool = False
    options: dict = dataclasses.field(default_factory=dict)
    signature: Callable | None = None

    def gain(self, new, old):
        """How much better a new value is; negative if it is worse."""
        return new - old if self.higher_is_better else old - new

    def arguments(self, options):
        """Those options of a task that are the function's."""
        return {ours: options[name] for name, ours in self.options.items() if name in options}


_TEXT, _LABEL, _LABELS, _NUMBER = "text", "a label", "several labels", "a number"
_TAGS, _SPAN, _NEAREST, _WORD = "tags", "a span", "the nearest text", "a word"
_BLEU = {"bleu_tokenize": "tokenize"}
_ERROR_RATE = {"answers": (_TEXT,), "higher_is_better": False, "by_source": True}

METRICS = {
    "exact_match": Metric(exact_match, (_TEXT, _LABEL, _LABELS, _TAGS, _NEAREST, _WORD)),
    "accuracy": Metric(exact_match, (_TEXT, _LABEL, _LABELS, _NEAREST, _WORD)),
    "macro_f1": Metric(macro_f1, (_LABEL,)),
    "micro_f1": Metric(micro_f1, (_LABELS,)),
    "pearson": Metric(pearson, (_NUMBER,)),
    "spearman": Metric(spearman, (_NUMBER,)),
    "entity_f1": Metric(entity_f1, (_TAGS,)),
    "tag_accuracy": Metric(tag_accuracy, (_TAGS,)),
    "squad_exact_match": Metric(squad_exact_match, (_SPAN,)),
    "squad_f1": Metric(squad_f1, (_SPAN,)),
    "bleu": Metric(bleu, (_TEXT,), options=_BLEU, signature=bleu_signature),
    "chrf": Metric(chrf, (_TEXT,), signature=chrf_signature),
    "word_error_rate": Metric(word_error_rate, **_ERROR_RATE),
    "phoneme_error_rate": Metric(phoneme_error_rate, **_ERROR_RATE),
}


def compute_metrics(names, sources, answers, references, options=None):
    """Computes metrics by name.

    Args:
        names: of the metrics.
        sources: list of strings, what was asked.
        answers: list of strings, equal ones for equal sources.
        references: list of strings, what was expected.
        options: `metric_options` of a task: a dict, such as `{"bleu_tokenize": "zh"}`.

    Returns:
        A dict from name to value, in the order of the names.

    Raises:
        UserError: if there is no such metric, nothing to judge, or references are not what
            a metric reads.
    """
    check_metrics(names)
    if not names:
        return {}
    if not answers:
        raise UserError(f"there is no answer to compute {', '.join(names)} of")
    by_source = {}
    for source, answer, reference in zip(sources, answers, references, strict=True):
        by_source.setdefault(source, (answer, []))[1].append(reference)
    cases = {False: (answers, references), True: tuple(zip(*by_source.values(), strict=True))}
    found = {}
    for name in names:
        metric = METRICS[name]
        found[name] = metric.function(*cases[metric.by_source], **metric.arguments(options or {}))
    return found


def metric_signatures(names, references, options=None):
    """How metrics were counted, for those that can be counted in several ways.

    Args:
        names: of the metrics.
        references: list of strings, what was expected.
        options: as of `compute_metrics`.

    Returns:
        A dict from name to sacreBLEU's signature.
    """
    return {
        name: METRICS[name].signature(references, **METRICS[name].arguments(options or {}))
        for name in names
        if METRICS[name].signature and references
    }


def kind_of_answers(task, problem="one", columns=2):
    """What the answers of a task are, by which metrics are chosen.

    Args:
        task: name of the kind of task.
        problem: of a classification.
        columns: how many columns an example has.

    Example:
        >>> kind_of_answers("embed", columns=3)
        'a number'
    """
    if task == "classify":
        return {"one": _LABEL, "several": _LABELS, "number": _NUMBER}[problem]
    if task == "embed":
        return {1: "a vector", 2: _NEAREST, 3: _NUMBER}[columns]
    return {"seq2seq": _TEXT, "tag": _TAGS, "answer": _SPAN, "fill_mask": _WORD}[task]


def check_metrics(names, answers=None):
    """Refuses what is no metric, or is none for a kind of answers.

    Args:
        names: of the metrics.
        answers: what `kind_of_answers` gave; None: any.

    Raises:
        UserError: naming the metric, and those that are accepted.
    """
    fitting = [name for name, metric in METRICS.items() if answers in (None, *metric.answers)]
    for name in names:
        if name not in METRICS:
            raise UserError(f"there is no metric {name!r}; {suggest(name, fitting)}")
        if name not in fitting:
            accepted = ", ".join(fitting) or "none"
            raise UserError(
                f"the metric {name} is not for a task that answers with {answers}; "
                f"accepted: {accepted}"
            )
