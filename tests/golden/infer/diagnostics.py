"""Reference values of convergence diagnostics and Pareto smoothing, computed with ArviZ 0.23.

Writes diagnostics.json beside it. The draws are functions of integers, so that the test makes the same ones.
"""

import json
import pathlib

import arviz
import numpy


def uniforms(seed, n):
    """A 31-bit linear congruential generator (Park and Miller 1988), as doubles in (0, 1)."""
    state, out = seed, []
    for _ in range(n):
        state = state * 48271 % 2147483647
        out.append(state / 2147483647)
    return numpy.array(out)


def chains(seed, correlation, shift, n=500, m=4):
    """Autoregressions driven by centred sums of uniforms; chain c is shifted by c * shift."""
    out = []
    for c in range(m):
        u = uniforms(seed + 1000 * c, 3 * n).reshape(n, 3).sum(axis=1) - 1.5
        x, chain = 0.0, []
        for e in u:
            x = correlation * x + e
            chain.append(x + c * shift)
        out.append(chain)
    return numpy.array(out)


cases = []
for seed, correlation, shift in [(1, 0.0, 0.0), (2, 0.9, 0.0), (3, -0.5, 0.0), (4, 0.3, 0.4), (5, 0.97, 0.0)]:
    x = chains(seed, correlation, shift)
    cases.append(
        {
            "seed": seed,
            "correlation": correlation,
            "shift": shift,
            "r_hat": float(arviz.rhat(x)),
            "bulk": float(arviz.ess(x, method="bulk")),
            "tail": float(arviz.ess(x, method="tail")),
            "mean": float(arviz.ess(x, method="mean")),
            "quantile": float(arviz.ess(x, method="quantile", prob=0.25)),
            "mcse_mean": float(arviz.mcse(x, method="mean")),
            "mcse_sd": float(arviz.mcse(x, method="sd")),
            "mcse_median": float(arviz.mcse(x, method="median")),
            "mcse_quantile": float(arviz.mcse(x, method="quantile", prob=0.95)),
            "bfmi": [float(b) for b in arviz.bfmi(x)],
        }
    )

weights = []
for seed, power, n in [(7, 0.3, 1000), (8, 0.7, 1000), (9, 1.2, 4000), (10, -0.5, 2000)]:
    log_weights = -power * numpy.log(uniforms(seed, n))
    smoothed, k = arviz.psislw(log_weights.copy())
    w = numpy.exp(smoothed - smoothed.max())
    w /= w.sum()
    weights.append({"seed": seed, "power": power, "n": n, "k_hat": float(k), "ess": float(1 / (w**2).sum())})

path = pathlib.Path(__file__).with_name("diagnostics.json")
path.write_text(json.dumps({"chains": cases, "weights": weights}, indent=1) + "\n")
