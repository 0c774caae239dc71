"""gradcheck.interop.jax: custom_vjp and custom_jvp, pytrees, precision, and the complex convention."""

import collections

import numpy as np
import pytest

from gradcheck import Outcome, check_adjoint, check_gradient

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")
interop = pytest.importorskip("gradcheck.interop.jax")
jnp = jax.numpy

X = np.array([1.0, 2.0, -0.5], np.float32)
Layer = collections.namedtuple("Layer", "w b")


def custom_vjp(factor):
    """x**3 with the rule factor * x**2."""
    cube = jax.custom_vjp(lambda x: x**3)
    cube.defvjp(lambda x: (x**3, x), lambda x, cotangent: (factor * x**2 * cotangent,))
    return cube


def custom_jvp(factor):
    """x**3 with the rule factor * x**2."""
    cube = jax.custom_jvp(lambda x: x**3)
    cube.defjvp(lambda primals, tangents: (cube(*primals), factor * primals[0] ** 2 * tangents[0]))
    return cube


@pytest.mark.parametrize("rule", [custom_vjp, custom_jvp])
def test_rules_are_judged_backwards(rule):
    """Right rules pass at double precision, jitted too; wrong ones are located and explained."""
    for f in (rule(3.0), lambda x: rule(3.0)(x).sum(), jax.jit(rule(3.0))):
        report = interop.check_function(f, X)
        assert report.outcome is Outcome.PASS
        assert report.detectable < 1e-5
    report = interop.check_function(lambda x: rule(2.0)(x).sum(), X)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0]", "x[1]", "x[2]"}
    assert "0.666667" in report.diagnosis[0]
    report = interop.check_function(rule(2.0), X)
    assert {m.name for m in report.wrong} == {"J[0, 0]", "J[1, 1]", "J[2, 2]"}


@pytest.mark.parametrize("outputs", [jnp.asarray, jnp.sum])
def test_custom_jvp_is_judged_forwards(outputs):
    """mode="forward" asks jax.jvp, also for one number."""
    right = interop.check_function(lambda x: outputs(custom_jvp(3.0)(x)), X, mode="forward")
    assert right.outcome is Outcome.PASS
    wrong = interop.check_function(lambda x: outputs(custom_jvp(2.0)(x)), X, mode="forward")
    assert wrong.outcome is Outcome.FAIL
    assert len(wrong.wrong) == 3
    assert right.call == "gradcheck.interop.jax.check_function(f, x, mode='forward', rng=0)"
    with pytest.raises(ValueError, match="mode must be 'reverse' or 'forward'"):
        interop.check_function(jnp.sum, X, mode="both")


def test_pytrees_have_their_paths_as_names():
    """f gets the structure that it was written for; a wrong leaf is named, the others are not."""

    def f(p, k):
        assert isinstance(p["layers"][0], Layer)
        return k * jnp.sum(custom_vjp(2.0)(p["layers"][0].w) * p["layers"][0].b)

    report = interop.check_function(f, {"layers": [Layer(X, X + 1)]}, args=(2.0,))
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f'params["layers.0.w"][{i}]' for i in range(3)}
    assert [a.name for a in report.arrays] == ['params["layers.0.w"]', 'params["layers.0.b"]']
    alike = {"a": {"b": X}, "a.b": X}
    report = interop.check_function(lambda p: jnp.sum(p["a"]["b"] * p["a.b"] ** 2), alike)
    assert report.outcome is Outcome.PASS
    assert len(report.arrays) == 2


def test_outputs_may_be_a_pytree():
    """Their entries one after another are the rows of J."""
    report = interop.check_function(lambda x: {"square": x**2, "sum": x.sum()}, X)
    assert report.outcome is Outcome.PASS
    assert report.arrays[0].shape == (4, 3)


def test_the_setting_of_jax_is_used_within_the_check_alone():
    """With 64 bits a mistake of 1e-5 is seen; x64=False cannot see it, and says why; the setting stays as it was."""

    def slightly_wrong(x):
        return jnp.sum(custom_vjp(3.0 * (1 + 1e-5))(x))

    before = jax.config.jax_enable_x64
    assert interop.check_function(slightly_wrong, X).outcome is Outcome.FAIL
    single = interop.check_function(slightly_wrong, X, x64=False)
    assert single.outcome is Outcome.PASS
    assert single.detectable > 1e-5
    assert any("x64 is off" in note for note in single.notes)
    assert jax.config.jax_enable_x64 == before
    assert interop.check_function(lambda x: custom_vjp(2.0)(x).sum(), X, x64=False).outcome is Outcome.FAIL


def test_a_cast_within_f_is_said():
    """x64 is on, but f computes in float32."""
    report = interop.check_function(lambda x: jnp.sum(x.astype(jnp.float32) ** 2), X)
    assert any("f returns float32 where x is float64" in note for note in report.notes)
    assert not any("float32" in note for note in interop.check_function(lambda x: jnp.sum(x**2), X).notes)


def test_complex_gradients_are_conjugated():
    """jax.grad of |z|^2 Im z passes; a rule that gives the steepest ascent, PyTorch's convention, is refused."""

    def norm(sign):
        f = jax.custom_vjp(lambda z: jnp.sum(jnp.abs(z) ** 2))
        f.defvjp(
            lambda z: (jnp.sum(jnp.abs(z) ** 2), z),
            lambda z, u: (2 * u * (z.real + sign * 1j * z.imag),),
        )
        return f

    z = np.array([1 + 2j, -0.3 + 0.1j])
    assert interop.check_function(lambda z: jnp.sum(jnp.abs(z) ** 2 * z.imag), z).outcome is Outcome.PASS
    assert interop.check_function(norm(-1), z).outcome is Outcome.PASS
    report = interop.check_function(norm(+1), z)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0].imag", "x[1].imag"}


def test_complex_outputs_are_judged_by_one_random_cotangent():
    """The convention of jax.vjp for outputs: fft passes for complex and real x; a conjugated rule fails."""
    z = np.array([1 + 2j, -0.3 + 0.1j, 0.5j])
    for x in (z, X):
        report = interop.check_function(jnp.fft.fft, x)
        assert report.outcome is Outcome.PASS
        assert any("random cotangent" in note for note in report.notes)

    turn = jax.custom_vjp(lambda z: 1j * z)
    turn.defvjp(lambda z: (1j * z, None), lambda _, u: (-1j * u,))
    assert interop.check_function(lambda z: 1j * z, z).outcome is Outcome.PASS
    assert interop.check_function(turn, z).outcome is Outcome.FAIL


@pytest.mark.parametrize("x64", [True, False])
def test_a_rule_that_ignores_what_comes_in_fails_in_words(x64):
    """For one number, whose cotangent is 1 and cannot show it, and for an array; with 64 bits and without."""
    alone = jax.custom_vjp(lambda x: x**3)
    alone.defvjp(lambda x: (x**3, x), lambda x, _: (3 * x**2,))

    for f in (lambda x: alone(x).sum(), alone):
        report = interop.check_function(f, X, x64=x64)
        assert report.outcome is Outcome.FAIL
        assert "the incoming gradient is not multiplied in" in " ".join((report.reason, *report.notes))


@pytest.mark.parametrize(
    ("outputs", "returned"),
    [
        (lambda y: None, "None"),
        (lambda y: (None,), "a tuple without any"),
        (lambda y: (y, 3.0), "float among others"),
    ],
)
def test_outputs_that_are_no_arrays_are_refused_by_name(outputs, returned):
    """A forgotten return, and a number of Python."""
    said = rf"f must return an array of JAX, or a tuple, list or dict of them; it returned {returned}$"
    with pytest.raises(TypeError, match=said):
        interop.check_function(lambda x: outputs(jnp.sin(x)), np.ones(3))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_judged_in_it(dtype):
    """f gets x in its own dtype, which NumPy may not have."""
    seen = set()

    def f(rule):
        def of(x):
            seen.add(x.dtype)
            return jnp.sum(rule(x))

        return of

    for x64, last in ((False, dtype), (True, np.float64)):
        right = interop.check_function(f(custom_vjp(3.0)), jnp.asarray(X, dtype), x64=x64)
        assert right.outcome is Outcome.PASS
        assert any("x is rounded to half precision" in note for note in right.notes) is not x64
        wrong = interop.check_function(f(custom_vjp(6.0)), jnp.asarray(X, dtype), x64=x64)
        assert wrong.outcome is Outcome.FAIL
        assert np.dtype(last) in seen
    forward = interop.check_function(custom_jvp(3.0), jnp.asarray(X, dtype), x64=False, mode="forward")
    assert forward.outcome is not Outcome.FAIL


def test_numbers_that_numpy_has_not_are_called_by_their_name():
    """bfloat16 holds real numbers: they are to be passed as float32. As values of f they are read so."""
    few = np.asarray(jnp.asarray(X, jnp.bfloat16))

    with pytest.raises(
        TypeError, match="x holds bfloat16 numbers, which are none of NumPy's own: pass them as float32"
    ):
        check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, few)
    with pytest.raises(TypeError, match="none of NumPy's own"):
        check_adjoint(lambda x: 2 * x, lambda y: 2 * y, few)
    for c, outcome in ((2, Outcome.PASS), (6, Outcome.FAIL)):
        assert (
            check_gradient(lambda x: np.sum(x**2).astype(few.dtype), lambda x, c=c: c * x, 1.0 * X).outcome
            is outcome
        )


def test_what_is_no_function_or_tuple_is_refused_by_name():
    """Not with the words of what failed inside."""
    with pytest.raises(TypeError, match="f must be callable, not NoneType"):
        interop.check_function(None, X)
    with pytest.raises(TypeError, match="args must be a tuple of further arguments"):
        interop.check_function(lambda x, a: (a * x).sum(), X, args=X)
