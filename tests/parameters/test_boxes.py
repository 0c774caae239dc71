"""Parts of arrays, and their names."""

import numpy as np

from gradcheck.parameters.boxes import Box, few_lines, flat_indices
from gradcheck.parameters.tree import Parameters


def test_the_places_of_a_box_are_those_in_the_flat_vector():
    """A scalar is one place; a part of a matrix behind it is counted from where the matrix begins."""
    parameters, _ = Parameters.of({"s": 1.0, "W": np.zeros((3, 4))})
    scalar, matrix = parameters.blocks

    assert flat_indices(scalar, Box(((0, 1),))).tolist() == [0]
    assert flat_indices(matrix, Box(((1, 3), (2, 3)))).tolist() == [1 + 6, 1 + 10]


def test_boxes_are_named_as_a_person_would():
    """Rows, columns, parts of vectors and of arrays with more axes."""
    parameters, _ = Parameters.of({"W": np.zeros((8, 6)), "v": np.zeros(9), "T": np.zeros((2, 3, 4))})
    blocks = {block.name: block for block in parameters.blocks}

    def words(array, *ranges):
        return Box(ranges).words(blocks[f'params["{array}"]'])

    assert words("W", (0, 8), (2, 3)) == 'column 2 of params["W"]'
    assert words("W", (3, 5), (0, 6)) == 'rows 3..4 of params["W"]'
    assert words("W", (3, 4), (1, 5)) == 'params["W"][3, 1:5]'
    assert words("v", (2, 9)) == 'params["v"][2:9]'
    assert words("T", (0, 1), (0, 3), (2, 4)) == 'params["T"][0, 0:3, 2:4]'


def test_what_two_boxes_share_and_what_is_left_of_one_are_boxes():
    """The rest holds each entry once, and no other."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)).tolist())
        parameters, _ = Parameters.of({"T": np.zeros(shape)})
        (block,) = parameters.blocks
        boxes = []
        for _ in range(2):
            ends = [sorted(rng.choice(n + 1, 2, replace=False).tolist()) for n in shape]
            boxes.append(Box(tuple((int(a), int(b)) for a, b in ends)))
        one, other = boxes
        mine, theirs = (set(flat_indices(block, box).tolist()) for box in boxes)
        shared = one.within(other)
        assert (set() if shared is None else set(flat_indices(block, shared).tolist())) == mine & theirs
        rest = [k for box in one.without(other) for k in flat_indices(block, box).tolist()]
        assert sorted(rest) == sorted(mine - theirs)


def test_of_a_box_within_another_nothing_is_left():
    """And all of one that shares nothing with it, as it is."""
    box = Box(((1, 3), (0, 2)))
    assert box.without(Box(((0, 4), (0, 2)))) == []
    assert box.within(box) == box
    assert box.without(Box(((3, 5), (0, 2)))) == [box]
    assert box.within(Box(((1, 3), (2, 3)))) is None


def test_several_lines_that_hold_three_places_each_are_told():
    """Rows before columns; not one line, nor half of them, nor where each holds less."""
    parameters, _ = Parameters.of({"v": np.zeros(9), "W": np.zeros((10, 8))})
    vector, matrix = parameters.blocks

    def told(*places, block=matrix):
        found = few_lines(block, [matrix.start + 8 * i + j for i, j in places])
        return [box.ranges for box in found]

    rows = [(i, j) for i in (2, 6) for j in (0, 3, 7)]
    assert told(*rows) == [((2, 3), (0, 8)), ((6, 7), (0, 8))]
    assert told(*((j, i) for i, j in rows)) == [((0, 10), (2, 3)), ((0, 10), (6, 7))]
    assert told(*rows[:5]) == []
    assert told(*((2, j) for j in range(8))) == []
    assert told(*((i, j) for i in range(5) for j in (0, 3, 7))) != []
    assert told(*((i, j) for i in range(6) for j in (0, 3, 7, 1, 2))) == []
    assert few_lines(vector, [vector.start, vector.start + 1, vector.start + 2]) == []
