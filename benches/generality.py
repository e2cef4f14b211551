"""How general weights are: simulated data of the programs in `benches/generality`, which no network was trained on, answered by each
method alone, with each file of weights.

    python3 benches/generality.py [-n DATA_SETS] [--jobs JOBS] [--unmask BINARY] COLUMN...

A column is NAME=METHOD or NAME=METHOD:WEIGHTS, such as `anchors=laplace`, `bundled=foundation` or `mine=foundation:mine.safetensors`.
Prints, for ordinary and hard programs: the share of data sets certified, of those that the first column refuses too, effective draws a
draw, the median seconds, and (against NUTS, where its chains are certified) the median error of means and standard deviations, in
posterior standard deviations. Effective draws and errors are over the data sets that a column certifies itself, seconds over those that it
answers. Several jobs run side by side, each on a thread of its own, and their seconds are longer than those of one
alone. Needs nothing but Python and `unmask` (`cargo build --release`).
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent / "generality"


def run(binary, *arguments):
    """The JSON that a command prints, or None where it has no answer."""
    result = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    try:
        return json.loads(result.stdout)
    except json.JSONDecodeError:
        return None


def infer(binary, program, method, weights=None):
    """An answer, certified or not."""
    own = ["--weights", weights] if weights else []
    return run(binary, "infer", program, "--method", method, "--json", "-q", "--budget", 20, *own)


def scalars(answer):
    """(mean, sd) by element, of variables that have them."""
    found = {}
    for name, variable in answer["variables"].items():
        mean, sd = variable.get("mean"), variable.get("sd")
        if isinstance(mean, (int, float)) and isinstance(sd, (int, float)):
            found[name] = (mean, sd)
    return found


def effective(answer):
    """The smallest number of effective draws of a variable, by draws."""
    sizes = [v.get("ess") for v in answer["variables"].values() if isinstance(v.get("ess"), (int, float))]
    return min(sizes) / answer["draws"] if sizes and answer["draws"] else None


def errors(answer, reference):
    """Errors of means and of standard deviations, in standard deviations of the reference."""
    ours, theirs = scalars(answer), scalars(reference)
    both = [(ours[name], theirs[name]) for name in theirs if name in ours and theirs[name][1] > 0]
    return [abs(a[0] - b[0]) / b[1] for a, b in both], [abs(a[1] - b[1]) / b[1] for a, b in both]


def median(values, digits=3):
    values = [v for v in values if v is not None]
    return f"{statistics.median(values):.{digits}f}" if values else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("columns", nargs="+", metavar="COLUMN")
    parser.add_argument("-n", type=int, default=2, help="data sets of each program")
    parser.add_argument("--jobs", type=int, default=1, help="data sets at a time")
    parser.add_argument("--unmask", default="unmask", help="the binary")
    arguments = parser.parse_args()
    if arguments.jobs > 1:
        os.environ["RAYON_NUM_THREADS"] = "1"
    columns = []
    for column in arguments.columns:
        name, _, rest = column.partition("=")
        method, _, weights = rest.partition(":")
        columns.append((name, method, weights or None))

    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:

        def case(source, seed):
            """The answers of all columns for one data set, and the reference."""
            # An execution with its data in the text, and what is sampled hidden.
            made = ["trace", source, "-n", 1, "--mask", "role", "--digits", 3, "--seed", seed, "--jsonl"]
            execution = run(arguments.unmask, *made)
            if execution is None:
                return None
            program = pathlib.Path(folder) / f"{source.stem}_{seed}.ppl"
            program.write_text(execution["program"])
            answers = [infer(arguments.unmask, program, method, weights) for _, method, weights in columns]
            return answers, infer(arguments.unmask, program, "nuts")

        for kind in ("ordinary", "hard"):
            sources = sorted((HERE / kind).glob("*.ppl"))
            asked = [(source, seed) for source in sources for seed in range(1, arguments.n + 1)]
            cases = [found for found in pool.map(lambda ask: case(*ask), asked) if found is not None]
            print(f"\n{kind}: {len(cases)} data sets")
            print(f"{'':14}{'certified':>10}{'of refused':>12}{'ESS/S':>8}{'seconds':>9}{'mean':>8}{'sd':>8}")
            for i, (name, _, _) in enumerate(columns):
                held = [a[i] is not None and a[i]["certified"] for a, _ in cases]
                refused = [held[j] for j, (a, _) in enumerate(cases) if not (a[0] is not None and a[0]["certified"])]
                means, sds = [], []
                for j, (a, reference) in enumerate(cases):
                    if held[j] and reference is not None and reference["certified"]:
                        mean, sd = errors(a[i], reference)
                        means += mean
                        sds += sd
                ess = [effective(a[i]) for j, (a, _) in enumerate(cases) if held[j]]
                seconds = [a[i]["seconds"] for a, _ in cases if a[i] is not None]
                print(
                    f"{name:14}{sum(held):>6}/{len(cases):<3}{sum(refused):>8}/{len(refused):<3}"
                    f"{median(ess, 2):>8}{median(seconds):>9}{median(means):>8}{median(sds):>8}"
                )


if __name__ == "__main__":
    main()
