"""The figures of a report."""

import io
import json
import pickle

import matplotlib.figure
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess

import gradcheck
from gradcheck.html import render
from gradcheck.report.plots import SHOWN, panels

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 5)), RNG.normal(size=(20, 3))
PARAMS = {"W1": RNG.normal(size=(5, 4)), "b1": RNG.normal(size=4), "W2": RNG.normal(size=(4, 3))}


def loss(p):
    """The mean squared error of a small network."""
    return float(np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - Y) ** 2))


def backpropagated(p, factor=1.0, at=(3, 2)):
    """The gradient of `loss`, one entry of W1 off by a factor."""
    hidden = np.tanh(X @ p["W1"] + p["b1"])
    d = 2 * (hidden @ p["W2"] - Y) / Y.size
    e = d @ p["W2"].T * (1 - hidden**2)
    gradient = {"W1": X.T @ e, "b1": e.sum(axis=0), "W2": hidden.T @ d}
    gradient["W1"][at] *= factor
    return gradient


@pytest.fixture(scope="module")
def right():
    """A check that passes, entry by entry."""
    return gradcheck.check_gradient(loss, backpropagated, PARAMS, method="sweep")


@pytest.fixture(scope="module")
def wrong():
    """A check that fails in W1[3, 2]."""
    return gradcheck.check_gradient(loss, lambda p: backpropagated(p, 1.1), PARAMS, method="sweep")


def drawn(report, title):
    """The axes of one panel."""
    (panel,) = (p for p in panels(report) if p.title.startswith(title))
    axes = matplotlib.figure.Figure().subplots()
    panel.draw(axes)
    return axes


def series(axes, label):
    """The points of the line whose label starts so."""
    (line,) = (line for line in axes.lines if str(line.get_label()).startswith(label))
    return np.array(line.get_xdata()), np.array(line.get_ydata())


@pytest.mark.slow
def test_a_figure_has_three_panels_and_is_in_no_global_list(wrong):
    """plot() returns a Figure that pyplot does not know of."""
    import matplotlib.pyplot as plt

    figure = wrong.plot()

    assert isinstance(figure, matplotlib.figure.Figure)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "Analytic and numerical",
        'Step and error: params["W1"][3, 2]',
        'Error map: params["W1"]',
    ]
    assert plt.get_fignums() == []
    figure.savefig(io.BytesIO())


def test_axes_of_the_callers_are_used(wrong):
    """plot(ax) draws there and nowhere else, and returns the whole figure, also of a subfigure."""
    figure = matplotlib.figure.Figure()
    left, other = figure.subfigures(1, 2)
    mine, untouched = left.subplots(), other.subplots()

    assert wrong.plot(ax=mine) is figure
    assert mine.get_title() == "Analytic and numerical"
    assert not untouched.has_data()


def test_nothing_measured_is_no_figure():
    """Where grad returned no numbers, plot says so instead of drawing an empty figure."""
    report = gradcheck.check_gradient(loss, lambda p: {"W1": 0.0}, PARAMS)

    assert report.evidence is None
    with pytest.raises(ValueError, match="nothing to plot"):
        report.plot()


def test_a_report_of_several_checks_shows_the_first_panel_of_each_the_worst_first():
    """Points, a gradient and its Hessian, a problem: each says whose it is; the wrong one comes first."""
    x = np.array([0.3, -0.4, 0.8])

    def wrong_hessian(x):
        return 1.01 * rosen_hess(x)

    report = gradcheck.check_gradient(rosen, rosen_der, x, hessian=wrong_hessian)
    titles = [axes.get_title() for axes in report.plot().axes if axes.get_title()]
    assert titles[:2] == ["hessian: Analytic and numerical", "gradient: Analytic and numerical"]
    assert [key for key, _ in report.parts] == ["hessian", "gradient"]
    assert report.parts[0][1].outcome is gradcheck.Outcome.FAIL
    assert "parts" not in report.to_dict()
    assert pickle.loads(pickle.dumps(report)) == report

    points = gradcheck.check_points(rosen, rosen_der, [x, x + 1.0])
    assert [panel.title for panel in panels(points)[:2]] == [
        "point 0: Analytic and numerical",
        "point 1: Analytic and numerical",
    ]
    assert panels(points)[1].alt.startswith("point 1: Analytic against numerical")
    assert gradcheck.check_problem(rosen, x, jac=rosen_der).plot() is not None


@pytest.mark.slow
def test_a_taylor_test_shows_its_remainder_beside_its_order():
    """On logarithmic scales: h^2 through the largest step, which a right derivative follows and a wrong one leaves."""
    x = np.array([0.3, -0.4, 0.8])
    for derivative, follows in ((rosen_der, True), (lambda x: 1.05 * rosen_der(x), False)):
        result = gradcheck.taylor_test(rosen, derivative, x)
        figure = result.plot()
        (axes,) = figure.axes
        h, left = series(axes, "remainder")
        _, reference = series(axes, "as h^2")

        assert h.tolist() == list(result.steps)
        assert left.tolist() == list(result.remainders)
        assert reference[0] == left[0]
        near = np.argmin(np.abs(np.log(h / h[0]) - np.log(0.01)))
        assert bool(abs(np.log10(left[near] / reference[near])) < 0.1) is follows
        assert figure.get_suptitle().startswith(result.outcome.value)

        mine = matplotlib.figure.Figure().subplots()
        assert result.plot(ax=mine) is mine.figure
        assert json.loads(result.to_json()) == result.to_dict()
        assert result.outcome.value in result._repr_html_()
        assert result.reason in render([], [result])

    nan = gradcheck.taylor_test(lambda x: np.nan, rosen_der, x)
    with pytest.raises(ValueError, match="nothing to plot, f was taken at no step"):
        nan.plot()


def test_scatter_shows_every_entry_where_it_is(wrong):
    """35 right entries and one wrong one lie at (numerical, analytic)."""
    axes = drawn(wrong, "Analytic")
    n = 5 * 4 + 4 + 4 * 3
    flat = np.concatenate([backpropagated(PARAMS)[name].ravel() for name in PARAMS])

    numerical, analytic = series(axes, "agree")
    assert analytic.size == n - 1
    # Both are derivatives of a loss of some 1; central differences are good to 1e-8 at the least.
    np.testing.assert_allclose(numerical, np.delete(flat, 3 * 4 + 2), atol=1e-8)
    (at,), (given,) = series(axes, "wrong")
    assert at == pytest.approx(flat[3 * 4 + 2], abs=1e-8)
    assert given == pytest.approx(1.1 * flat[3 * 4 + 2])


def placed(axes, points):
    """Points of the data as they lie in the axes: (0, 0) is the lower left corner, (1, 1) the upper right one."""
    axes.figure.draw_without_rendering()
    return axes.transAxes.inverted().transform(axes.transData.transform(points))


@pytest.mark.slow
@pytest.mark.parametrize("x", [3.1, [0.7], [3.0, 3.0000001], [-1e150]])
def test_what_agrees_lies_on_the_diagonal(x):
    """Also where all values are one: the scale is no finer than a tenth of them. The neighbour is off by a half."""

    def distances(factor):
        report = gradcheck.check_gradient(
            lambda x: float(np.sum(np.square(x))), lambda x: factor * np.asarray(x), x
        )
        axes = drawn(report, "Analytic")
        points = np.column_stack(series(axes, "agree" if report else "wrong"))
        return np.abs(np.diff(placed(axes, points)))

    assert distances(2.0).max() < 0.01
    assert distances(3.0).min() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    "analytic", [[9.0], [9.0, 1.0], [2.0, 0.0, -3.0], [-6.0, 6.0], [9.0, 2.0, 6.0, -2.0]]
)
def test_the_legend_hides_no_wrong_entry(analytic):
    """Wherever the wrong ones lie: in the upper left, in the lower right, in both."""
    x = np.array([3.0, 1.0, -1.5, -1.0])[: len(analytic)] if len(analytic) != 2 else np.array([3.0, -3.0])
    report = gradcheck.check_gradient(lambda x: float(x @ x), np.array(analytic), x)
    axes = report.plot().axes[0]
    at = axes.transAxes.transform(placed(axes, np.column_stack(series(axes, "wrong"))))
    box = axes.get_legend().get_window_extent()

    assert report.wrong
    assert not any(box.padded(8).contains(*point) for point in at)  # half a mark


def test_names_of_arrays_do_not_lie_over_each_other():
    """Long ones are shortened and set at a tilt; of many every third is named; few short ones stand upright."""
    for names, tilted in (
        (["a", "b"], False),
        (["weights of the first hidden layer", "w", "scale"], True),
        ([f"layer{k}.weight" for k in range(30)], True),
    ):
        x = {name: RNG.normal(size=3) for name in names}
        report = gradcheck.check_gradient(
            lambda p: float(sum(np.sin(v).sum() for v in p.values())),
            lambda p: {k: np.cos(v) for k, v in p.items()},
            x,
            method="directions",
        )
        axes = drawn(report, "Random directions")
        labels = [label for label in axes.get_xticklabels() if label.get_text()]

        assert 2 <= len(labels) <= 15
        assert max(len(label.get_text()) for label in labels) <= 24
        assert all(bool(label.get_rotation()) is tilted for label in labels)


def test_the_legend_of_a_map_lies_over_no_cell(wrong):
    """But below it."""
    axes = drawn(wrong, 'Error map: params["W1"]')
    axes.figure.draw_without_rendering()

    assert axes.get_legend().get_window_extent().y1 <= axes.get_window_extent().y0


def test_a_right_gradient_has_no_wrong_series(right):
    """No marker and no words accuse a gradient that passed."""
    labels = [str(line.get_label()) for line in drawn(right, "Analytic").lines]

    assert any(label.startswith("agree: 36") for label in labels)
    assert not any(label.startswith("wrong") for label in labels)
    assert "0 wrong" in panels(right)[0].alt


def test_many_entries_are_thinned_and_counted_in_full():
    """A thousand points are drawn of more; the words count all of them."""
    n = SHOWN + 500
    report = gradcheck.check_gradient(lambda x: float(x @ x), lambda x: 2 * x, np.ones(n), method="sweep")
    axes = drawn(report, "Analytic")

    assert series(axes, f"agree: {n:,}")[0].size == SHOWN


def test_branches_have_their_orders_and_meet_at_the_measured_values(wrong):
    """Rounding falls as 1/h and truncation grows as h^4, through what was measured at the chosen step."""
    axes = drawn(wrong, "Step")
    entries = wrong.evidence.entries
    row = int(np.flatnonzero(entries.judgement.wrong)[0])
    (step,), (error,) = series(axes, "chosen")

    assert step == entries.estimate.step[row]
    assert error == entries.estimate.error[row]
    for label, order, part in (("rounding", -1, "noise"), ("truncation", 4, "truncation")):
        h, size = series(axes, label)
        slope = np.diff(np.log(size)) / np.diff(np.log(h))
        np.testing.assert_allclose(slope, order, rtol=1e-9)  # logarithms of rounded numbers
        at_step = np.exp(np.interp(np.log(step), np.log(h), np.log(size)))
        assert at_step == pytest.approx(getattr(entries.estimate, part)[row], rel=1e-9)


def test_at_a_kink_the_jump_stays_however_short_the_step():
    """Half of |x|'s jump of 2 is no truncation, which would vanish; the neighbour away from it has truncation."""
    report = gradcheck.check_gradient(lambda x: float(np.abs(x).sum()), np.sign, np.array([0.0, 1.0]))
    (panel,) = (panel for panel in panels(report) if panel.title == "Step and error")
    axes = drawn(report, "Step and error")
    _, jump = series(axes, "jump of the slope")

    assert "the jump of the slope stays" in panel.alt
    assert np.ptp(jump) == 0
    assert 1 <= jump[0] <= 3
    assert "truncation" not in " ".join(str(line.get_label()) for line in axes.lines)


def test_plain_central_differences_bend_as_the_square_of_the_step():
    """Where a few entries were borne out by them."""
    x = np.linspace(0.3, 1.5, 4)
    report = gradcheck.check_gradient(lambda x: float(np.sum(np.exp(x) + x**3)), np.exp(x) + 3 * x**2, x)
    assert report.nfev == 9
    h, size = series(drawn(report, "Step"), "truncation, as h^2")

    np.testing.assert_allclose(np.diff(np.log(size)) / np.diff(np.log(h)), 2, rtol=1e-9)


POINT = np.array([[0.5, -2.0], [0.0, 1e-9]])
KINDS = {
    "complex step": lambda g: gradcheck.check_gradient(lambda x: (x**3).sum(), g, POINT, method="complex"),
    "plain differences": lambda g: gradcheck.check_gradient(lambda x: (x**3).sum(), g, POINT),
    "sweep": lambda g: gradcheck.check_gradient(lambda x: float((x**3).sum()), g, POINT, method="sweep"),
    "directions": lambda g: gradcheck.check_gradient(lambda x: (x**3).sum(), g, POINT, method="directions"),
    "float32": lambda g: gradcheck.check_gradient(lambda x: (x.astype("f4") ** 3).sum(), g, POINT),
    "kink": lambda g: gradcheck.check_gradient(lambda x: float(np.abs(x).sum()), g, POINT),
    "constant": lambda g: gradcheck.check_gradient(lambda x: 3.0, g, POINT),
    "many": lambda g: gradcheck.check_gradient(lambda x: (x**3).sum(), g, np.linspace(-1, 1, 400).reshape(20, 20)),
    "Jacobian": lambda g: gradcheck.check_jacobian(lambda x: x**3, lambda x: np.diag(g(x).ravel()), POINT),
    "one column": lambda g: gradcheck.check_jacobian(lambda x: x * np.ones(3), lambda x: np.ones(3), 2.0),
    "Hessian": lambda g: gradcheck.check_hessian(lambda x: 3 * x**2, lambda x: np.diag(6 * x), np.array([1.0, 2.0])),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 1.3, 0.0])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_was_measured_can_be_drawn(kind, factor):
    """No panel of any report raises or warns: a page of a long run must not be lost for one of its figures."""
    report = KINDS[kind](lambda x: factor * 3 * x**2)

    for panel in panels(report):
        figure = matplotlib.figure.Figure()
        panel.draw(figure.subplots())
        figure.savefig(io.BytesIO(), format="svg")


def test_a_complex_step_has_no_step_to_show():
    """It takes no difference: the panel of step and error is left out, beside a report that has it."""
    titles = [
        [p.title for p in panels(KINDS[kind](lambda x: 3 * x**2))] for kind in ("complex step", "sweep")
    ]

    assert "Step and error" not in titles[0]
    assert "Step and error" in titles[1]


def test_map_marks_the_wrong_entry_and_no_other(wrong, right):
    """W1[3, 2] is marked at column 2, row 3; W2 and a right gradient have no mark."""
    (marks,) = drawn(wrong, 'Error map: params["W1"]').collections
    np.testing.assert_array_equal(marks.get_offsets(), [[2, 3]])

    assert not drawn(wrong, 'Error map: params["W2"]').collections
    assert not drawn(right, 'Error map: params["W1"]').collections


def test_map_shows_the_excess_over_what_is_allowed(wrong):
    """The wrong entry is the brightest, above 0; all others are below."""
    (image,) = drawn(wrong, 'Error map: params["W1"]').images
    share = np.array(image.get_array())

    assert np.unravel_index(np.argmax(share), share.shape) == (3, 2)
    assert share[3, 2] > 0
    assert np.delete(share.ravel(), 3 * 4 + 2).max() < 0


def test_only_arrays_of_two_axes_have_a_map(wrong):
    """The bias and complex arrays have none."""
    assert [p.title for p in panels(wrong) if "map" in p.title] == [
        'Error map: params["W1"]',
        'Error map: params["W2"]',
    ]
    z = np.ones((2, 2), complex)
    of_complex = gradcheck.check_gradient(lambda z: float(np.sum(np.abs(z) ** 2)), lambda z: 2 * z, z)
    assert of_complex
    assert not [p for p in panels(of_complex) if "map" in p.title]


def test_directions_are_drawn_where_no_entry_was_judged():
    """A gradient of 400 entries is tested by directions: each within its dash, none beyond it."""
    report = gradcheck.check_gradient(lambda x: float(np.sum(np.sin(x))), np.cos, np.linspace(0.1, 3, 400))
    (panel,) = panels(report)

    assert report
    assert panel.title == "Random directions"
    assert "random directions of 1 array" in panel.alt
    assert panel.alt.endswith("0 beyond it.")
    axes = drawn(report, "Random")
    allowed, sizes = axes.lines[0].get_ydata(), axes.lines[1].get_ydata()
    assert len(sizes) == len(report.evidence.arrays[0].residuals) >= 2
    assert (np.asarray(sizes) <= np.asarray(allowed)).all()


def test_directions_of_a_gradient_divided_by_its_factor_are_not_those_of_the_gradient():
    """Half of the gradient is wrong everywhere; that twice of it lies within what is allowed is no panel of its own."""
    x = np.random.default_rng(0).normal(size=(12, 8))
    report = gradcheck.check_gradient(lambda x: float(np.log1p(x**2).sum()), lambda x: x / (1 + x**2), x)

    assert not report
    assert "Random directions" not in [panel.title for panel in panels(report)]


def test_a_map_of_equal_shares_has_a_scale_of_a_decade():
    """Entries that are off by one factor differ by rounding: no scale that counts from an offset."""
    report = gradcheck.check_gradient(
        lambda x: float(np.sum(x)), lambda x: np.full((3, 3), 0.5), np.ones((3, 3))
    )

    (image,) = drawn(report, "Error map").images
    low, high = image.get_clim()
    assert high - low >= 1


@pytest.mark.slow
def test_a_dollar_in_a_name_is_no_formula():
    """A name that is a formula, and no valid one, is drawn as it is."""
    x = {"$x^$": np.ones((2, 2))}
    figure = gradcheck.check_gradient(
        lambda p: float(sum(np.sum(v**2) for v in p.values())),
        lambda p: {k: 2.1 * v for k, v in p.items()},
        x,
    ).plot()

    figure.savefig(io.BytesIO())


@pytest.mark.slow
def test_infinite_analytic_entries_do_not_spoil_the_scale():
    """An entry that is not finite is wrong, and the others are drawn."""
    report = gradcheck.check_gradient(
        lambda x: float(x @ x), lambda x: np.array([np.nan, 2.0, 2.0]), np.ones(3)
    )

    assert not report
    axes = drawn(report, "Analytic")
    assert series(axes, "agree")[0].size == 2
    assert np.isfinite(axes.lines[0].get_xydata()).all()  # the diagonal
    report.plot().savefig(io.BytesIO())


def test_evidence_is_no_part_of_the_dictionary_nor_of_equality(right):
    """What figures need does not swell the JSON; two reports with the same words are equal."""
    from dataclasses import replace

    assert "evidence" not in right.to_dict()
    assert "evidence" not in json.loads(right.to_json())
    assert right == replace(right, evidence=None)
    assert right != replace(right, nfev=0)
