"""Learning rates by hand."""

import pytest

from attention_zoo.train.schedules import (
    Constant,
    Cosine,
    InverseSqrt,
    LinearDecay,
    Noam,
    make_schedule,
)
from attention_zoo.train.settings import LearningRateSettings


def test_noam_is_equation_3():
    schedule = Noam(width=512, warmup=4000)
    for n in (1, 100, 4000, 40_000):
        expected = 512**-0.5 * min(n**-0.5, n * 4000**-1.5)
        assert float(schedule(n - 1)) == pytest.approx(expected, rel=1e-5)


def test_inverse_sqrt_is_noam_with_another_peak():
    schedule, noam = InverseSqrt(peak=512**-0.5 * 100**-0.5, warmup=100), Noam(512, 100)
    for step in (0, 50, 99, 100, 5000):
        assert float(schedule(step)) == pytest.approx(float(noam(step)), rel=1e-5)


def test_cosine_warms_up_and_ends_at_zero():
    schedule = Cosine(peak=0.5, steps=110, warmup=10)
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 60, 110, 500)]
    assert rates == pytest.approx([0.05, 0.25, 0.5, 0.5, 0.25, 0.0, 0.0], abs=1e-6)


def test_constant():
    assert [float(Constant(0.2, 4)(step)) for step in (0, 3, 99)] == pytest.approx([0.05, 0.2, 0.2])


def test_linear_decay_warms_up_and_ends_at_zero():
    schedule = LinearDecay(peak=0.5, steps=110, warmup=10)
    rates = [float(schedule(step)) for step in (0, 4, 10, 35, 60, 110, 500)]
    assert rates == pytest.approx([0.05, 0.25, 0.5, 0.375, 0.25, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("name", ["noam", "inverse_sqrt", "cosine", "linear", "constant"])
def test_recipe_names_and_config_round_trip(name):
    schedule = make_schedule(LearningRateSettings(schedule=name, warmup=7), width=16, steps=50)
    copy = type(schedule).from_config(schedule.get_config())
    assert [float(copy(s)) for s in (0, 7, 30)] == [float(schedule(s)) for s in (0, 7, 30)]
