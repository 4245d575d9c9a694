"""Sweeps over cases, most of which are slow."""

import pytest


def quick_and_slow(cases, quick):
    """The cases of a sweep, those marked slow that are not among the quick ones.

    Args:
        cases: values of a parameter, or rows of several, whose first one is the name.
        quick: the names of those that always run.
    """
    names = [case[0] if isinstance(case, tuple) else case for case in cases]
    assert set(quick) <= set(names), f"no such cases: {set(quick) - set(names)}"
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=[] if name in quick else [pytest.mark.slow],
        )
        for name, case in zip(names, cases, strict=True)
    ]
