"""The posteriors of `benches/posteriors/models.ppl` by Stan (pystan 3), nutpie with PyMC, and NumPyro: the columns of
`cargo bench --bench posteriors`. Needs `pip install pystan nutpie pymc numba numpyro arviz`.

python benches/posteriors.py [stan|nutpie|numpyro ...]
"""

import json
import pathlib
import sys
import time

import numpy as np

FOLDER = pathlib.Path(__file__).parents[1] / "../shared/posteriordb/data"
CHAINS, WARMUP, DRAWS = 4, 1000, 1000


def data(name):
    source = {"nes": "nes1976"}.get(name, name)
    if name == "hierarchical":
        return {"z1": 1.5, "z2": -0.5}
    d = json.loads((FOLDER / f"{source}.json").read_text())
    if name == "eight_schools":
        return {"J": d["J"], "y": np.array(d["y"], float), "sigma": np.array(d["sigma"], float)}
    if name == "kidiq":
        hs, iq = np.array(d["mom_hs"], float), np.array(d["mom_iq"], float)
        x = np.column_stack([np.ones_like(hs), hs, iq, hs * iq])
        return {"N": d["N"], "K": 4, "x": x, "y": np.array(d["kid_score"], float)}
    if name == "earnings":
        height = np.array(d["height"], float)
        x = np.column_stack([np.ones_like(height), height])
        return {"N": d["N"], "K": 2, "x": x, "y": np.log(np.array(d["earn"], float))}
    age = np.array(d["age_discrete"])
    columns = [np.ones(len(age)), d["real_ideo"], d["race_adj"], age == 2, age == 3, age == 4, d["educ1"], d["gender"], d["income"]]
    return {"N": d["N"], "K": 9, "x": np.column_stack([np.array(c, float) for c in columns]), "y": np.array(d["partyid7"], float)}


REGRESSION = """
data { int N; int K; matrix[N, K] x; vector[N] y; }
parameters { vector[K] b; real<lower=0> sigma; }
model { PRIOR y ~ normal(x * b, sigma); }
"""
STAN = {
    "eight_schools": """
data { int J; vector[J] y; vector<lower=0>[J] sigma; }
parameters { real mu; real<lower=0> tau; vector[J] eta; }
model { mu ~ normal(0, 5); tau ~ cauchy(0, 5); eta ~ normal(0, 1); y ~ normal(mu + tau * eta, sigma); }
""",
    "kidiq": REGRESSION.replace("PRIOR", "sigma ~ cauchy(0, 2.5);"),
    "earnings": REGRESSION.replace("PRIOR", ""),
    "nes": REGRESSION.replace("PRIOR", ""),
    "hierarchical": """
data { real z1; real z2; }
parameters { real g; real t1; real t2; }
model { g ~ normal(0, 3); t1 ~ normal(g, 2); t2 ~ normal(g, 2); z1 ~ normal(t1, 1); z2 ~ normal(t2, 1); }
""",
}


def min_ess(posterior):
    import arviz

    ess = [arviz.ess(posterior, method=m) for m in ("bulk", "tail")]
    return min(float(e[v].min()) for e in ess for v in e.data_vars)


def report(name, gradients, compiled, seconds, ess):
    print(f"{name:14} {gradients:11.0f} {seconds:8.2f} {ess:8.0f} {ess / seconds:10.0f}   compiled in {compiled:.1f} s", flush=True)


def stan(name, d):
    import arviz
    import stan as pystan

    start = time.perf_counter()
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in d.items()}
    model = pystan.build(STAN[name], data=plain, random_seed=1)
    compiled = time.perf_counter() - start
    start = time.perf_counter()
    fit = model.sample(num_chains=CHAINS, num_samples=DRAWS, num_warmup=WARMUP)
    seconds = time.perf_counter() - start
    posterior = arviz.from_pystan(fit).posterior
    # Gradients as the sampler itself takes them: leapfrog steps of one chain, without writing draws anywhere near as often.
    leaps = float(np.sum(fit["n_leapfrog__"])) * (WARMUP + DRAWS) / DRAWS
    report(name, leaps / seconds, compiled, seconds, min_ess(posterior))


def nutpie(name, d):
    import nutpie as peer
    import pymc as pm

    with pm.Model() as model:
        if name == "eight_schools":
            mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
            eta = pm.Normal("eta", 0, 1, shape=d["J"])
            pm.Normal("y", mu + tau * eta, d["sigma"], observed=d["y"])
        elif name == "hierarchical":
            g = pm.Normal("g", 0, 3)
            t1, t2 = pm.Normal("t1", g, 2), pm.Normal("t2", g, 2)
            pm.Normal("z1", t1, 1, observed=d["z1"])
            pm.Normal("z2", t2, 1, observed=d["z2"])
        else:
            b = pm.Flat("b", shape=d["K"])
            sigma = pm.HalfCauchy("sigma", 2.5) if name == "kidiq" else pm.HalfFlat("sigma")
            pm.Normal("y", pm.math.dot(d["x"], b), sigma, observed=d["y"])
    start = time.perf_counter()
    compiled_model = peer.compile_pymc_model(model)
    compiled = time.perf_counter() - start
    start = time.perf_counter()
    trace = peer.sample(compiled_model, draws=DRAWS, tune=WARMUP, chains=CHAINS, seed=1, progress_bar=False)
    seconds = time.perf_counter() - start
    leaps = float(trace.sample_stats["n_steps"].sum()) * (WARMUP + DRAWS) / DRAWS
    report(name, leaps / seconds, compiled, seconds, min_ess(trace.posterior))


def numpyro(name, d):
    import arviz
    import jax
    import numpyro as peer
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    jax.config.update("jax_enable_x64", True)

    def model():
        if name == "eight_schools":
            mu, tau = peer.sample("mu", dist.Normal(0, 5)), peer.sample("tau", dist.HalfCauchy(5))
            eta = peer.sample("eta", dist.Normal(0, 1).expand([d["J"]]))
            peer.sample("y", dist.Normal(mu + tau * eta, d["sigma"]), obs=d["y"])
        elif name == "hierarchical":
            g = peer.sample("g", dist.Normal(0, 3))
            t1, t2 = peer.sample("t1", dist.Normal(g, 2)), peer.sample("t2", dist.Normal(g, 2))
            peer.sample("z1", dist.Normal(t1, 1), obs=d["z1"])
            peer.sample("z2", dist.Normal(t2, 1), obs=d["z2"])
        else:
            b = peer.sample("b", dist.ImproperUniform(dist.constraints.real, (), (d["K"],)))
            positive = dist.ImproperUniform(dist.constraints.positive, (), ())
            sigma = peer.sample("sigma", dist.HalfCauchy(2.5) if name == "kidiq" else positive)
            peer.sample("y", dist.Normal(d["x"] @ b, sigma), obs=d["y"])

    mcmc = MCMC(NUTS(model), num_warmup=WARMUP, num_samples=DRAWS, num_chains=CHAINS, chain_method="sequential", progress_bar=False)
    start = time.perf_counter()
    mcmc.warmup(jax.random.PRNGKey(0))
    first = time.perf_counter() - start
    start = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(1), extra_fields=("num_steps",))
    seconds = time.perf_counter() - start
    leaps = float(np.sum(mcmc.get_extra_fields()["num_steps"])) * (WARMUP + DRAWS) / DRAWS
    report(name, leaps / seconds, first, seconds, min_ess(arviz.from_numpyro(mcmc).posterior))


def main():
    peers = {"stan": stan, "nutpie": nutpie, "numpyro": numpyro}
    for chosen in sys.argv[1:] or peers:
        print(f"{chosen:14} gradients/s   nuts s  min-ESS  min-ESS/s")
        for name in STAN:
            try:
                peers[chosen](name, data(name))
            except Exception as error:  # A peer that fails on one model is still of use on the others.
                print(f"{name:14} failed: {type(error).__name__}: {str(error)[:200]}", flush=True)


if __name__ == "__main__":
    main()
