"""gradcheck.interop.torch: right and wrong rules, torch's own wrong examples, and modules as they are."""

import numpy as np
import pytest

from gradcheck import Outcome

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")
interop = pytest.importorskip("gradcheck.interop.torch")

X = torch.tensor([1.0, 2.0, -0.5])


class Cube(torch.autograd.Function):
    """x**3 with the right rule."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * cotangent


class ForgetsAFactor(Cube):
    """2 x^2 instead of 3 x^2."""

    @staticmethod
    def backward(ctx, cotangent):
        return Cube.backward(ctx, cotangent) * 2 / 3


class Random(Cube):
    """Another gradient at every call."""

    @staticmethod
    def backward(ctx, cotangent):
        return Cube.backward(ctx, cotangent) * (1 + 1e-3 * torch.rand_like(cotangent))


class WritesForward(Cube):
    """The forward pass doubles its input; the gradient is that of x**3."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.clone())
        out = x**3
        x.mul_(2)
        return out


class WritesBackward(Cube):
    """The backward pass doubles the input."""

    @staticmethod
    def backward(ctx, cotangent):
        out = Cube.backward(ctx, cotangent)
        ctx.saved_tensors[0].data.mul_(2)
        return out


def total(rule):
    """The sum of what the rule's forward pass gives."""
    return lambda x: rule.apply(x).sum()


def said(report):
    """The reason and the notes."""
    return " | ".join((report.reason, *report.notes))


@pytest.mark.parametrize("f", [total(Cube), Cube.apply], ids=["one number", "an array"])
def test_a_right_rule_passes_and_float32_input_is_not_touched(f):
    """f gets float64 copies, so that the mistakes that are seen are as small as for NumPy."""
    x = X.clone().requires_grad_()
    report = interop.check_function(f, x)
    assert report.outcome is Outcome.PASS
    assert report.detectable < 1e-5
    assert torch.equal(x.detach(), X)
    assert x.grad is None
    assert report.call == "gradcheck.interop.torch.check_function(f, x, rng=0)"


def test_a_forgotten_factor_is_located_and_explained():
    """Every entry is wrong by 2/3 for one number; only the diagonal of J for an array."""
    report = interop.check_function(total(ForgetsAFactor), X)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0]", "x[1]", "x[2]"}
    assert "0.666667" in report.diagnosis[0]
    report = interop.check_function(ForgetsAFactor.apply, X)
    assert {m.name for m in report.wrong} == {"J[0, 0]", "J[1, 1]", "J[2, 2]"}


def test_torch_forward_that_writes_into_its_input_is_inconclusive():
    """The gradient is not to blame; what f did is said. So too for a plain function."""

    def plain(x):
        return x.mul_(2).square().sum()

    for f in (total(WritesForward), WritesForward.apply, plain):
        report = interop.check_function(f, X)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "f changes x: x[0] was 1 before the call and is 2 after it" in said(report)


@pytest.mark.parametrize(
    ("rule", "words"),
    [(Random, "differs between two calls"), (WritesBackward, "changes x: x[0] was 1 before the call")],
)
def test_backward_passes_that_break_the_contract_fail(rule, words):
    """Non-deterministic, and writing into the input: FAIL in these words, for one number and for an array."""
    for f in (total(rule), rule.apply):
        report = interop.check_function(f, X)
        assert report.outcome is Outcome.FAIL
        assert words in said(report)
    assert torch.equal(X, torch.tensor([1.0, 2.0, -0.5]))


def test_complex_input_is_judged_in_its_two_parts():
    """|z|^2 Im z: PyTorch's convention is the package's; its conjugate, JAX's, is refused in the wrong parts."""

    class Conjugated(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return (z.abs() ** 2).sum()

        @staticmethod
        def backward(ctx, cotangent):
            return 2 * ctx.saved_tensors[0].conj() * cotangent

    z = torch.tensor([1 + 2j, -0.3 + 0.1j])
    assert interop.check_function(lambda z: (z.abs() ** 2 * z.imag).sum(), z).outcome is Outcome.PASS
    report = interop.check_function(Conjugated.apply, z)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {"x[0].imag", "x[1].imag"}


def test_complex_outputs_are_judged_by_one_random_cotangent():
    """fft of complex and of real x passes, and the report says what was done; a doubled backward pass fails."""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(_, z):
            return 1j * z

        @staticmethod
        def backward(_, cotangent):
            return -2j * cotangent

    z = torch.tensor([1 + 2j, -0.3 + 0.1j, 0.5j])
    for x in (z, X):
        report = interop.check_function(torch.fft.fft, x)
        assert report.outcome is Outcome.PASS
        assert "random cotangent" in said(report)
    report = interop.check_function(Doubled.apply, z)
    assert report.outcome is Outcome.FAIL
    assert len(report.wrong) == 6


@pytest.mark.parametrize(
    "x", [torch.arange(1.0, 13.0).reshape(3, 4).t(), torch.arange(1.0, 25.0).reshape(6, 4)[::2, ::2]]
)
def test_non_contiguous_input_stays_so(x):
    """A rule that reads the memory in its order is right for contiguous x only: right passes, wrong fails."""

    class InMemoryOrder(Cube):
        @staticmethod
        def backward(ctx, cotangent):
            (x,) = ctx.saved_tensors
            memory = torch.as_strided(x, (x.numel(),), (1,))
            return 3 * memory.reshape(x.shape) ** 2 * cotangent

    assert not x.is_contiguous()
    assert interop.check_function(total(Cube), x).outcome is Outcome.PASS
    assert interop.check_function(total(InMemoryOrder), x.contiguous()).outcome is Outcome.PASS
    assert interop.check_function(total(InMemoryOrder), x).outcome is Outcome.FAIL


def test_several_tensors_by_position_and_by_name():
    """What is detached is missing, and the note says that no gradient arrives; constants go to args."""

    def f(a, b, k=1.0):
        return k * (a.detach() * b).sum()

    report = interop.check_function(f, (X, X + 1), args=(2.0,))
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f"params[0][{i}]" for i in range(3)}
    assert "no gradient reaches params[0]" in said(report)
    nothing = interop.check_function(lambda a: a.detach().square().sum(), X)
    assert nothing.outcome is Outcome.FAIL
    assert "no gradient reaches x" in said(nothing)
    report = interop.check_function(lambda a, b: (a * b).sum(), {"a": X, "b": X + 1})
    assert report.outcome is Outcome.PASS
    assert [a.name for a in report.arrays] == ['params["a"]', 'params["b"]']
    outputs = interop.check_function(lambda a: (a**2, a.sum()), X)
    assert outputs.outcome is Outcome.PASS
    assert outputs.arrays[0].shape == (4, 3)


def test_arguments_that_cannot_be_used_are_refused_in_words():
    """Integers, shared memory, and float32 tensors that f closes over."""
    with pytest.raises(TypeError, match=r"tensor 1 of x .* not torch.int64: constants belong to args"):
        interop.check_function(lambda a, b: a.sum(), (X, torch.tensor([1])))
    with pytest.raises(ValueError, match="overlaps itself in memory"):
        interop.check_function(lambda a: a.sum(), X[:1].expand(3))
    with pytest.raises(ValueError, match="overlaps itself in memory"):
        interop.check_function(lambda a: a.sum(), X.unfold(0, 2, 1))
    with pytest.raises(RuntimeError) as caught:
        interop.check_function(lambda a: a @ X, X)
    assert any("in args, or double=False" in note for note in caught.value.__notes__)
    assert interop.check_function(lambda a, c: a @ c, X, args=(X,)).outcome is Outcome.PASS
    single = interop.check_function(lambda a: (a @ X).exp(), X, double=False)
    assert single.outcome is Outcome.PASS
    assert single.rtol == 1e-3  # what check_gradient takes for float32


class Scaled(torch.nn.Module):
    """A product whose gradient for `w` is right or not, beside a right one for `b`."""

    def __init__(self, rule):
        super().__init__()
        self.rule = rule
        self.w = torch.nn.Parameter(torch.tensor([0.5, -1.5, 2.0]))
        self.b = torch.nn.Parameter(torch.tensor([0.1]))

    def forward(self, x):
        return self.rule.apply(self.w) @ x + self.b


def squared(module, x):
    """A loss."""
    return module(x).square().mean()


def test_a_wrong_rule_in_a_module_is_located_by_the_parameters_name():
    """Only params["w"] is wrong; the module is untouched, and with the right rule it passes."""
    module = torch.nn.ModuleDict({"inner": Scaled(ForgetsAFactor)})
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    report = interop.check_module(module, lambda m, x: squared(m["inner"], x), args=(X,))
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f'params["inner.w"][{i}]' for i in range(3)}
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in module.named_parameters())
    assert all(p.dtype is torch.float32 for p in module.parameters())
    assert interop.check_module(Scaled(Cube), squared, args=(X,)).outcome is Outcome.PASS


def test_one_wrong_entry_among_thousands_is_found():
    """The rule for one layer scales a single entry by 1.05; the other 9,549 are right, and nothing else is named."""

    class OneWrongEntry(torch.autograd.Function):
        @staticmethod
        def forward(_, w):
            return w.clone()

        @staticmethod
        def backward(_, cotangent):
            out = cotangent.clone()
            out[7, 11] *= 1.05
            return out

    class Layer(torch.nn.Linear):
        def forward(self, x):
            return torch.nn.functional.linear(x, OneWrongEntry.apply(self.weight), self.bias)

    torch.manual_seed(0)
    tanh = torch.nn.Tanh()
    module = torch.nn.Sequential(
        torch.nn.Linear(50, 100), tanh, Layer(100, 40), tanh, torch.nn.Linear(40, 10)
    )
    data = torch.randn(64, 50), torch.randint(0, 10, (64,))
    report = interop.check_module(
        module, lambda m, x, t: torch.nn.functional.cross_entropy(m(x), t), args=data
    )
    assert report.outcome is Outcome.FAIL
    assert [m.name for m in report.wrong] == ['params["2.weight"][7, 11]']


@pytest.mark.parametrize(("factor", "outcome"), [(1.0, Outcome.PASS), (0.5, Outcome.FAIL)])
def test_hooks_of_parameters_belong_to_the_gradient(factor, outcome):
    """A hook that halves the gradient of a weight, which a copy of the module would not have."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    layer.weight.register_hook(lambda gradient: factor * gradient)
    report = interop.check_module(layer, lambda layer, x: layer(x).tanh().sum(), args=[torch.randn(4, 3)])
    assert report.outcome is outcome
    assert all(m.name.startswith('params["weight"]') for m in report.wrong)


def test_frozen_parameters_are_left_and_shared_ones_count_once():
    """requires_grad decides what is judged; a tied weight moves in both places."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))
    module[2].weight = module[0].weight
    module[2].bias.requires_grad_(False)
    report = interop.check_module(module, squared, args=(X,))
    assert report.outcome is Outcome.PASS
    assert [a.name for a in report.arrays] == ['params["0.weight"]', 'params["0.bias"]']


def test_batch_norm_in_training_mode_is_said_to_change_its_state():
    """The gradient is judged from the same state in every call; the original keeps its own. Not so in eval mode."""
    torch.manual_seed(0)
    # Without a bias: batch-norm would take it away, so that its derivative is 0 but for rounding.
    module = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), torch.nn.BatchNorm1d(4), torch.nn.Tanh())
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    x = torch.randn(8, 3)
    report = interop.check_module(module, squared, args=(x,))
    assert report.outcome is Outcome.PASS
    assert "f changes its own state, 1.running_mean" in said(report)
    assert module.training
    assert all(torch.equal(b, buffers[name]) for name, b in module.named_buffers())
    evaluating = interop.check_module(module.eval(), squared, args=(x,))
    assert evaluating.outcome is Outcome.PASS
    assert "state" not in said(evaluating)
    assert not module.training


def test_a_bias_before_batch_norm_needs_atol():
    """Its derivative is 0 but for rounding, of which neither side knows the sign: no pass without a tolerance."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh())
    x = torch.randn(8, 3)
    assert interop.check_module(module, squared, args=(x,)).outcome is not Outcome.FAIL
    # 1e-12 : the loss is of size 1, so that its derivatives round at about 1e-15.
    assert interop.check_module(module, squared, args=(x,), atol=1e-12).outcome is Outcome.PASS


def test_a_state_that_enters_the_value_is_the_same_in_every_call():
    """A module that counts its calls is still a function of its parameters."""

    class Counting(Scaled):
        def __init__(self):
            super().__init__(Cube)
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x):
            self.calls += 1
            return super().forward(x) * self.calls

    report = interop.check_module(Counting(), squared, args=(X,))
    assert report.outcome is Outcome.PASS
    assert "f changes its own state, calls" in said(report)


def test_a_mode_that_the_loss_changes_is_the_same_in_every_call():
    """A loss that leaves the module in the other mode would be another function at every second call."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), torch.nn.BatchNorm1d(4), torch.nn.Tanh())

    def toggling(module, x):
        out = squared(module, x)
        module.train(not module.training)
        return out

    assert interop.check_module(module, toggling, args=(torch.randn(8, 3),)).outcome is Outcome.PASS
    assert module.training


def test_dropout_in_training_mode_is_said_to_draw_anew():
    """INCONCLUSIVE, with the name of the layer; in eval mode, or with a seed in the loss, it passes."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 20), torch.nn.Dropout(), torch.nn.Linear(20, 2))
    state = torch.random.get_rng_state()
    report = interop.check_module(module, squared, args=(X,))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "f differs between two calls at the same x" in report.reason
    assert "dropout in training mode draws anew at every call: 1 (Dropout)" in said(report)

    def seeded(module, x):
        torch.manual_seed(1)
        return squared(module, x)

    assert interop.check_module(module, seeded, args=(X,)).outcome is Outcome.PASS
    assert torch.equal(torch.random.get_rng_state(), state)
    assert interop.check_module(module.eval(), squared, args=(X,)).outcome is Outcome.PASS


def test_a_loss_that_writes_into_parameters_is_said_to():
    """Clamping out of autograd's sight: where it acts, the derivative is 0, and autograd's is not."""

    def clamping(module, x):
        with torch.no_grad():
            module.w.clamp_(-1, 1)
        return squared(module, x)

    report = interop.check_module(Scaled(Cube), clamping, args=(X,))
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {'params["w"][1]', 'params["w"][2]'}
    assert all(abs(m.numerical) <= 3 * m.error_bar for m in report.wrong)
    assert 'f changes x: params["w"][1] was -1.5 before the call and is -1 after it' in said(report)


def test_identity_and_views_do_not_share_memory_with_the_check():
    """f that returns its own argument: J is the identity. A gradient that PyTorch negates lazily is read."""

    class Lazy(Cube):
        @staticmethod
        def backward(ctx, cotangent):
            out = torch.complex(cotangent, -Cube.backward(ctx, cotangent)).conj().imag
            assert out.is_neg()
            return out

    assert interop.check_function(total(Lazy), X).outcome is Outcome.PASS
    report = interop.check_function(lambda x: x, X)
    assert report.outcome is Outcome.PASS
    assert np.isclose(report.max_error, 0.0, atol=1e-9)  # rounding of differences of numbers near 1


class Isrlu(torch.autograd.Function):
    """x / sqrt(1 + x^2) for x < 0, x for x > 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.r = torch.rsqrt(1 + torch.clamp(x, max=0.0) ** 2)
        return x * ctx.r

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent * ctx.r**3


class IsrluAlone(Isrlu):
    """Forgets what comes in."""

    @staticmethod
    def backward(ctx, _):
        return ctx.r**3


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (20, 20)])
def test_a_backward_that_ignores_what_comes_in_fails_in_words(shape, double):
    """For a sum, whose cotangent is 1 and cannot show it, and for an array; few entries and many, single and double."""
    x = torch.as_tensor(np.random.default_rng(0).normal(size=shape), dtype=torch.float32)
    for f in (total(Isrlu), Isrlu.apply):
        # Directions through 400 entries in single precision may leave it open.
        allowed = {Outcome.PASS} if double or x.numel() < 100 else {Outcome.PASS, Outcome.INCONCLUSIVE}
        assert interop.check_function(f, x, double=double).outcome in allowed
    for f in (total(IsrluAlone), IsrluAlone.apply):
        report = interop.check_function(f, x, double=double)
        assert report.outcome is Outcome.FAIL
        assert "the incoming gradient is not multiplied in" in said(report)


def test_a_sum_of_complex_numbers_scales_with_what_comes_in():
    """|z|^2 of complex z with a cotangent that is multiplied in, and without."""

    class Square(torch.autograd.Function):
        used = True

        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return (z.abs() ** 2).sum()

        @staticmethod
        def backward(ctx, cotangent):
            (z,) = ctx.saved_tensors
            return 2 * z * cotangent if Square.used else 2 * z

    z = torch.complex(X, X.flip(0))
    assert interop.check_function(Square.apply, z).outcome is Outcome.PASS
    Square.used = False
    report = interop.check_function(Square.apply, z)
    assert report.outcome is Outcome.FAIL
    assert "the incoming gradient is not multiplied in" in report.reason


class ReadsMemory(torch.autograd.Function):
    """x^2, whose backward kernel walks through its cotangent with the strides of x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        memory = np.resize(np.array(cotangent.numpy()).ravel(order="K"), x.numel()).reshape(x.shape)
        return 2 * x * torch.as_tensor(memory)


class Views(torch.autograd.Function):
    """x^2, whose backward lays its cotangent flat without a copy: PyTorch refuses that where it cannot be."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return (2 * x.reshape(-1) * cotangent.view(-1)).view_as(x)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (13, 9)])
def test_cotangents_that_are_not_contiguous_are_part_of_the_check(shape, double):
    """What cat, transpose and sum hand on; torch's own square takes them."""
    x = torch.as_tensor(np.random.default_rng(0).normal(size=shape), dtype=torch.float32)
    assert interop.check_function(lambda x: x**2, x, double=double).outcome is Outcome.PASS
    report = interop.check_function(ReadsMemory.apply, x, double=double)
    assert report.outcome is Outcome.FAIL
    assert "vjp reads its cotangent with other strides than it has: for one that is transposed" in said(
        report
    )
    report = interop.check_function(Views.apply, x, double=double)
    assert report.outcome is Outcome.FAIL
    assert "vjp raises for a cotangent that is transposed in memory: RuntimeError: view size" in said(report)


def test_an_expanded_cotangent_reaches_the_rule_as_it_is():
    """All of it in one place, in double and in single precision."""
    seen = []

    class Strides(Views):
        @staticmethod
        def backward(ctx, cotangent):
            seen.append(cotangent.stride())
            return 2 * ctx.saved_tensors[0] * cotangent

    for double in (True, False):
        seen.clear()
        assert interop.check_function(Strides.apply, torch.ones(4, 3), double=double).outcome is Outcome.PASS
        assert {(3, 1), (1, 4), (0, 0)} <= set(seen)


def test_what_pytorch_itself_makes_of_batches_passes():
    """Rows in, rows out: softmax, log_softmax, Linear, LayerNorm."""
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(3, 4)))
    torch.manual_seed(0)
    for f in (
        lambda x: torch.softmax(x, 1),
        lambda x: torch.log_softmax(x, 1),
        torch.nn.Linear(4, 2).double(),
        torch.nn.LayerNorm(4).double(),
    ):
        assert interop.check_function(f, x).outcome is Outcome.PASS


def test_complex_cotangents_that_are_not_contiguous_are_part_of_the_check():
    """z^2 of complex z, by a rule that reads its cotangent in the order of memory, and by PyTorch's."""

    class Square(ReadsMemory):
        @staticmethod
        def backward(ctx, cotangent):
            (z,) = ctx.saved_tensors
            memory = np.resize(np.array(cotangent.resolve_conj().numpy()).ravel(order="K"), z.numel())
            return 2 * z.conj() * torch.as_tensor(memory.reshape(z.shape))

    z = torch.complex(*torch.as_tensor(np.random.default_rng(0).normal(size=(2, 3, 4))))
    assert interop.check_function(lambda z: z**2, z).outcome is Outcome.PASS
    report = interop.check_function(Square.apply, z)
    assert report.outcome is Outcome.FAIL
    assert "vjp reads its cotangent with other strides than it has" in report.reason


class Trees(torch.autograd.Function):
    """x**2 with the rule c x."""

    @staticmethod
    def forward(ctx, x, c):
        ctx.save_for_backward(x)
        ctx.c = c
        return x * x

    @staticmethod
    def backward(ctx, cotangent):
        return ctx.c * ctx.saved_tensors[0] * cotangent, None


@pytest.mark.parametrize(
    ("outputs", "entries"),
    [
        (lambda y: {"logits": y, "loss": y.sum()}, 12),
        (lambda y: (y, None), 9),
        (lambda y: [y.sin(), (y.cos(), {"more": y.exp()})], 27),
    ],
)
def test_outputs_may_be_a_tree(outputs, entries):
    """A dict of tensors, None among them, a nested tuple: a right rule passes, a wrong one fails."""
    x = torch.tensor([0.3, 1.2, -0.7])

    right = interop.check_function(lambda x: outputs(Trees.apply(x, 2.0)), x)
    assert right.outcome is Outcome.PASS
    assert f"all {entries} entries" in right.reason
    assert interop.check_function(lambda x: outputs(Trees.apply(x, 3.0)), x).outcome is Outcome.FAIL
    loss = interop.check_function(lambda x: {"loss": Trees.apply(x, 2.0).sum()}, x)
    assert loss.outcome is Outcome.PASS
    assert "all 3 entries" in loss.reason


@pytest.mark.parametrize(
    ("outputs", "returned"),
    [
        (lambda y: None, "None"),
        (lambda y: y.sum().item(), "float"),
        (lambda y: (y, 3.0), "float among others"),
        (lambda y: {}, "a dict without any"),
        (lambda y: y.detach().numpy(), "ndarray"),
    ],
)
def test_outputs_that_are_no_tensors_are_refused_by_name(outputs, returned):
    """Of f and of a loss."""
    allowed = r"must return a tensor \(no number of .item\(\)\), or a tuple, list or dict of them"
    said = f"{allowed}; it returned {returned}$"
    with pytest.raises(TypeError, match="^f " + said):
        interop.check_function(lambda x: outputs(x.sin()), torch.ones(3))
    with pytest.raises(TypeError, match="^loss " + said):
        interop.check_module(torch.nn.Linear(2, 1), lambda m: outputs(m(torch.ones(2).double())))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("outputs", [lambda y: y, lambda y: y.sum()])
def test_kernels_of_half_precision_are_judged_in_it(dtype, outputs):
    """Those that take bfloat16 alone raised a bare TypeError; NumPy has no such numbers, float32 holds each."""
    torch.manual_seed(0)
    x = torch.randn(5).to(dtype)

    right = interop.check_function(lambda x: outputs(Trees.apply(x, 2.0)), x, double=False)
    assert right.outcome is Outcome.PASS
    assert (
        interop.check_function(lambda x: outputs(Trees.apply(x, 4.0)), x, double=False).outcome
        is Outcome.FAIL
    )


@pytest.mark.parametrize("size", [1, pytest.param(200, marks=pytest.mark.slow)])
def test_a_bfloat16_x_beside_a_loss_in_float32_fails_no_right_rule(size):
    """What the cast of x takes off is noise of f, and nothing that f writes into x."""
    torch.manual_seed(size)
    x = torch.randn(size).to(torch.bfloat16)

    def loss(c):
        return interop.check_function(lambda x: Trees.apply(x, c).float().sum(), x, double=False)

    assert loss(2.0).outcome is not Outcome.FAIL
    assert "changed" not in str(loss(2.0))
    assert loss(4.0).outcome is not Outcome.PASS
    written = interop.check_function(lambda x: x.mul_(2.0).float().sum(), x, double=False)
    assert "change" in str(written)


@pytest.mark.slow
def test_a_module_of_bfloat16_is_judged():
    """Its parameters stay as they are."""
    torch.manual_seed(0)
    module, data = torch.nn.Linear(3, 1).bfloat16(), torch.randn(4, 3).bfloat16()
    before = {name: p.detach().clone() for name, p in module.named_parameters()}

    report = interop.check_module(module, lambda m, x: m(x).square().mean(), args=(data,), double=False)
    assert report.outcome is Outcome.PASS
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_steps_inside_bfloat16_convict_no_right_rule(seed):
    """f moves in steps there, also where its loss is float32: over short ones it seemed to be flat."""
    torch.manual_seed(seed)
    t, data = torch.randn(6).bfloat16(), torch.randn(3, 4).bfloat16()
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).bfloat16()

    def norm(x):
        return torch.nn.functional.layer_norm(x, (6,)).float().pow(3).sum()

    reports = [
        interop.check_function(norm, t, double=False),
        interop.check_function(lambda x: torch.logsumexp(x.float(), 0), t, double=False),
        interop.check_module(net, lambda m, x: m(x).float().square().mean(), args=(data,), double=False),
    ]
    assert not any(report.outcome is Outcome.FAIL for report in reports)
    wrong = interop.check_function(lambda x: Trees.apply(x, -2.0).float().sum(), t, double=False)
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize(("call", "says"), [
    (lambda: interop.check_function(None, torch.ones(2)), "f must be callable, not NoneType"),
    (lambda: interop.check_module(torch.nn.Linear(2, 1), None), "loss must be callable, not NoneType"),
    (lambda: interop.check_module(torch.nn.Linear, lambda net: 0), "torch.nn.Module, not the class Linear"),
    (lambda: interop.check_module(torch.sin, lambda net: 0), "torch.nn.Module, not builtin_function_or_method"),
    (lambda: interop.check_function(torch.sum, torch.ones(2), args=torch.ones(2)), "args must be a tuple of further"),
    (lambda: interop.check_module(torch.nn.Linear(2, 1), torch.sum, args=torch.ones(2)), "args must be a tuple"),
])  # fmt: skip
def test_what_is_no_function_or_module_is_refused_by_name(call, says):
    """Not with the words of what failed inside."""
    with pytest.raises(TypeError, match=says):
        call()


def test_arguments_in_another_order_or_of_another_kind_are_refused():
    """Each by its name; a tensor as args would be taken apart into its rows."""
    net, data = torch.nn.Linear(3, 1), torch.randn(4, 3)

    def loss(net, x):
        return net(x).square().mean()

    for call, said in (
        (
            lambda: interop.check_function(X, lambda x: x.sum()),
            "f must be callable, not Tensor: the order is f, x",
        ),
        (
            lambda: interop.check_function(lambda x, y: x.sum(), X, args=data),
            "args must be a tuple of further arg",
        ),
        (
            lambda: interop.check_module(loss, net, args=(data,)),
            "module must be a torch.nn.Module, not function",
        ),
        (
            lambda: interop.check_module(net, data),
            "loss must be callable, not Tensor: the order is module, loss",
        ),
        (
            lambda: interop.check_module(net, loss, args=data),
            "args must be a tuple of further arguments for the functions",
        ),
        (
            lambda: interop.check_function(torch.sum, X.to_sparse()),
            "a dense tensor with values, not sparse_coo",
        ),
        (
            lambda: interop.check_function(torch.sum, X.to("meta")),
            "a dense tensor with values, not a meta tensor",
        ),
    ):
        with pytest.raises(TypeError, match=said):
            call()
    assert interop.check_module(net, loss, args=[data]).outcome is Outcome.PASS
