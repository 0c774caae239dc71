"""gradcheck.interop.autograd: right and wrong defvjp rules, trees, and the complex convention."""

import numpy as np
import pytest

from gradcheck import GradientCheckInterrupted, Outcome

autograd = pytest.importorskip("autograd", reason="autograd is not installed: pip install '.[autograd]'")
interop = pytest.importorskip("gradcheck.interop.autograd")
anp = autograd.numpy
extend = autograd.extend

X = np.array([1.0, 2.0, -0.5])


def cube(factor):
    """x**3 with the rule factor * x**2."""
    primitive = extend.primitive(lambda x: x**3)
    extend.defvjp(primitive, lambda _, x: lambda cotangent: factor * x**2 * cotangent)
    return primitive


def test_rules_are_judged():
    """A right rule passes, for one number and an array; a wrong one is located and explained."""
    assert interop.check_function(lambda x: anp.sum(cube(3.0)(x)), X).outcome is Outcome.PASS
    assert interop.check_function(cube(3.0), X).outcome is Outcome.PASS
    report = interop.check_function(lambda x: anp.sum(cube(2.0)(x)), X)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0]", "x[1]", "x[2]"}
    assert "0.666667" in report.diagnosis[0]
    report = interop.check_function(cube(2.0), X)
    assert {m.name for m in report.wrong} == {"J[0, 0]", "J[1, 1]", "J[2, 2]"}
    assert report.call == "gradcheck.interop.autograd.check_function(f, x, rng=0)"


@pytest.mark.parametrize("outputs", [lambda y: y, anp.sum, lambda y: {"y": y, "sum": anp.sum(y)}])
def test_rules_forwards_are_judged_by_themselves(outputs):
    """mode="forward" asks defjvp alone: x is a tree, and the rule backwards is right."""

    def forwards(factor):
        primitive = cube(3.0)
        extend.defjvp(primitive, lambda tangent, _, x: factor * x**2 * tangent)
        return lambda p: outputs(primitive(p["x"]) * p["scale"])

    tree = {"x": X, "scale": 2.0}
    right = interop.check_function(forwards(3.0), tree, mode="forward")
    assert right.outcome is Outcome.PASS
    assert right.call == "gradcheck.interop.autograd.check_function(f, x, mode='forward', rng=0)"
    assert interop.check_function(forwards(2.0), tree).outcome is Outcome.PASS
    wrong = interop.check_function(forwards(2.0), tree, mode="forward")
    assert wrong.outcome is Outcome.FAIL
    assert any("0.666667 x numerical" in said for said in wrong.diagnosis)
    with pytest.raises(ValueError, match="mode must be 'reverse' or 'forward'"):
        interop.check_function(forwards(3.0), tree, mode="fwd")


@pytest.mark.parametrize("outputs", [anp.sum, anp.sin, lambda x: anp.sum(x) + 1j])
def test_a_budget_holds_and_an_interruption_has_the_adapters_call(outputs):
    """The call that asks for the kind of output is within max_nfev; Ctrl-C leaves a report with the adapter's call."""

    def check(end=None, **options):
        def f(x):
            if isinstance(x, np.ndarray):  # not a box of autograd, which calls f for its derivative
                calls.append(1)
            if len(calls) == end:
                raise KeyboardInterrupt
            return outputs(anp.sin(x))

        calls = []
        report = interop.check_function(f, X, **options)
        assert report.nfev == len(calls)
        return report

    report = check()
    assert report.outcome is Outcome.PASS
    assert check(max_nfev=24).nfev <= 24
    with pytest.raises(GradientCheckInterrupted) as caught:
        check(report.nfev)
    assert caught.value.report.call == "gradcheck.interop.autograd.check_function(f, x, rng=0)"
    assert caught.value.report.interrupted


def test_a_wrong_leaf_of_a_tree_is_named():
    """The rule for w is wrong, that for b is not; args are not differentiated."""

    def f(p, k):
        return k * anp.sum(cube(2.0)(p["w"]) * p["b"][0])

    report = interop.check_function(f, {"w": X, "b": [X + 1]}, args=(2.0,))
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f'params["w"][{i}]' for i in range(3)}


def test_complex_gradients_are_conjugated():
    """autograd gives df/dRe - i df/dIm; a rule with the other sign is refused in the imaginary parts."""

    def norm(sign):
        f = extend.primitive(lambda z: np.sum(np.abs(z) ** 2))
        extend.defvjp(f, lambda _, z: lambda u: 2 * u * (z.real + sign * 1j * z.imag))
        return f

    z = np.array([1 + 2j, -0.3 + 0.1j])
    assert interop.check_function(lambda z: anp.sum(anp.abs(z) ** 2 * anp.imag(z)), z).outcome is Outcome.PASS
    assert interop.check_function(norm(-1), z).outcome is Outcome.PASS
    report = interop.check_function(norm(+1), z)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0].imag", "x[1].imag"}


def test_complex_outputs_are_judged_by_one_random_cotangent():
    """fft of complex x passes, as does a rule for i z; the conjugate of that rule fails."""

    def turn(sign):
        f = extend.primitive(lambda z: 1j * z)
        extend.defvjp(f, lambda _, z: lambda u: sign * 1j * u)
        return f

    z = np.array([1 + 2j, -0.3 + 0.1j])
    assert interop.check_function(anp.fft.fft, z).outcome is Outcome.PASS
    assert interop.check_function(turn(+1), z).outcome is Outcome.PASS
    assert interop.check_function(turn(-1), z).outcome is Outcome.FAIL


def test_a_mistake_in_the_imaginary_output_alone_is_seen():
    """x + i x^2 of real x: the cotangent has both parts, and a rule that drops the second fails."""

    def curve(rule):
        f = extend.primitive(lambda x: x + 1j * x**2)
        extend.defvjp(f, lambda _, x: lambda u: rule(u, x))
        return f

    right = curve(lambda u, x: np.real(u) - 2 * x * np.imag(u))
    assert interop.check_function(right, X).outcome is Outcome.PASS
    assert interop.check_function(curve(lambda u, x: np.real(u)), X).outcome is Outcome.FAIL


def test_a_rule_that_ignores_what_comes_in_fails_in_words():
    """For one number, whose cotangent is 1 and cannot show it, and for an array."""
    alone = extend.primitive(lambda x: x**3)
    extend.defvjp(alone, lambda _, x: lambda cotangent: 3.0 * x**2 + 0 * cotangent)

    for f in (lambda x: anp.sum(alone(x)), alone):
        report = interop.check_function(f, X)
        assert report.outcome is Outcome.FAIL
        assert "the incoming gradient is not multiplied in" in " ".join((report.reason, *report.notes))


@pytest.mark.parametrize("outputs", [lambda y: y, lambda y: anp.sum(y**2)])
def test_a_rule_of_another_shape_than_its_argument_is_told(outputs):
    """The sum over a broadcast axis is missing, and autograd cannot add it up; the rule with it passes."""
    multiply = extend.primitive(lambda x, b: x * b)
    extend.defvjp(multiply, lambda _, x, b: lambda u: u * b, lambda _, x, b: lambda u: u * x)
    mended = extend.primitive(lambda x, b: x * b)
    extend.defvjp(mended, lambda _, x, b: lambda u: u * b, lambda _, x, b: lambda u: anp.sum(u * x, 0))
    x = {"x": np.arange(1.0, 21.0).reshape(5, 4), "b": np.array([1.0, -2.0, 0.5, 3.0])}

    assert interop.check_function(lambda p: outputs(mended(p["x"], p["b"])), x).outcome is Outcome.PASS
    with pytest.raises(
        ValueError, match="one has another shape than its argument, a sum over a broadcast axis is"
    ):
        interop.check_function(lambda p: outputs(multiply(p["x"], p["b"])), x)


def test_what_a_rule_raises_is_its_own():
    """With its own text and line, not taken for a misfit."""

    def rule(_, x):
        def pulled(cotangent):
            raise ValueError("not written yet")

        return pulled

    primitive = extend.primitive(lambda x: x**3)
    extend.defvjp(primitive, rule)
    with pytest.raises(ValueError, match="not written yet"):
        interop.check_function(primitive, X)


@pytest.mark.parametrize(
    ("outputs", "entries"),
    [
        (lambda y: [anp.sin(y), anp.cos(y)], 18),
        (lambda y: (y, anp.sum(y)), 12),
        (lambda y: {"a": y, "b": (anp.exp(y), 3.0)}, 21),
        (lambda y: [y[0] * y[1], y[2]], 6),
    ],
)
def test_outputs_may_be_a_tree(outputs, entries):
    """A list of arrays was judged by half of its derivative: a right rule failed."""
    right = interop.check_function(lambda x: outputs(cube(3.0)(x)), X)
    assert right.outcome is Outcome.PASS
    assert f"all {entries} entries" in right.reason
    assert interop.check_function(lambda x: outputs(cube(2.0)(x)), X).outcome is Outcome.FAIL


@pytest.mark.parametrize(("returned", "said"), [(None, "None"), ("1", "str"), ([], "a list without any")])
def test_outputs_that_are_no_numbers_are_refused_by_name(returned, said):
    """A forgotten return."""
    allowed = "f must return a number or an array, or a tuple, list or dict of them"
    with pytest.raises(TypeError, match=f"^{allowed}; it returned {said}$"):
        interop.check_function(lambda x: returned, X)


def test_what_is_no_function_or_tuple_is_refused_by_name():
    """Not with the words of what failed inside."""
    with pytest.raises(TypeError, match="f must be callable, not NoneType"):
        interop.check_function(None, X)
    with pytest.raises(TypeError, match="args must be a tuple of further arguments"):
        interop.check_function(lambda x, a: (a * x).sum(), X, args=X)
