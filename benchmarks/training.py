"""The gradient of the chapter's network in five ways: seconds an iteration, scaling, memory, and how losses part.

    python -m benchmarks.training [--data DIR] [--rounds N] [--iterations N] [--json FILE]

In each round every way is timed in turn, so that a busy machine slows all of them; the tables show medians over the
rounds. It is processor time, which other work changes little; with two threads, and of whole trainings, the clock's.
The published double loop and SciPy are timed on 200 random coordinates of each array (all of b1 and b2), in
full-size networks and batches, and scaled to the array's size: each coordinate costs them the same. The other ways
compute the whole gradient. Matrix products are kept to one thread, the threads of "2 threads" are those of
`structured_gradient`. `--iterations 6000` trains as long as the chapter does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cases.numerical_training import on_coordinates
from gradcheck.textbook import (
    Dataset,
    TwoLayerNet,
    cross_entropy_published,
    load_mnist,
    numerical_gradient,
    softmax_whole_array,
    structured_gradient,
    train,
)
from reference import backprop
from reference.scipy_oracle import approx_gradient

Clock = Callable[[], float]
ITERATIONS, SAMPLE, CALLS = 6000, 200, 100
LOOP, SCIPY, ONE, TWO, BACK, PRODUCTS = (
    "double loop",
    "approx_fprime",
    "structured",
    "structured, 2 threads",
    "backpropagation",
    "matrix products of the structured form alone",
)


def network(**options: Any) -> TwoLayerNet:
    return TwoLayerNet(784, 50, 10, rng=0, **options)


def backpropagated(net: TwoLayerNet, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    whole, printed = net.softmax is softmax_whole_array, net.loss_function is cross_entropy_published
    return backprop.two_layer_net_gradient(
        net.params,
        x,
        t,
        softmax="whole array" if whole else "rows",
        loss="published" if printed else "corrected",
    )


def products(net: TwoLayerNet, x: np.ndarray) -> Callable[[], None]:
    """The matrix products that the structured form can't do without: forward, and with the odd powers of the inputs."""
    touched = x.any(axis=0)  # the pixels that are 0 in the whole batch need no product
    pixels, W1, W2 = x[:, touched], net.params["W1"][touched], net.params["W2"]
    hidden = net.predict(x) @ W2.T  # any numbers of this shape
    # x and x^3 are one product.
    inputs = [np.vstack([layer, layer]) for layer in (pixels, hidden)]
    coefficients = [np.ones((2 * len(x), W.shape[1])) for W in (W1, W2)]

    def multiply() -> None:
        pixels @ W1, hidden @ W2
        for powers, table in zip(inputs, coefficients, strict=True):
            powers.T @ table

    return multiply


def seconds_of(call: Callable[[], object], clock: Clock = time.process_time) -> float:
    started = clock()
    call()
    return clock() - started


def mean_seconds(call: Callable[[], object], calls: int = CALLS, clock: Clock = time.process_time) -> float:
    """Seconds a call, over a stretch about as long as the loop's."""
    return seconds_of(lambda: [call() for _ in range(calls)], clock) / calls


def scaled_seconds(net: TwoLayerNet, by_coordinates: Callable[[str, np.ndarray], object]) -> float:
    """Time some coordinates of each array; return the seconds that all of them would take."""
    rng, total = np.random.default_rng(0), 0.0
    for name, value in net.params.items():
        chosen = rng.choice(value.size, min(SAMPLE, value.size), replace=False)
        total += (
            seconds_of(lambda name=name, chosen=chosen: by_coordinates(name, chosen))
            * value.size
            / chosen.size
        )
    return total


def one_round(net: TwoLayerNet, x: np.ndarray, t: np.ndarray) -> dict[str, float]:
    """Seconds an iteration of each way, one after the other."""

    def scipy(name: str, chosen: np.ndarray) -> object:
        return on_coordinates(approx_gradient, net, x, t, name, chosen)

    with threadpool_limits(1):
        return both_forms(net, x, t) | {
            SCIPY: scaled_seconds(net, scipy),
            TWO: mean_seconds(lambda: structured_gradient(net, x, t, n_threads=2), clock=time.perf_counter),
            BACK: mean_seconds(lambda: backpropagated(net, x, t)),
            PRODUCTS: mean_seconds(products(net, x)),
        }


def ways(x: np.ndarray, t: np.ndarray, rounds: int) -> dict[str, float]:
    net = network()
    measured = [one_round(net, x, t) for _ in range(rounds)]
    return {way: statistics.median(m[way] for m in measured) for way in measured[0]}


def forms(x: np.ndarray, t: np.ndarray, rounds: int) -> dict[str, dict[str, float]]:
    """Structured form and double loop, for each softmax, loss and kind of target."""
    printed = {"softmax": softmax_whole_array, "loss": cross_entropy_published}
    kinds = {
        "softmax, cross_entropy": (network(), t),
        "softmax, cross_entropy, soft targets": (network(), 0.9 * t + 0.01),
        "as printed: whole array, delta outside": (network(**printed), t),
        "whole array, delta inside": (network(softmax=softmax_whole_array), t),
    }
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with threadpool_limits(1):
        for _ in range(rounds):
            for kind, (net, targets) in kinds.items():
                found[kind].append(both_forms(net, x, targets))
    return {
        kind: {way: statistics.median(f[way] for f in pairs) for way in (LOOP, ONE)}
        for kind, pairs in found.items()
    }


def both_forms(net: TwoLayerNet, x: np.ndarray, t: np.ndarray) -> dict[str, float]:
    return {
        LOOP: scaled_seconds(
            net, lambda name, chosen: on_coordinates(numerical_gradient, net, x, t, name, chosen)
        ),
        ONE: mean_seconds(lambda: structured_gradient(net, x, t, n_threads=1)),
    }


def scaling(rounds: int) -> list[dict[str, Any]]:
    """Dense inputs: twice the samples, inputs or hidden units should take twice the time."""
    base = {"samples": 100, "inputs": 784, "hidden units": 50}
    sizes = [(what, base | {what: base[what] * factor}) for what in base for factor in (1, 2, 4, 8)]
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for what, size in sizes:
        x = rng.random((size["samples"], size["inputs"]))
        t = np.eye(10)[rng.integers(0, 10, len(x))]
        net = TwoLayerNet(size["inputs"], size["hidden units"], 10, rng=0)
        with threadpool_limits(1):
            seconds = [
                statistics.median(
                    mean_seconds(gradient_with(net, x, t, threads), 10, clock) for _ in range(rounds)
                )
                for threads, clock in ((1, time.process_time), (2, time.perf_counter))
            ]
        rows.append({"varied": what, "size": size, ONE: seconds[0], TWO: seconds[1]})
    return rows


def gradient_with(net: TwoLayerNet, x: np.ndarray, t: np.ndarray, threads: int) -> Callable[[], object]:
    return lambda: structured_gradient(net, x, t, n_threads=threads)


def memory(x: np.ndarray, t: np.ndarray) -> dict[str, float]:
    """Largest memory of one structured gradient, and of this process so far, in MiB."""
    found = {}
    for n in (len(x), 10 * len(x)):
        batch = np.resize(x, (n, x.shape[1])), np.resize(t, (n, t.shape[1]))
        net = network()
        tracemalloc.start()
        structured_gradient(net, *batch, n_threads=2)
        found[f"one gradient, batch {n}"] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return found | {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}


def parting(data: Dataset, iterations: int) -> dict[str, Any]:
    """Train both ways from the same seed and batches; say when the losses part, and by how much."""
    with threadpool_limits(1):
        options: dict[str, Any] = {"iterations": iterations, "rng": 1, "progress": sys.stderr.isatty()}
        numerical = train(network(), data, structured_gradient, **options)
        analytic = train(network(), data, backpropagated, **options)
    apart = np.abs(numerical.losses - analytic.losses)
    bounds = [10.0**power for power in range(-13, -5)]
    accuracies = [numerical.evaluated_at, numerical.test_accuracy, analytic.test_accuracy]
    return {
        "iterations": iterations,
        "seconds": round(numerical.seconds, 1),
        "seconds, backpropagation": round(analytic.seconds, 1),
        "largest difference": float(f"{apart.max():.1e}"),
        "at iteration": int(apart.argmax()),
        "apart from": {f"{b:.0e}": int(np.argmax(apart > b)) for b in bounds if (apart > b).any()},
        "test accuracy": list(zip(*(column.tolist() for column in accuracies), strict=True)),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Format a Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def report(results: dict[str, Any]) -> str:
    """Lay out the whole result as Markdown."""
    seconds = results["ways"]
    hours = [
        (
            way,
            f"{1e3 * s:,.2f}",
            f"{s / seconds[PRODUCTS]:,.1f}",
            f"{seconds[LOOP] / s:,.0f}",
            f"{ITERATIONS * s / 3600:,.3f}",
        )
        for way, s in seconds.items()
    ]
    by_form = [
        (form, f"{1e3 * s[LOOP]:,.0f}", f"{1e3 * s[ONE]:.2f}", f"{s[LOOP] / s[ONE]:,.0f}")
        for form, s in results["forms"].items()
    ]
    growth = []
    for row in results["scaling"]:
        first = next(r for r in results["scaling"] if r["varied"] == row["varied"])
        size, times = row["size"][row["varied"]], [f"{1e3 * row[way]:.2f}" for way in (ONE, TWO)]
        factor = size / first["size"][row["varied"]]
        growth.append((row["varied"], size, f"{factor:.0f}", f"{row[ONE] / first[ONE]:.1f}", *times))
    parted = results["parting"]
    apart = [
        (f"apart by more than {bound}, from iteration", i) for bound, i in parted.pop("apart from").items()
    ]
    epochs = [
        (i, f"{numerical:.4f}", f"{analytic:.4f}") for i, numerical, analytic in parted.pop("test accuracy")
    ]
    parts = [
        f"{results['data']}; load average {results['load'][0]:.1f} before, {results['load'][1]:.1f} after",
        table(
            (
                "gradient",
                "ms an iteration",
                "of the products",
                "times faster than the loop",
                "hours for 6,000",
            ),
            hours,
        ),
        table(("form", "loop, ms", "structured, ms", "ratio"), by_form),
        table(("varied", "size", "times", "time, times", "ms", "ms, 2 threads"), growth),
        table(("memory", "MiB"), [(k, f"{v:.0f}") for k, v in results["memory"].items()]),
        table(("losses, structured and backpropagation", ""), [*parted.items(), *apart]),
        table(("iteration", "test accuracy", "test accuracy, backpropagation"), epochs),
    ]
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="The gradient of the chapter's network in five ways.")
    parser.add_argument("--data", type=Path, help="folder with the MNIST files")
    parser.add_argument("--rounds", type=int, default=7, help="timings of which the median is taken")
    parser.add_argument("--iterations", type=int, default=600, help="of the training in both ways")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    options = parser.parse_args(arguments)
    data = load_mnist(one_hot_label=True, data=options.data)
    x, t = data.x_train[:100], data.t_train[:100]
    load = os.getloadavg()[0]
    results = {
        "data": data.source,
        "ways": ways(x, t, options.rounds),
        "forms": forms(x, t, options.rounds),
        "scaling": scaling(options.rounds),
        "parting": parting(data, options.iterations),
        "memory": memory(x, t),
        "load": [load, os.getloadavg()[0]],
    }
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    sys.stdout.write(report(results) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
