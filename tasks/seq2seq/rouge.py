"""ROUGE, computed by the package rouge-score."""

from attention_zoo.errors import UserError
from attention_zoo.tasks.seq2seq.metrics import bleu_tokenize, split_unspaced
from attention_zoo.train.metrics import TEXT, register_metric

_EXTRA = "pip install 'attention-zoo[rouge]'"


class _Characters:
    """A tokenizer of rouge-score for scripts without spaces: every character is a token."""

    def tokenize(self, text):
        return split_unspaced(text.lower())


def rouge_signature(references):
    """Version and tokenization, as `bleu_signature` has them.

    Example:
        >>> rouge_signature(["一只猫"])
        'rouge-score:0.1.2|f1|stem:no|tok:characters'
    """
    from importlib.metadata import version

    spaced = bleu_tokenize(references) == "13a"
    tokens = "stem:yes|tok:default" if spaced else "stem:no|tok:characters"
    return f"rouge-score:{version('rouge-score')}|f1|{tokens}"


def _score(kind, answers, references):
    """The mean of the F1 of all answers, 0 to 100."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise UserError(f"ROUGE needs rouge-score: {_EXTRA}") from error
    by_word = RougeScorer([kind], use_stemmer=True)
    by_character = RougeScorer([kind], tokenizer=_Characters())
    scores = [
        # By each reference, so that the mean is that of values of single texts.
        (by_word if bleu_tokenize([reference]) == "13a" else by_character).score(reference, answer)
        for answer, reference in zip(answers, references, strict=True)
    ]
    scores = [score[kind].fmeasure for score in scores]
    return 100.0 * sum(scores) / max(len(scores), 1)


def _register(name, kind, of_what):
    def rouge(answers, references):
        return _score(kind, answers, references)

    rouge.__doc__ = f"""ROUGE ("ROUGE", Lin 2004): F1 of {of_what}, the mean of all texts, 0 to 100.

    English words are stemmed; in Chinese and other scripts without spaces each character counts.
    """
    rouge.__name__ = name
    return register_metric(name, (TEXT,), signature=rouge_signature, is_mean=True)(rouge)


rouge_1 = _register("rouge_1", "rouge1", "single words")
rouge_2 = _register("rouge_2", "rouge2", "pairs of words")
rouge_l = _register("rouge_l", "rougeL", "the longest common subsequence")
