"""Posterior expectations of eight schools by quadrature: mu ~ normal(0, 5), tau ~ half_cauchy(5), theta ~ normal(mu, tau).

Given tau everything is normal, so one integral over log tau is left. Writes eight_schools.json beside it.
"""

import json
import pathlib

import numpy
from scipy import integrate

y = numpy.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
s = numpy.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def given(log_tau):
    """Unnormalised log density of log tau, and E[mu], E[theta] given it."""
    tau = numpy.exp(log_tau)
    variance = s**2 + tau**2
    precision = 1 / 25 + (1 / variance).sum()
    mu = (y / variance).sum() / precision
    log_density = log_tau - numpy.log1p((tau / 5) ** 2) - 0.5 * numpy.log(variance).sum() - 0.5 * numpy.log(precision)
    log_density += -0.5 * ((y**2 / variance).sum() - precision * mu**2)
    # E[theta | mu, tau] is linear in mu.
    theta = (y * tau**2 + mu * s**2) / variance
    return log_density, mu, theta


def expectation(f):
    top = integrate.quad(lambda t: numpy.exp(given(t)[0] + 30) * f(t), -25, 12, limit=500, epsabs=0, epsrel=1e-12)[0]
    return top / integrate.quad(lambda t: numpy.exp(given(t)[0] + 30), -25, 12, limit=500, epsabs=0, epsrel=1e-12)[0]


values = {
    "mu": expectation(lambda t: given(t)[1]),
    "log_tau": expectation(lambda t: t),
    "tau": expectation(numpy.exp),
    "theta": [expectation(lambda t, j=j: given(t)[2][j]) for j in range(8)],
}
path = pathlib.Path(__file__).with_name("eight_schools.json")
path.write_text(json.dumps(values, indent=1) + "\n")
