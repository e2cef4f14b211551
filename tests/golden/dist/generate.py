"""Writes reference.json: log densities and distribution functions computed with mpmath at 60 digits, and checked
against SciPy where it has the family.  Run: python generate.py   (needs mpmath and scipy)"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import stats

mp.mp.dps = 60
m = mp.mpf
inf = float("inf")
CASES = []


def ln_normal(x, mu, s):
    return -((x - mu) / s) ** 2 / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2


def ln_t(x, df, mu, s):
    z = (x - mu) / s
    return (mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(s)
            - (df + 1) / 2 * mp.log1p(z * z / df))


def ibeta(a, b, x):
    """Regularised lower incomplete beta function, also far in the tail and for large shapes."""
    ln_front = a * mp.log(x) + b * mp.log1p(-x) - mp.log(a) - (mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b))
    return mp.exp(ln_front) * mp.hyp2f1(a + b, 1, a + 1, x)


def ibeta_tails(a, b, x):
    if x == 0:
        return m(0), m(1)
    if x == 1:
        return m(1), m(0)
    return (lambda p: (p, 1 - p))(ibeta(a, b, x)) if x < (a + 1) / (a + b + 2) else (
        lambda q: (1 - q, q))(ibeta(b, a, 1 - x))


def igamma_tails(a, x):
    if x == 0:
        return m(0), m(1)
    p = mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1)) * mp.hyp1f1(1, a + 1, x)
    q = 1 - p if x < a + 1 else mp.gammainc(a, x, mp.inf, regularized=True)
    return (p if x < a + 1 else 1 - q), q


def t_tails(x, df, mu, s):
    z = (x - mu) / s
    tail = ibeta_tails(df / 2, m(1) / 2, df / (df + z * z))[0] / 2
    return (tail, 1 - tail) if z < 0 else (1 - tail, tail)


def symmetric(cdf):
    return lambda x, mu, s: (cdf((x - mu) / s), cdf((mu - x) / s))


ncdf = mp.ncdf
tails_normal = symmetric(lambda z: mp.erfc(-z / mp.sqrt(2)) / 2)
tails_cauchy = symmetric(lambda z: mp.atan2(1, -z) / mp.pi)
tails_laplace = symmetric(lambda z: mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2)
tails_logistic = symmetric(lambda z: 1 / (1 + mp.exp(-z)))


def ln_gamma_density(x, a, b):
    return a * mp.log(b) + (a - 1) * mp.log(x) - b * x - mp.loggamma(a)


def ln_choose(n, k):
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def ln_binomial(k, n, p):
    if p in (0, 1):
        return m(0) if k == n * p else -mp.inf
    return ln_choose(n, k) + k * mp.log(p) + (n - k) * mp.log1p(-p)


def ln_poisson(k, r):
    return k * mp.log(r) - r - mp.loggamma(k + 1) if r > 0 else (m(0) if k == 0 else -mp.inf)


def ln_nb(k, mu, d):
    return (mp.loggamma(k + d) - mp.loggamma(d) - mp.loggamma(k + 1) + d * mp.log(d / (d + mu))
            + k * mp.log(mu / (d + mu)))


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def swap(pair):
    return pair[1], pair[0]


def half(tails):
    return lambda x, *p: (tails(x, *p)[0] - tails(x, *p)[1], 2 * tails(x, *p)[1])


LN2 = mp.log(2)
# family: (log density, tails or None, SciPy log density or None)
CONTINUOUS = {
    "uniform": (lambda x, a, b: -mp.log(b - a), lambda x, a, b: ((x - a) / (b - a), (b - x) / (b - a)),
                lambda x, a, b: stats.uniform.logpdf(x, a, b - a)),
    "normal": (ln_normal, tails_normal, lambda x, a, b: stats.norm.logpdf(x, a, b)),
    "lognormal": (lambda x, a, b: ln_normal(mp.log(x), a, b) - mp.log(x),
                  lambda x, a, b: tails_normal(mp.log(x), a, b), lambda x, a, b: stats.lognorm.logpdf(x, b, 0, math.exp(a))),
    "student_t": (lambda x, d, a, b: ln_t(x, d, a, b), lambda x, d, a, b: t_tails(x, d, a, b),
                  lambda x, d, a, b: stats.t.logpdf(x, d, a, b)),
    "cauchy": (lambda x, a, b: -mp.log1p(((x - a) / b) ** 2) - mp.log(b * mp.pi), tails_cauchy,
               lambda x, a, b: stats.cauchy.logpdf(x, a, b)),
    "laplace": (lambda x, a, b: -abs(x - a) / b - mp.log(2 * b), tails_laplace, lambda x, a, b: stats.laplace.logpdf(x, a, b)),
    "logistic": (lambda x, a, b: -(x - a) / b - mp.log(b) - 2 * mp.log1p(mp.exp(-(x - a) / b)), tails_logistic,
                 lambda x, a, b: stats.logistic.logpdf(x, a, b)),
    "half_normal": (lambda x, s: LN2 + ln_normal(x, 0, s), lambda x, s: half(tails_normal)(x, 0, s),
                    lambda x, s: stats.halfnorm.logpdf(x, 0, s)),
    "half_cauchy": (lambda x, s: LN2 - mp.log1p((x / s) ** 2) - mp.log(s * mp.pi), lambda x, s: half(tails_cauchy)(x, 0, s),
                    lambda x, s: stats.halfcauchy.logpdf(x, 0, s)),
    "half_student_t": (lambda x, d, s: LN2 + ln_t(x, d, 0, s), lambda x, d, s: half(lambda x, s: t_tails(x, d, 0, s))(x, s),
                       lambda x, d, s: math.log(2) + stats.t.logpdf(x, d, 0, s)),
    "exponential": (lambda x, r: mp.log(r) - r * x, lambda x, r: (-mp.expm1(-r * x), mp.exp(-r * x)),
                    lambda x, r: stats.expon.logpdf(x, 0, 1 / r)),
    "gamma": (ln_gamma_density, lambda x, a, b: igamma_tails(a, b * x), lambda x, a, b: stats.gamma.logpdf(x, a, 0, 1 / b)),
    "inv_gamma": (lambda x, a, b: ln_gamma_density(1 / x, a, b) - 2 * mp.log(x), lambda x, a, b: swap(igamma_tails(a, b / x)),
                  lambda x, a, b: stats.invgamma.logpdf(x, a, 0, b)),
    "chi_squared": (lambda x, d: ln_gamma_density(x, d / 2, m(1) / 2), lambda x, d: igamma_tails(d / 2, x / 2),
                    lambda x, d: stats.chi2.logpdf(x, d)),
    "weibull": (lambda x, k, s: mp.log(k / s) + (k - 1) * mp.log(x / s) - (x / s) ** k,
                lambda x, k, s: (-mp.expm1(-(x / s) ** k), mp.exp(-(x / s) ** k)),
                lambda x, k, s: stats.weibull_min.logpdf(x, k, 0, s)),
    "beta": (lambda x, a, b: (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b),
             lambda x, a, b: ibeta_tails(a, b, x), lambda x, a, b: stats.beta.logpdf(x, a, b)),
}
DISCRETE = {
    "bernoulli": (lambda k, p: mp.log(p) if k else mp.log1p(-p), lambda k, p: (1 - p, p) if k == 0 else (m(1), m(0)),
                  lambda k, p: stats.bernoulli.logpmf(k, p)),
    "bernoulli_logit": (lambda k, x: -mp.log1p(mp.exp(-x if k else x)),
                        lambda k, x: (sigmoid(-x), sigmoid(x)) if k == 0 else (m(1), m(0)), None),
    "binomial": (lambda k, n, p: ln_binomial(k, n, p), lambda k, n, p: swap(ibeta_tails(k + 1, n - k, p)) if k < n else (m(1), m(0)),
                 lambda k, n, p: stats.binom.logpmf(k, n, p)),
    "binomial_logit": (lambda k, n, x: ln_choose(n, k) - k * mp.log1p(mp.exp(-x)) - (n - k) * mp.log1p(mp.exp(x)),
                       lambda k, n, x: swap(ibeta_tails(k + 1, n - k, sigmoid(x))) if k < n else (m(1), m(0)), None),
    "poisson": (ln_poisson, lambda k, r: swap(igamma_tails(k + 1, r)), lambda k, r: stats.poisson.logpmf(k, r)),
    "poisson_log": (lambda k, x: ln_poisson(k, mp.exp(x)), lambda k, x: swap(igamma_tails(k + 1, mp.exp(x))), None),
    "geometric": (lambda k, p: mp.log(p) + (k * mp.log1p(-p) if k else 0), lambda k, p: (1 - (1 - p) ** (k + 1), (1 - p) ** (k + 1)),
                  lambda k, p: stats.geom.logpmf(k + 1, p)),
    "neg_binomial": (ln_nb, lambda k, mu, d: ibeta_tails(d, k + 1, d / (d + mu)),
                     lambda k, mu, d: stats.nbinom.logpmf(k, d, d / (d + mu))),
    "neg_binomial_log": (lambda k, x, d: ln_nb(k, mp.exp(x), d), lambda k, x, d: ibeta_tails(d, k + 1, d / (d + mp.exp(x))), None),
    "discrete_uniform": (lambda k, a, b: -mp.log(b - a + 1), lambda k, a, b: ((k - a + 1) / (b - a + 1), (b - k) / (b - a + 1)),
                         lambda k, a, b: stats.randint.logpmf(k, a, b + 1)),
}


SCIPY_TAILS = {
    "student_t": lambda d, a, b: stats.t(d, a, b),
    "gamma": lambda a, b: stats.gamma(a, 0, 1 / b),
    "beta": lambda a, b: stats.beta(a, b),
    "binomial": lambda n, p: stats.binom(n, p),
    "poisson": lambda r: stats.poisson(r),
}


def number(x):
    return None if x is None else float(x) if mp.isfinite(x) else ("inf" if x > 0 else "-inf")


def log(p):
    return mp.log(p) if p > 0 else -mp.inf


def scalar(family, arguments, points, far=False):
    """far: an extreme case, where SciPy is not asked."""
    log_density, tails, check = {**CONTINUOUS, **DISCRETE}[family]
    exact = [m(a) for a in arguments]
    out = []
    for x in points:
        value = log_density(m(x), *exact)
        if check and not far:
            np.testing.assert_allclose(float(value), check(x, *arguments), rtol=1e-8, atol=1e-10, err_msg=f"{family}{arguments} {x}")
        row = {"x": x, "log_density": number(value)}
        if max(map(abs, arguments)) < 1e4:  # the hypergeometric series would take too long
            below, above = tails(m(x), *exact)
            row |= {"log_cdf": number(log(below)), "log_survival": number(log(above))}
        elif family == "neg_binomial" and x < 100:
            below = sum(mp.exp(log_density(m(k), *exact)) for k in range(x + 1))
            row |= {"log_cdf": number(log(below)), "log_survival": number(log(1 - below))}
        elif check:  # SciPy has about ten digits here
            family_of = SCIPY_TAILS.get(family)
            if family_of:
                frozen = family_of(*arguments)
                row |= {"log_cdf": float(frozen.logcdf(x)), "log_survival": float(frozen.logsf(x)), "loose": True}
        out.append(row)
    CASES.append({"family": family, "arguments": list(arguments), "far": far, "points": out})


def general(family, arguments, points):
    CASES.append({"family": family, "arguments": arguments, "far": False,
                  "points": [{"x": x, "log_density": number(v), **({"log_cdf": number(log(c[0])), "log_survival": number(log(c[1]))} if c else {})}
                             for x, v, c in points]})


scalar("uniform", (-1.5, 4.0), [-1.4, 0.3, 3.9])
scalar("normal", (0.5, 2.0), [-3.0, 0.5, 1.7, 9.0])
scalar("normal", (0.0, 1.0), [-300.0, -40.0, -12.1, -11.9, 40.0], far=True)
scalar("lognormal", (0.3, 0.8), [0.05, 1.0, 2.5, 12.0])
scalar("student_t", (4.5, 1.0, 2.0), [-20.0, 0.0, 1.3, 7.0])
scalar("student_t", (1e6, 0.0, 1.0), [-5.0, 0.7, 3.0])
scalar("student_t", (2.5, 0.0, 1.0), [-1e60, 1e60, 1e-9], far=True)
scalar("student_t", (0.3, 0.0, 1.0), [-100.0, 0.1], far=True)
scalar("cauchy", (-1.0, 0.7), [-30.0, -1.2, 0.0, 5.0])
scalar("cauchy", (0.0, 1.0), [-1e150, 1e150], far=True)
scalar("laplace", (1.0, 1.5), [-6.0, 0.9, 1.2, 8.0])
scalar("laplace", (0.0, 1.0), [-700.0, 700.0], far=True)
scalar("logistic", (0.5, 1.2), [-7.0, 0.4, 2.0, 9.0])
scalar("logistic", (0.0, 1.0), [-900.0, 900.0], far=True)
scalar("half_normal", (1.7,), [0.01, 0.9, 4.0])
scalar("half_normal", (1.0,), [1e-8, 45.0], far=True)
scalar("half_cauchy", (2.2,), [0.01, 1.9, 40.0])
scalar("half_student_t", (3.5, 1.4), [0.02, 1.1, 9.0])
scalar("exponential", (0.6,), [0.01, 1.5, 20.0])
scalar("exponential", (2.0,), [1e-12, 1000.0], far=True)
scalar("gamma", (2.5, 0.7), [0.1, 3.0, 14.0])
scalar("gamma", (0.2, 1.3), [1e-5, 0.1, 3.0])
scalar("gamma", (1e6, 1e3), [997.0, 1000.0, 1004.0])
scalar("gamma", (30.0, 1.0), [1e-15, 400.0], far=True)
scalar("inv_gamma", (3.5, 2.0), [0.1, 0.8, 6.0])
scalar("inv_gamma", (0.5, 1.0), [0.003, 1e6], far=True)
scalar("chi_squared", (5.0,), [0.3, 4.0, 17.0])
scalar("weibull", (1.8, 2.5), [0.1, 2.0, 6.0])
scalar("beta", (2.2, 3.1), [0.03, 0.4, 0.95])
scalar("beta", (0.4, 0.6), [0.001, 0.5, 0.999])
scalar("beta", (2e6, 1e6), [0.666, 0.6667, 0.667])
scalar("beta", (30.0, 2.0), [1e-20, 0.1], far=True)
scalar("bernoulli", (0.3,), [0, 1])
scalar("bernoulli", (1e-300,), [0, 1], far=True)
scalar("bernoulli_logit", (-0.7,), [0, 1])
scalar("bernoulli_logit", (700.0,), [0, 1], far=True)
scalar("bernoulli_logit", (-700.0,), [0, 1], far=True)
scalar("binomial", (12, 0.35), [0, 4, 11, 12])
scalar("binomial", (1000000, 0.3), [298900, 300000, 300700])
scalar("binomial", (5, 1e-100), [0, 1, 5], far=True)
scalar("binomial_logit", (9, 0.4), [0, 5, 8, 9])
scalar("binomial_logit", (1000000, -0.8), [309800, 310026, 310500])
scalar("binomial_logit", (7, -600.0), [0, 1], far=True)
scalar("poisson", (3.7,), [0, 3, 12])
scalar("poisson", (1e6,), [997000, 1000000, 1002500])
scalar("poisson", (1e-5,), [0, 2, 50], far=True)
scalar("poisson_log", (1.1,), [0, 3, 12])
scalar("poisson_log", (math.log(1e6),), [997000, 1000000, 1002500])
scalar("poisson_log", (-300.0,), [0, 2], far=True)
scalar("geometric", (0.3,), [0, 2, 15])
scalar("geometric", (1e-9,), [0, 1000000000], far=True)
scalar("neg_binomial", (4.0, 2.5), [0, 3, 20])
scalar("neg_binomial", (4.0, 50.0), [0, 3, 20])
scalar("neg_binomial", (5.0, 1e12), [0, 5, 14], far=True)
scalar("neg_binomial", (1e6, 1e4), [960000, 1000000, 1030000])
scalar("neg_binomial", (50.0, 0.01), [0, 1, 400])
scalar("neg_binomial_log", (1.3, 2.5), [0, 3, 20])
scalar("neg_binomial_log", (1.3, 40.0), [0, 3, 20])
scalar("discrete_uniform", (-3, 6), [-3, 0, 6])

P = [0.2, 0.5, 0.3]
general("categorical", [P], [(k, log(m(p)), (sum(map(m, P[:k + 1])), sum(map(m, P[k + 1:]))) if k < 2 else (m(1), m(0))) for k, p in enumerate(P)])
X = [0.3, -1.2, 2.0]
W = [mp.exp(m(x)) for x in X]
general("categorical_logit", [X], [(k, log(W[k] / sum(W)), (sum(W[:k + 1]) / sum(W), sum(W[k + 1:]) / sum(W)) if k < 2 else (m(1), m(0))) for k in range(3)])
for alpha in ([2.0, 0.7, 3.5], [20.0, 30.0, 15.0]):
    for point in ([0.25, 0.125, 0.625], [0.5, 0.25, 0.25]):
        value = sum((m(a) - 1) * mp.log(m(p)) - mp.loggamma(m(a)) for a, p in zip(alpha, point)) + mp.loggamma(sum(map(m, alpha)))
        np.testing.assert_allclose(float(value), stats.dirichlet.logpdf(point, alpha), rtol=1e-9)
        general("dirichlet", [alpha], [(point, value, None)])
L = [[1.5, 0.0, 0.0], [0.4, 0.8, 0.0], [-0.3, 0.6, 1.1]]
COVARIANCE = (np.array(L) @ np.array(L).T).tolist()
MEAN = [0.5, -1.0, 2.0]
for name, matrix in (("multi_normal", COVARIANCE), ("multi_normal_cholesky", L)):
    exact = mp.matrix(matrix) if name == "multi_normal" else mp.matrix(L) * mp.matrix(L).T
    for point in ([0.0, 0.0, 0.0], [3.0, -2.5, 2.25]):
        d = mp.matrix(point) - mp.matrix(MEAN)
        value = -(d.T * mp.inverse(exact) * d)[0] / 2 - mp.log(mp.det(exact)) / 2 - 3 * mp.log(2 * mp.pi) / 2
        np.testing.assert_allclose(float(value), stats.multivariate_normal.logpdf(point, MEAN, COVARIANCE), rtol=1e-9)
        general(name, [MEAN, matrix], [(point, value, None)])


def truncated(family, arguments, lo, hi, points):
    log_density, tails, _ = {**CONTINUOUS, **DISCRETE}[family]
    exact = [m(a) for a in arguments]
    discrete = family in DISCRETE
    def above(x):
        if discrete and x < 0:
            return m(1)
        return m(1) if x == -inf else m(0) if x == inf else tails(m(x), *exact)[1]
    mp.mp.dps = 400
    start = above(lo - 1 if discrete else lo)
    mass = start - above(hi)
    rows = [(x, log_density(m(x), *exact) - mp.log(mass), ((start - above(x)) / mass, (above(x) - above(hi)) / mass)) for x in points]
    text = lambda x: "inf" if x == inf else "-inf" if x == -inf else x
    general("truncated", [{"family": family, "arguments": list(arguments)}, text(lo), text(hi)], rows)
    mp.mp.dps = 60


truncated("normal", (0.0, 1.0), -1.0, 2.0, [-0.9, 0.0, 1.5])
truncated("normal", (0.0, 1.0), 8.0, inf, [8.1, 10.0])
truncated("normal", (0.0, 1.0), -inf, -30.0, [-30.5, -31.0])
truncated("normal", (0.0, 1.0), 1.0, 1.000001, [1.0000005])
truncated("student_t", (3.0, 0.0, 1.0), 0.0, inf, [0.5, 20.0])
truncated("exponential", (2.0,), 30.0, 40.0, [30.5, 33.0])
truncated("gamma", (2.5, 0.7), 1.0, 5.0, [2.0, 4.5])
truncated("poisson", (3.7,), 2, 6, [2, 4, 6])
truncated("poisson", (3.0,), 20, inf, [20, 23])

weights = [0.3, 0.7]
rows = []
for x in (-2.0, 0.4, 3.0):
    parts = [(m(w), ln_normal(m(x), m(a), m(s)), tails_normal(m(x), m(a), m(s))) for w, a, s in zip(weights, (-1.0, 2.0), (0.5, 1.5))]
    rows.append((x, log(sum(w * mp.exp(l) for w, l, _ in parts)), tuple(sum(w * t[i] for w, _, t in parts) for i in (0, 1))))
general("mixture", [weights, [{"family": "normal", "arguments": [-1.0, 0.5]}, {"family": "normal", "arguments": [2.0, 1.5]}]], rows)
rows = []
for k in (0, 3, 9):
    parts = [(m(w), ln_poisson(m(k), m(r)), swap(igamma_tails(m(k) + 1, m(r)))) for w, r in zip(weights, (1.5, 6.0))]
    rows.append((k, log(sum(w * mp.exp(l) for w, l, _ in parts)), tuple(sum(w * t[i] for w, _, t in parts) for i in (0, 1))))
general("mixture", [weights, [{"family": "poisson", "arguments": [1.5]}, {"family": "poisson", "arguments": [6.0]}]], rows)
POINT = [-0.5, 0.2, 1.9]
general("ordered", [{"family": "normal", "arguments": [0.3, 1.2]}, 3],
        [(POINT, mp.log(6) + sum(ln_normal(m(x), m(0.3), m(1.2)) for x in POINT), None)])
general("ordered", [{"family": "gamma", "arguments": [2.0, 1.5]}, 2],
        [([0.4, 1.9], mp.log(2) + sum(ln_gamma_density(m(x), m(2), m(1.5)) for x in (0.4, 1.9)), None)])
general("flat", [], [(-7.5, m(0), None), (1e200, m(0), None)])
general("positive_flat", [], [(0.25, m(0), None), (-1.0, -mp.inf, None)])

Path(__file__).with_name("reference.json").write_text(json.dumps(CASES, indent=1) + "\n")
