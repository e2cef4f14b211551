"""Writes builtin.csv: values of the scalar built-in functions, rounded from 400 digits (needs mpmath).

Each line is name,argument[,argument],value. Arguments are exact doubles. builtin_derivative.csv has name,argument,derivative
or name,argument,argument,derivative,derivative: central differences whose step is 60 digits below the argument.
"""

from mpmath import mp, mpf
import mpmath as m

mp.dps = 400
near = [mpf(x) for x in (0.3, -0.3, 1.7, -2.5, 1e-9, -1e-9, 0.5, 3.0, -4.25, 12.0)]
positive = [mpf(x) for x in (0.3, 1.7, 1e-9, 0.999999, 1.000001, 3.0, 12.0, 1e10, 1e300)]
unit = [mpf(x) for x in (0.3, -0.3, 1e-9, -1e-9, 0.5, 0.75, 0.999999, -0.999999)]
share = [mpf(x) for x in (1e-300, 1e-9, 0.1, 0.3, 0.49999999, 0.5, 0.50000001, 0.7, 0.9, 0.999999999)]
wide = near + [mpf(x) for x in (40.0, -40.0, 700.0, -700.0)]
tails = near + [mpf(x) for x in (5.0, -5.0, 0.001, 1.0, -8.0, 6.5)]
gammas = [mpf(x) for x in (1e-12, 0.1, 0.49, 0.51, 0.75, 0.9999999, 1.0000001, 1.25, 1.5, 1.500001, 1.75, 1.9999999, 2.0000001,
                           2.3, 2.5, 2.6, 3.5, 5.0, 7.7, 9.99, 10.0, 14.2, 100.5, 1e6, 1e15, -1e-12, -0.3, -0.5, -0.75, -1.5, -3.3, -10.1)]

def softplus(x):
    return m.log1p(m.exp(x))

one = {
    "exp": (m.exp, wide), "expm1": (m.expm1, wide), "log": (m.log, positive), "log1p": (m.log1p, unit + positive),
    "log1m": (lambda x: m.log1p(-x), unit), "log2": (lambda x: m.log(x, 2), positive), "log10": (m.log10, positive),
    "log1m_exp": (lambda x: m.log(-m.expm1(x)), [mpf(x) for x in (-1e-300, -1e-9, -0.1, -0.69, -0.7, -1.0, -30.0, -700.0)]),
    "softplus": (softplus, wide), "log1p_exp": (softplus, wide),
    "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), wide), "inv_logit": (lambda x: 1 / (1 + m.exp(-x)), wide),
    "log_sigmoid": (lambda x: -softplus(-x), wide), "logit": (lambda p: m.log(p / (1 - p)), share),
    "sqrt": (m.sqrt, positive), "cbrt": (m.cbrt, positive), "square": (lambda x: x * x, near), "inv": (lambda x: 1 / x, near),
    "abs": (abs, near), "sign": (m.sign, near), "floor": (m.floor, near), "ceil": (m.ceil, near),
    "round": (lambda x: m.sign(x) * m.floor(abs(x) + mpf(0.5)), near), "trunc": (lambda x: m.sign(x) * m.floor(abs(x)), near),
    "sin": (m.sin, near), "cos": (m.cos, near), "tan": (m.tan, near), "asin": (m.asin, unit), "acos": (m.acos, unit),
    "atan": (m.atan, near), "sinh": (m.sinh, near), "cosh": (m.cosh, near), "tanh": (m.tanh, near), "asinh": (m.asinh, near),
    "acosh": (m.acosh, [mpf(x) for x in (1.25, 1.7, 3.0, 1e10)]), "atanh": (m.atanh, unit),
    "erf": (m.erf, tails + [mpf(1.999), mpf(2.0), mpf(-2.001)]), "erfc": (m.erfc, tails + [mpf(x) for x in (1.999, 2.0, 2.001, 20.0, 26.0)]),
    "Phi": (lambda x: m.erfc(-x / m.sqrt(2)) / 2, tails + [mpf(-20.0), mpf(-37.0)]),
    "lgamma": (lambda x: m.log(abs(m.gamma(x))) if x < 1e5 else m.loggamma(x), gammas),
    "digamma": (m.digamma, gammas),
}
pairs = [(mpf(a), mpf(b)) for a, b in ((0.3, 0.7), (1.5, 2.5), (12.0, 0.25), (1e-9, 3.0), (40.0, 39.0))]
ordered = [(mpf(a), mpf(b)) for a, b in ((1.0, 0.0), (1e-9, 0.0), (-700.0, -701.5), (800.0, 799.0), (3.0, -40.0))]
def lbeta(a, b):
    return m.loggamma(a) + m.loggamma(b) - m.loggamma(a + b)

shapes = pairs + [(mpf(a), mpf(b)) for a, b in ((0.5, 1e10), (9.0, 11.0), (9.99, 10.0), (1e5, 2e5), (30.0, 1e12), (0.01, 15.0))]
two = {
    "log_diff_exp": (lambda x, y: x + m.log(-m.expm1(y - x)), ordered),
    "log_sum_exp": (lambda x, y: x + m.log1p(m.exp(y - x)), ordered + [(mpf(2.0), mpf(2.0))]),
    "pow": (m.power, pairs), "hypot": (m.hypot, pairs), "atan2": (m.atan2, pairs + [(mpf(-1.0), mpf(-2.0)), (mpf(1.0), mpf(-2.0))]),
    "fmod": (lambda x, y: x - y * m.sign(x / y) * m.floor(abs(x / y)), [(mpf(7.5), mpf(2.0)), (mpf(-7.5), mpf(2.0))]),
    "min": (min, pairs), "max": (max, pairs), "lbeta": (lbeta, shapes),
    "lchoose": (lambda n, k: m.loggamma(n + 1) - m.loggamma(k + 1) - m.loggamma(n - k + 1),
                [(mpf(a), mpf(b)) for a, b in ((5.0, 2.0), (100.0, 50.0), (1e9, 3.0), (7.5, 2.25), (60.0, 59.0), (1e9, 999999998.0))]),
}
# A difference over a jump says nothing: these have derivative 0, at whole numbers by convention.
flat = ("sign", "floor", "ceil", "round", "trunc")

def slope(f, x):
    h = abs(x) * mpf(10) ** -60
    return (f(x + h) - f(x - h)) / (2 * h)

with open("builtin.csv", "w") as values, open("builtin_derivative.csv", "w") as derivatives:
    for name, (f, points) in one.items():
        for x in points:
            values.write(f"{name},{float(x)!r},{float(f(x))!r}\n")
            derivatives.write(f"{name},{float(x)!r},{0.0 if name in flat else float(slope(f, x))!r}\n")
    for name, (f, points) in two.items():
        for x, y in points:
            values.write(f"{name},{float(x)!r},{float(y)!r},{float(f(x, y))!r}\n")
            # One step along the axis that is 0 is absolute.
            of_x = slope(lambda d: f(x - 1 + d, y), mpf(1))
            of_y = slope(lambda d: f(x, y - 1 + d), mpf(1))
            derivatives.write(f"{name},{float(x)!r},{float(y)!r},{float(of_x)!r},{float(of_y)!r}\n")
