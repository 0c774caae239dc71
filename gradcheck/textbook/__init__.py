"""The textbook chapter's NumPy implementation: the code under test.

The corrected forms are the default; what the chapter prints comes from the forms whose names say so
(`softmax_whole_array`, `cross_entropy_published`, ...).
"""

from gradcheck.textbook.activations import sigmoid, softmax, softmax_whole_array
from gradcheck.textbook.descent import gradient_descent
from gradcheck.textbook.losses import (
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    sum_squares_error,
)
from gradcheck.textbook.mnist import Dataset, fetch_mnist, load_mnist
from gradcheck.textbook.networks import SimpleNet, TwoLayerNet, structured_gradient
from gradcheck.textbook.numerical import (
    gradient_field,
    gradient_for_anydim_published,
    numerical_diff,
    numerical_gradient,
)
from gradcheck.textbook.training import TrainingResult, train

__all__ = [
    "Dataset",
    "SimpleNet",
    "TrainingResult",
    "TwoLayerNet",
    "cross_entropy",
    "cross_entropy_error",
    "cross_entropy_label",
    "cross_entropy_label_published",
    "cross_entropy_onehot",
    "cross_entropy_published",
    "fetch_mnist",
    "gradient_descent",
    "gradient_field",
    "gradient_for_anydim_published",
    "load_mnist",
    "numerical_diff",
    "numerical_gradient",
    "sigmoid",
    "softmax",
    "softmax_whole_array",
    "structured_gradient",
    "sum_squares_error",
    "train",
]
