"""Configs from signatures: what is passed on, what is missing."""

import inspect

import pytest

from attention_zoo.layers import AdditiveDecoder, EncoderBlock, RecurrentEncoder
from attention_zoo.layers.layer import Layer, arguments_of, constructor_arguments
from attention_zoo.layers.options import BlockOptions, CellOptions, LayerOptions, StackOptions
from attention_zoo.layers.recurrent import Recurrent
from attention_zoo.layers.recurrent_stack import RecurrentStack
from attention_zoo.zoo import Bert


class Base(Layer):
    def __init__(self, width, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.width, self.rate = width, rate


class PassesOn(Base):
    def __init__(self, depth, *, rate=0.5, **options):
        super().__init__(2 * depth, rate, **options)
        self.depth = depth


class Closed(Base):
    def __init__(self, depth=1):
        super().__init__(depth)
        self.depth = depth


class Forgetful(Base):
    def __init__(self, width, depth, size=3, **kwargs):
        super().__init__(width, **kwargs)


class WithoutConstructor(Base):
    pass


def test_arguments_are_those_of_the_constructor_and_of_what_it_passes_on():
    required = inspect.Parameter.empty
    assert constructor_arguments(Base) == {"width": required, "rate": 0.1}
    assert constructor_arguments(PassesOn) == {"width": required, "rate": 0.5, "depth": required}
    assert constructor_arguments(Closed) == {"depth": 1}
    assert constructor_arguments(WithoutConstructor) == constructor_arguments(Base)
    assert constructor_arguments(Layer) == {}


def test_a_config_has_the_attributes():
    assert arguments_of(Base(5)) == {"width": 5, "rate": 0.1}
    config = Base(5, name="five").get_config()
    assert config == {**arguments_of(Base(5)), "name": "five", "trainable": True} | {
        "dtype": config["dtype"]
    }
    assert Base.from_config(config).get_config() == config


def test_an_argument_that_is_not_stored_is_an_error_that_names_it():
    with pytest.raises(TypeError, match=r"every constructor argument .*; Forgetful lacks depth, s"):
        Forgetful(3, 4).get_config()


@pytest.mark.parametrize(
    ("options", "layer", "others"),
    [
        (BlockOptions, EncoderBlock, {"num_heads", "feed_forward_width"}),
        (CellOptions, Recurrent, {"units", "reverse", "dropout"}),
        (StackOptions, RecurrentStack, {"width", "num_layers"}),
    ],
)
def test_options_are_those_of_the_layer_they_are_passed_to(options, layer, others):
    names = set(options.__annotations__) - set(LayerOptions.__annotations__)
    assert names == set(constructor_arguments(layer)) - others


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Bert, (9, 8)),
        (EncoderBlock, (2, 8, "relu")),
        (AdditiveDecoder, (2, 1, 3)),
        (RecurrentEncoder, (2, 1, "none")),
    ],
)
def test_options_are_given_by_name(cls, arguments):
    with pytest.raises(TypeError, match="positional argument"):
        cls(*arguments)
