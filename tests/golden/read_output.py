"""Reads what `unmask infer -o` wrote in the working directory with ArviZ; tests/it/output.rs says what is there."""

import arviz
import numpy
import xarray
import zarr


def read(path):
    if int(zarr.__version__.split(".")[0]) < 3:
        return arviz.from_zarr(path)
    return arviz.InferenceData.from_datatree(xarray.open_datatree(path, engine="zarr"))


store = read("fit.zarr")
table = arviz.from_cmdstan([f"fit_{chain}.csv" for chain in (1, 2, 3, 4)])
posterior = store.posterior
assert posterior.z.dims == ("chain", "draw", "z_dim_0", "z_dim_1"), posterior.z.dims
assert posterior.z.shape == (4, 20, 2, 3), posterior.z.shape
assert list(posterior.z_dim_1.values) == [0, 1, 2] and list(posterior.chain.values) == [0, 1, 2, 3]
for name, other in [("z", "z"), ("n", "n"), ("chain_", "chain_"), ("extra", "extra"), ("s.level", "s:level")]:
    assert numpy.array_equal(posterior[name], table.posterior[other].values, equal_nan=True), name
assert posterior.n.dtype == numpy.int64 and posterior.large.dtype == bool
assert posterior.attrs["model"] == "m" and posterior.attrs["seed"] == 3 and not posterior.attrs["certified"]
assert store.observed_data.y == 0.5 and list(store.observed_data.w.values) == [1.5, -1.0]
summary = arviz.summary(store, var_names=["z"])
assert abs(summary.loc["z[1, 2]", "mean"] - 12) < 0.1, summary

weighted = read("weighted.zarr")
assert weighted.posterior.z.shape == (1, 500, 2, 3)
assert "500 weighted draws" in weighted.posterior.attrs["resampled"]
assert numpy.array_equal(weighted.posterior.z, arviz.from_cmdstan("weighted.csv").posterior.z)

nuts = read("nuts.zarr")
table = arviz.from_cmdstan([f"nuts_{chain}.csv" for chain in (1, 2, 3, 4)])
assert set(nuts.groups()) == {"posterior", "sample_stats", "observed_data"}, nuts.groups()
for name in ["lp", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging", "energy"]:
    assert numpy.array_equal(nuts.sample_stats[name], table.sample_stats[name].values), name
assert nuts.sample_stats.diverging.dtype == bool and nuts.sample_stats.reached_max_treedepth.dtype == bool
assert arviz.bfmi(nuts).shape == (4,) and (arviz.bfmi(nuts) > 0.3).all()
assert arviz.rhat(nuts, var_names=["theta"]).theta.shape == (8,)
