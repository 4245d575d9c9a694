"""Metrics over answers: each takes the answers and the references, lists of strings."""

import sacrebleu

from attention_zoo.errors import UserError, suggest


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


# All of them are better when higher.
METRICS = {"exact_match": exact_match, "bleu": bleu, "chrf": chrf}


def compute_metrics(names, answers, references):
    """Computes metrics by name.

    Returns:
        A dict from name to value, in the order of the names.

    Raises:
        UserError: if there is no such metric.
    """
    check_metrics(names)
    return {name: METRICS[name](answers, references) for name in names}


def check_metrics(names):
    """Raises a `UserError` if one of the names is no metric."""
    for name in names:
        if name not in METRICS:
            raise UserError(f"there is no metric {name!r}; {suggest(name, METRICS)}")
