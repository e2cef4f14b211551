"""Log densities of the posteriors of posteriordb by Stan: `stan.json`, which the test `posteriordb` holds our programs to.

    python stan.py DB STAN [POSTERIOR...]

DB is a clone of https://github.com/stan-dev/posteriordb at the commit that the data and reference draws are taken from,
ae12cb16b552 (2021-09-20); STAN is `posterior_database/models/stan` of one whose programs today's Stan still reads,
28f8d3d6e975 (2025-04-29; the same models, with arrays in the new syntax). Needs `pip install pystan numpy`: pystan 3.10 is
Stan 2.35. The Stan programs are compiled one after the other, about a minute each; what is compiled is kept in the cache of
httpstan, and posteriors that the file has already are left as they are.

Ten points a posterior, drawn around its reference draws in Stan's unconstrained coordinates: five at twice the distance of
a reference draw from their mean, which keeps what is correlated together, and five with each coordinate twice as wide and
independent, which tells more terms apart. A parameter that the reference draws lack is standard normal. Stored are the
constrained parameters and `log_prob` without the Jacobian, which leaves out constants.
"""

import asyncio
import io
import json
import pathlib
import sys
import zipfile

import httpstan.models
import numpy as np

OUT = pathlib.Path(__file__).with_name("stan.json")
POSTERIORS = pathlib.Path(__file__).parents[3] / "examples/posteriordb/index.json"
POINTS = 10


def zipped(path):
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def module(program):
    name = httpstan.models.calculate_model_name(program)
    try:
        return httpstan.models.import_services_extension_module(name)
    except KeyError:
        flags = ["-O0", "-g0", "-std=c++14", "-w"]
        asyncio.run(httpstan.models.build_services_extension_module(program, extra_compile_args=flags))
        return httpstan.models.import_services_extension_module(name)


def reference(draws, parameters, rng):
    """A few hundred of the reference draws, each as a dictionary of the model's parameters."""
    scalars = {name: np.concatenate([np.array(chain[name], float) for chain in draws]) for name in draws[0]}
    rows = rng.choice(len(next(iter(scalars.values()))), 300, replace=False)
    for row in rows:
        point = {}
        for name, dims in parameters.items():
            names = [name] if not dims else [f"{name}[{k + 1}]" for k in range(dims[0])]
            known = all(scalar in scalars for scalar in names)
            values = [float(scalars[scalar][row]) if known else float(rng.normal()) for scalar in names]
            point[name] = values if dims else values[0]
        yield point


def points(name, db, stan):
    posterior = json.loads((db / f"posteriors/{name}.json").read_text())
    data = zipped(db / f"data/data/{posterior['data_name']}.json.zip")
    draws = zipped(db / f"reference_posteriors/draws/draws/{posterior['reference_posterior_name']}.json.zip")
    services = module((stan / f"{posterior['model_name']}.stan").read_text())
    rng = np.random.default_rng(sum(map(ord, name)))
    # Names and sizes of the parameters alone come first, those of transformed parameters follow.
    names, dims = services.get_param_names(data), services.get_dims(data)
    n_parameters = len(services.write_array(data, unknown(services, data), False, False))
    parameters, count = {}, 0
    for parameter, size in zip(names, dims):
        if count == n_parameters:
            break
        parameters[parameter] = size
        count += int(np.prod(size))
    coordinates = np.array([services.transform_inits(data, p) for p in reference(draws, parameters, rng)])
    mean, sd = coordinates.mean(0), coordinates.std(0)
    found = []
    while len(found) < POINTS:
        if len(found) < POINTS // 2:
            z = mean + 2 * (coordinates[rng.integers(len(coordinates))] - mean)
        else:
            z = mean + 2 * sd * rng.normal(size=len(mean))
        log_density = services.log_prob(data, list(z), False)
        if not np.isfinite(log_density):
            continue
        flat, point = services.write_array(data, list(z), False, False), {}
        for parameter, size in parameters.items():
            n = int(np.prod(size))
            point[parameter], flat = (flat[:n] if size else flat[0]), flat[n:]
        found.append({"parameters": point, "log_density": log_density})
    return found


def unknown(services, data):
    """Coordinates of the right number, which the module tells only by refusing others."""
    for n in range(1, 200):
        try:
            services.log_prob(data, [0.1] * n, False)
            return [0.1] * n
        except RuntimeError as error:
            if "number of parameters" not in str(error):
                return [0.1] * n
    raise ValueError("more than 200 parameters")


def main():
    db, stan = pathlib.Path(sys.argv[1]) / "posterior_database", pathlib.Path(sys.argv[2])
    names = sys.argv[3:] or [p["name"] for p in json.loads(POSTERIORS.read_text())]
    stored = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in names:
        if name in stored and not sys.argv[3:]:
            continue
        try:
            stored[name] = points(name, db, stan)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        lines = [f"  {json.dumps(n)}: [\n    " + ",\n    ".join(map(json.dumps, stored[n])) + "\n  ]" for n in sorted(stored)]
        OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{name}: {len(stored[name])} points", flush=True)


if __name__ == "__main__":
    main()
