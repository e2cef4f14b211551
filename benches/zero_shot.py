"""The time of a certified answer to a program that nobody trained on, from text to table in a cold process, beside NUTS from nutpie.

    python3 benches/zero_shot.py [--unmask BINARY] [--runs 5] [PROGRAM...]

Each program is one of `benches/generality` (or of `benches/zero_shot`) with one simulated data set; its PyMC form is here. `unmask infer`
is timed whole, from the start of the process. Of nutpie, the time to build and compile the model and the time to sample (4 chains, 1,000 draws
after 1,000 of warm-up) are told apart, after Python and all that it imports were loaded; a model is compiled anew, as a program that is
new must be. Needs `pip install nutpie pymc numba arviz`.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import arviz
import numpy as np
import nutpie
import pymc as pm

HERE = pathlib.Path(__file__).parent
MODELS = {}


def model(folder):
    """Registers a PyMC form of a program of a folder: it gets the observations by name."""

    def register(write):
        MODELS[write.__name__] = (HERE / folder / f"{write.__name__}.ppl", write)
        return write

    return register


@model("generality/ordinary")
def beetle_fumigant(y):
    dose = np.array([1.70, 1.75, 1.80, 1.85, 1.90])
    ld50, log_slope = pm.Normal("ld50", 1.8, 0.05), pm.Normal("log_slope", 3.4, 0.3)
    pm.Binomial("killed", 40, logit_p=pm.math.exp(log_slope) * (dose - ld50), observed=y["killed"])


@model("generality/ordinary")
def cod_growth(y):
    age = np.array([1, 1, 2, 3, 3, 4, 5, 6, 8, 9, 11])
    longest, rate, spread = pm.Normal("longest", 120, 15), pm.LogNormal("rate", -1.8, 0.3), pm.Gamma("spread", 8, 100)
    mean = pm.math.log(longest * (1 - pm.math.exp(-rate * (age + 0.4))))
    pm.LogNormal("length", mean, spread, observed=y["length"])


@model("generality/hard")
def neutron_shield(y):
    source, thickness = pm.Normal("log_source", 6, 1.5), pm.Uniform("thickness", 0, 10)
    absorption = pm.HalfStudentT("absorption", nu=3, sigma=0.7)
    pm.Poisson("behind", pm.math.exp(source - absorption * thickness), observed=y["behind"])
    pm.Poisson("behind_double", pm.math.exp(source - 2 * absorption * thickness), observed=y["behind_double"])


@model("generality/ordinary")
def thermistor_bath(y):
    setting = np.array([5.0, 20.0, 35.0, 50.0])
    gain, a, b = pm.Normal("gain", 1, 0.05), pm.Normal("offset_a", 0, 1.5), pm.Normal("offset_b", 0, 1.5)
    bath = pm.Normal("bath", setting, 1)
    pm.Normal("reference", bath, 0.05, observed=y["reference"])
    pm.Normal("thermistor_a", gain * bath + a, 0.2, observed=y["thermistor_a"])
    pm.Normal("thermistor_b", bath + b, 0.3, observed=y["thermistor_b"])


@model("generality/hard")
def hospital_infections_centred(y):
    days = np.array([40, 25, 90, 15, 30])
    common, spread = pm.Normal("log_common", -3, 1), pm.HalfCauchy("spread", 0.5)
    rate = pm.Normal("log_rate", common, spread, shape=5)
    pm.Poisson("infections", pm.math.exp(rate + np.log(days)), observed=y["infections"])


@model("generality/ordinary")
def battery_discharge(y):
    slope, voltage = [pm.Normal("slope0", 0.05, 0.02)], [pm.Normal("voltage0", 4.1, 0.05)]
    for h in range(1, 5):
        slope.append(pm.Normal(f"slope{h}", slope[-1], 0.01))
        voltage.append(pm.Normal(f"voltage{h}", voltage[-1] - slope[-2], 0.01))
    pm.Normal("meter", pm.math.stack(voltage), 0.02, observed=y["meter"])


@model("zero_shot")
def orchards(y):
    level, spread = pm.Normal("level", 3, 1), pm.HalfNormal("spread", 0.5)
    effect = pm.Normal("effect", 0, 1, shape=18)
    pm.Normal("harvest", (level + spread * effect)[:, None], 0.4, observed=y["harvest"])


def ours(binary, program, data, runs):
    """Median seconds of a whole process, and the answer."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        result = subprocess.run([binary, "infer", program, "-d", data, "--json", "-q"], capture_output=True, text=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), json.loads(result.stdout)


def theirs(write, observed):
    """Seconds to compile and to sample, and the least effective draws."""
    start = time.perf_counter()
    with pm.Model() as built:
        write({name: np.array(value) for name, value in observed.items()})
    compiled = nutpie.compile_pymc_model(built)
    middle = time.perf_counter()
    trace = nutpie.sample(compiled, draws=1000, tune=1000, chains=4, seed=1, progress_bar=False)
    end = time.perf_counter()
    least = min(float(values.min()) for values in arviz.ess(trace).data_vars.values())
    return middle - start, end - middle, least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", default=list(MODELS), metavar="PROGRAM")
    parser.add_argument("--unmask", default="unmask", help="the binary")
    parser.add_argument("--runs", type=int, default=5, help="processes of `unmask infer`, of which the median is given")
    arguments = parser.parse_args()
    # What is compiled or loaded once is no model's time.
    theirs(lambda y: pm.Normal("warm", pm.Normal("up", 0, 1), 1, observed=y["y"]), {"y": [0.5]})
    print(f"{'program':30}{'latents':>8}{'unmask':>10}{'':>22}{'nutpie: compile':>17}{'sample':>9}{'min ESS':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.programs:
            path, write = MODELS[name]
            made = subprocess.run([arguments.unmask, "simulate", path, "-n", "1", "--seed", "3"], capture_output=True, text=True)
            names = re.findall(r"observe (\w+)", path.read_text())
            observed = {key: value for key, value in json.loads(made.stdout).items() if key in names}
            data = pathlib.Path(folder) / "data.json"
            data.write_text(json.dumps(observed))
            seconds, answer = ours(arguments.unmask, path, data, arguments.runs)
            latents = sum(1 for v in answer["variables"].values() if not v.get("deterministic"))
            verdict = answer["method"] + (", certified" if answer["certified"] else ", NOT CERTIFIED")
            compiled, sampled, least = theirs(write, observed)
            print(f"{name:30}{latents:>8}{1e3 * seconds:>7.0f} ms  {verdict:>20}{compiled:>15.1f} s{sampled:>7.2f} s{least:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
