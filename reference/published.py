"""Every figure that the chapter prints, with its section.

`Printed.half_unit` is half a unit of the last printed digit, the rounding that no recomputation sees behind.
Arrays are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Printed:
    """One printed figure: its section, what it is, the value, and half a unit of the last printed digit."""

    section: str
    what: str
    value: Any
    half_unit: float = 0.0


def _array(values: Any) -> Array:
    array = np.array(values)
    array.flags.writeable = False
    return array


def _table(text: str) -> Array:
    """Return a table as it is printed: a row a line, or one row."""
    rows = [[float(word) for word in line.split()] for line in text.strip().splitlines()]
    return _array(rows if len(rows) > 1 else rows[0])


# Half a unit in the 17th digit is below the spacing of float64: the printed digits are the number itself.
SUM_SQUARES_ERROR_1 = Printed("2.1", "squared error of the first output", 0.09750000000000003)
SUM_SQUARES_ERROR_2 = Printed("2.1", "squared error of the second output", 0.5975)
CROSS_ENTROPY_1 = Printed("2.2", "cross entropy of the first output", 0.510825457099338)
CROSS_ENTROPY_2 = Printed("2.2", "cross entropy of the second output", 2.302584092994546)

OUTPUT_1 = Printed("2.1", "first output", _array([0.1, 0.05, 0.6, 0, 0.05, 0.1, 0, 0.1, 0, 0]))
OUTPUT_2 = Printed("2.1", "second output", _array([0.1, 0.05, 0.1, 0, 0.05, 0.1, 0, 0.6, 0, 0]))
TARGET = Printed("2.1", "target of both outputs", _array([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))

X_TRAIN_SHAPE = Printed("2.3", "shape of x_train", (60000, 784))
T_TRAIN_SHAPE = Printed("2.3", "shape of t_train", (60000, 10))
BATCH_MASK = Printed(
    "2.3",
    "rows drawn for the mini-batch",
    _array([40250, 49018, 56428, 17728, 350, 47123, 2256, 42022, 23001, 38038]),
)
BATCH_LABELS = Printed("2.3", "place of the 1 in each row of t_batch", _array([9, 3, 8, 6, 9, 3, 4, 6, 2, 5]))

PARABOLA_DERIVATIVE = Printed("3.2", "numerical derivative of 0.01 x^2 + 0.1 x at 5", 0.1999999999990898)

GRADIENT_POINTS = Printed("4", "points of the three gradients", _array([[3.0, 4.0], [0.0, 2.0], [3.0, 0.0]]))
# NumPy prints eight digits; [6. 8.] says that those after the point round to nothing.
GRADIENTS = Printed(
    "4", "gradients of x0^2 + x1^2", _array([[6.0, 8.0], [0.0, 4.0], [6.0, 0.0]]), half_unit=5e-9
)
GRID_AXIS = Printed("4", "axis of the 18 x 18 grid", _array(np.arange(-2, 2.5, 0.25)))

DESCENT_START = Printed("4.1", "start of the descent", _array([-3.0, 4.0]))
DESCENT_END = Printed(
    "4.1", "end after 100 steps, lr 0.1", _array([-6.11110793e-10, 8.14814391e-10]), half_unit=5e-19
)

SIMPLE_NET_W = Printed(
    "4.2",
    "weights",
    _array([[0.24442401, 0.07673328, 0.0531962], [-0.43386236, -0.72365264, -1.19456457]]),
    half_unit=5e-9,
)
SIMPLE_NET_X = Printed("4.2", "input", _array([0.6, 0.9]))
SIMPLE_NET_T = Printed("4.2", "target", _array([0, 0, 1]))
SIMPLE_NET_SCORES = Printed("4.2", "scores", _array([-0.24382172, -0.60524741, -1.04319039]), half_unit=5e-9)
SIMPLE_NET_ARGMAX = Printed("4.2", "index of the largest score", 0)
SIMPLE_NET_LOSS = Printed("4.2", "loss", 1.5631117172545697)
SIMPLE_NET_GRADIENT = Printed(
    "4.2",
    "gradient of the loss by the weights",
    _array([[0.27955149, 0.1947586, -0.47431009], [0.41932724, 0.29213789, -0.71146514]]),
    half_unit=5e-9,
)
SIMPLE_NET_LARGEST = Printed("4.2", "row and column of the weight that contributes most, w_23", (2, 3))

TWO_LAYER_SHAPES = Printed(
    "5.1", "shapes of the parameters", {"W1": (784, 100), "b1": (100,), "W2": (100, 10), "b2": (10,)}
)
# Of the gradient of unseeded weights, inputs and targets only sizes and sums can be compared.
TWO_LAYER_GRADIENT_W1_CORNERS = Printed(
    "5.1",
    "first and last three rows and columns of the gradient by W1",
    _table("""
4.12874681e-04 5.57068969e-05 4.62698488e-04 6.29946184e-05 1.61149720e-04 5.08379649e-05
-7.75064768e-05 3.74171316e-05 1.98131098e-04 3.07118535e-04 -2.76146825e-04 -2.58294990e-04
2.47179446e-04 1.14914935e-04 1.49155297e-04 3.15312221e-05 8.07427725e-05 -3.63428443e-05
-1.33997369e-04 9.79498793e-05 2.10508881e-04 6.40226250e-04 -3.90395312e-04 -3.05918357e-04
-1.44952561e-04 1.02376170e-04 -6.92432334e-06 7.55235607e-05 -1.48317665e-04 -1.45591477e-04
1.22757728e-04 4.85255036e-05 3.24943898e-04 2.84179977e-04 -1.08030886e-04 -2.38506694e-04
"""),
    half_unit=5e-13,
)
TWO_LAYER_GRADIENT_B1 = Printed(
    "5.1",
    "first 32 and last 28 entries of the gradient by b1",
    _table(
        "-2.99671172e-04 -6.90856972e-05 6.96252611e-05 6.68210642e-05 3.33444579e-04 4.75449164e-04 "
        "-1.81911712e-04 -1.64923977e-04 -7.65026664e-05 -1.26409572e-04 4.44065265e-04 2.27426611e-04 "
        "1.50617105e-04 1.88252560e-04 1.83247888e-04 6.03086021e-04 2.84454131e-04 -1.65577112e-04 "
        "-3.98193722e-04 3.58017274e-04 -5.42290568e-04 5.01343065e-04 -4.80578288e-05 3.54211318e-04 "
        "4.30377018e-04 4.54712268e-05 -2.32374555e-04 -7.67978654e-04 4.99873152e-04 -1.36719409e-04 "
        "-2.65819824e-04 -1.83412663e-05 5.30817377e-04 8.44488262e-04 4.42761383e-07 2.07291295e-05 "
        "7.56670415e-05 -5.70680529e-04 -6.80985268e-05 -2.75923808e-04 -1.87628788e-04 2.42158085e-04 "
        "4.32438609e-04 5.11840135e-04 -5.06859230e-04 3.56641396e-04 1.93462371e-04 -6.92913726e-05 "
        "-5.23986605e-04 1.44224765e-04 6.31366839e-04 4.85449547e-05 3.19127875e-04 5.26282387e-04 "
        "4.47775510e-04 4.21863180e-04 -3.61360675e-05 -1.89516913e-04 -1.64691860e-05 4.60076306e-04 "
    ),
    half_unit=5e-13,
)
TWO_LAYER_GRADIENT_W2_ROWS = Printed(
    "5.1",
    "first three rows of the gradient by W2",
    _table("""
-5.78950020e-03 9.63405728e-03 1.39081787e-02 3.52733198e-02 2.31399095e-02 \
-6.22300928e-02 -5.40718982e-03 -1.55190877e-02 1.06279237e-02 -3.61871149e-03
-4.94507572e-03 1.03905826e-02 1.50818197e-02 3.38489818e-02 2.44296989e-02 \
-6.20095806e-02 -8.05469321e-03 -2.00673638e-02 1.03990614e-02 9.44415728e-04
-6.67566244e-03 7.71267436e-03 1.23262185e-02 3.59912240e-02 2.34029121e-02 \
-5.46502169e-02 -6.49307387e-03 -2.01925448e-02 9.98290234e-03 -1.41718725e-03
"""),
    half_unit=5e-11,
)
TWO_LAYER_GRADIENT_B2 = Printed(
    "5.1",
    "gradient by b2",
    _table(
        "-0.01359648 0.01625418 0.0292903 0.07022579 0.04698035 "
        "-0.11952166 -0.01323431 -0.03821938 0.02246084 -0.00063962"
    ),
    half_unit=5e-9,
)

MINIBATCH_SECONDS = Printed("5.2", "seconds of 1,000 iterations, 6:13:54", 22434.0, half_unit=0.5)
MINIBATCH_SECONDS_PER_ITERATION = Printed("5.2", "seconds per iteration", 22.43, half_unit=0.005)

EVALUATED_AT = Printed("5.3", "iterations before each accuracy", _array(np.arange(0, 6000, 600)))
TRAIN_ACCURACY = Printed(
    "5.3",
    "train accuracy",
    _table(
        "0.09751666666666667 0.81065 0.8752833333333333 0.89555 0.9062 "
        "0.9136166666666666 0.9187666666666666 0.9227666666666666 0.9268166666666666 0.9291166666666667"
    ),
)
TEST_ACCURACY = Printed(
    "5.3",
    "test accuracy",
    _table("0.0974 0.8142 0.8776 0.8994 0.9094 0.9164 0.9208 0.9247 0.9275 0.9306"),
)
TRAINING_SECONDS = Printed("5.3", "seconds of 6,000 iterations, 38:16:15", 137775.0, half_unit=0.5)
TRAINING_SECONDS_PER_ITERATION = Printed("5.3", "seconds per iteration", 22.96, half_unit=0.005)
