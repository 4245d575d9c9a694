"""Metrics over answers: each takes the answers and the references, lists of strings."""

import dataclasses
from collections.abc import Callable

import sacrebleu

from attention_zoo.errors import UserError, suggest
from attention_zoo.train.classification_metrics import macro_f1, micro_f1, pearson, spearman
from attention_zoo.train.squad_metrics import squad_exact_match, squad_f1
from attention_zoo.train.tagging_metrics import entity_f1, tag_accuracy


def exact_match(answers, references):
    """Percentage of answers that equal their reference.

    Example:
        >>> exact_match(["a", "b"], ["a", "c"])
        50.0
    """
    equal = sum(a == r for a, r in zip(answers, references, strict=True))
    return 100.0 * equal / len(references)


def bleu(answers, references):
    """Corpus BLEU of sacreBLEU with its default (13a) tokenisation, 0 to 100."""
    return sacrebleu.corpus_bleu(answers, [references]).score


def chrf(answers, references):
    """Corpus chrF of sacreBLEU (chrF2: character 6-grams, no word n-grams), 0 to 100."""
    return sacrebleu.corpus_chrf(answers, [references]).score


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
    return 100.0 * wrong / len(references)


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
    return 100.0 * distances / lengths


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
    """A function, which way is better, and what its references are.

    With `by_source` the examples of one source are one case: its references are all of
    theirs. Otherwise every example is a case of its own.
    """

    function: Callable
    higher_is_better: bool = True
    by_source: bool = False

    def gain(self, new, old):
        """How much better a new value is; negative if it is worse."""
        return new - old if self.higher_is_better else old - new


METRICS = {
    "exact_match": Metric(exact_match),
    "accuracy": Metric(exact_match),
    "macro_f1": Metric(macro_f1),
    "micro_f1": Metric(micro_f1),
    "pearson": Metric(pearson),
    "spearman": Metric(spearman),
    "entity_f1": Metric(entity_f1),
    "tag_accuracy": Metric(tag_accuracy),
    "squad_exact_match": Metric(squad_exact_match),
    "squad_f1": Metric(squad_f1),
    "bleu": Metric(bleu),
    "chrf": Metric(chrf),
    "word_error_rate": Metric(word_error_rate, higher_is_better=False, by_source=True),
    "phoneme_error_rate": Metric(phoneme_error_rate, higher_is_better=False, by_source=True),
}


def compute_metrics(names, sources, answers, references):
    """Computes metrics by name.

    Args:
        names: of the metrics.
        sources: list of strings, what was asked.
        answers: list of strings, equal ones for equal sources.
        references: list of strings, what was expected.

    Returns:
        A dict from name to value, in the order of the names.

    Raises:
        UserError: if there is no such metric.
    """
    check_metrics(names)
    if not names:
        return {}
    by_source = {}
    for source, answer, reference in zip(sources, answers, references, strict=True):
        by_source.setdefault(source, (answer, []))[1].append(reference)
    cases = {False: (answers, references), True: tuple(zip(*by_source.values(), strict=True))}
    return {name: METRICS[name].function(*cases[METRICS[name].by_source]) for name in names}


def check_metrics(names):
    """Raises a `UserError` if one of the names is no metric."""
    for name in names:
        if name not in METRICS:
            raise UserError(f"there is no metric {name!r}; {suggest(name, METRICS)}")
