"""How quality grows with training and with parameters: networks of several widths, trained from nothing on random programs for several
numbers of steps, and the held-out loss that each ends with, below that of the anchors alone.

    python3 benches/scaling.py [--unmask BINARY] [--widths 32,64,128] [--steps 100,200,400] [--jobs JOBS] [-o FOLDER] [OPTION of
        `unmask train`]...

Each training has its own schedule, so that each curve joins ends of trainings and not their middles. Trainings that are there are not
repeated: it can be stopped and goes on, with the same options and binary. Writes scaling.json, scaling.md and scaling.svg to the folder
(default: target/scaling). Needs nothing but Python and `unmask` (`cargo build --release`).
"""

import argparse
import concurrent.futures
import json
import math
import pathlib
import struct
import subprocess

SEED = 5
HELD_OUT = 256
BATCH = 32


def parameters(path):
    """Parameters in a file of weights."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")


def train(binary, folder, width, steps, extra):
    """The last held-out losses of a training: of the network, and of the anchors alone."""
    weights = folder / f"width{width}_steps{steps}.safetensors"
    metrics = folder / (weights.name + ".metrics.jsonl")
    checkpoint = folder / (weights.name + ".checkpoint")

    def last():
        if not metrics.exists():
            return None
        ends = []
        for text in metrics.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                # What was stopped may leave a part of a line.
                continue
            if "held_out" in line and line["step"] == steps:
                ends.append(line["held_out"])
        return ends[-1] if ends else None

    if last() is None:
        options = ["--resume"] if checkpoint.exists() else []
        command = [binary, "train", "--generated", "-o", weights, "--width", width, "--steps", steps, "--batch", BATCH]
        command += ["--heldout", HELD_OUT, "--seed", SEED, "-q", *options, *extra]
        subprocess.run([str(part) for part in command], check=True)
    return parameters(weights), last()


def svg(runs):
    """Curves of the gain by examples, one for each width."""
    wide, high, left, bottom = 640, 400, 70, 50
    widths = sorted({run["width"] for run in runs})
    xs = [math.log10(run["examples"]) for run in runs]
    ys = [run["gain"] for run in runs]
    low_x, high_x, low_y, high_y = min(xs) - 0.05, max(xs) + 0.05, min(0.0, *ys), max(max(ys) * 1.08, 0.01)

    def place(x, y):
        across = left + (x - low_x) / (high_x - low_x) * (wide - left - 20)
        return across, high - bottom - (y - low_y) / (high_y - low_y) * (high - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="13">',
        f'<rect width="{wide}" height="{high}" fill="white"/>',
    ]
    for examples in sorted({run["examples"] for run in runs}):
        across, down = place(math.log10(examples), 0)
        parts.append(f'<text x="{across:.0f}" y="{down + 20:.0f}" text-anchor="middle">{examples:,}</text>')
        parts.append(f'<line x1="{across:.0f}" y1="{down:.0f}" x2="{across:.0f}" y2="20" stroke="#ddd"/>')
    ticks = [round(high_y * i / 5, 2) for i in range(6)]
    for tick in ticks:
        _, down = place(low_x, tick)
        parts.append(f'<text x="{left - 8}" y="{down + 4:.0f}" text-anchor="end">{tick:.2f}</text>')
        parts.append(f'<line x1="{left}" y1="{down:.0f}" x2="{wide - 20}" y2="{down:.0f}" stroke="#ddd"/>')
    for width, colour in zip(widths, ["#1b6ca8", "#c8553d", "#4b8b3b", "#7d4f9e", "#b8860b"]):
        own = sorted((run for run in runs if run["width"] == width), key=lambda run: run["examples"])
        points = [place(math.log10(run["examples"]), run["gain"]) for run in own]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
        label = f"width {width}, {own[0]['parameters'] / 1e6:.2f} million parameters"
        at = 34 + 18 * widths.index(width)
        parts.append(f'<text x="{left + 12}" y="{at}" fill="{colour}">{label}</text>')
    middle = (left + wide - 20) / 2
    parts.append(f'<text x="{middle}" y="{high - 10}" text-anchor="middle">examples of random programs</text>')
    turn = f"rotate(-90 16 {high / 2})"
    parts.append(f'<text x="16" y="{high / 2}" text-anchor="middle" transform="{turn}">nats gained over the anchors</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form, allow_abbrev=False)
    parser.add_argument("--unmask", default="unmask", help="the binary")
    parser.add_argument("--widths", type=numbers, default=[32, 64, 128])
    parser.add_argument("--steps", type=numbers, default=[100, 200, 400])
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("target/scaling"))
    arguments, extra = parser.parse_known_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    recipe = {"batch": BATCH, "held_out": HELD_OUT, "seed": SEED, "options": extra}
    made_by = arguments.output / "recipe.json"
    if not made_by.exists():
        made_by.write_text(json.dumps(recipe) + "\n")
    if json.loads(made_by.read_text()) != recipe:
        raise SystemExit(f"{arguments.output} holds trainings with other options: {made_by.read_text().strip()}")

    runs = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        asked = [(width, steps) for steps in sorted(arguments.steps) for width in arguments.widths]
        ends = pool.map(lambda ask: train(arguments.unmask, arguments.output, *ask, extra), asked)
        for (width, steps), (size, end) in zip(asked, ends):
            run = {"width": width, "parameters": size, **end, "examples": steps * BATCH}
            run["gain"] = end["anchors"] - end["head"]
            runs.append(run)
            print(f"width {width}: {size:,} parameters, {steps * BATCH:,} examples, {run['gain']:.3f} nats", flush=True)
            rows = [f"| {r['width']} | {r['parameters']:,} | {r['examples']:,} | {r['head']:.3f} | {r['gain']:.3f} |" for r in runs]
            head = f"Held out: {HELD_OUT:,} executions of random programs; the anchors alone have {end['anchors']:.3f} nats.\n\n"
            head += "| width | parameters | examples | nats | gained |\n|---|---|---|---|---|\n"
            (arguments.output / "scaling.md").write_text(head + "\n".join(rows) + "\n")
            (arguments.output / "scaling.json").write_text(json.dumps(runs, indent=2) + "\n")
            (arguments.output / "scaling.svg").write_text(svg(runs))


if __name__ == "__main__":
    main()
