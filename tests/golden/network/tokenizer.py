"""Token numbers of annotated programs by RoBERTa's tokenizer in `transformers`, with a small vocabulary learnt here.

Writes `tokenizer/vocab.json`, `tokenizer/merges.txt` and `tokenizer/reference.json`. Run after `cargo build --release`, with `transformers` and `tokenizers` installed:
`python tests/golden/network/tokenizer.py`.
"""

import json
import pathlib
import subprocess

from tokenizers import AddedToken, ByteLevelBPETokenizer
from transformers import RobertaTokenizer

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
FOLDER = HERE / "tokenizer"


def traces(name, n, seed):
    command = ["target/release/unmask", "trace", f"examples/{name}.ppl", "-n", str(n), "--seed", str(seed)]
    command += ["--digits", "4", "--mask", "random", "--jsonl"]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line)["text"].replace("@ ?;", "@ <mask>;") for line in lines]


def main():
    FOLDER.mkdir(exist_ok=True)
    names = ["latent", "clustering", "hierarchical", "milky_way", "rosenbrock"]
    learnt = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = [text for name in names for text in traces(name, 40, 1)]
    learnt.train_from_iterator(texts, vocab_size=600, special_tokens=special, show_progress=False)
    learnt.save_model(str(FOLDER))
    # As in RoBERTa's own files, the mask takes in the space before it.
    mask = AddedToken("<mask>", lstrip=True, special=True)
    tokenizer = RobertaTokenizer.from_pretrained(str(FOLDER), mask_token=mask)
    cases = [text for name in names for text in traces(name, 1, 7)] + ["x = 1;  y ~ normal(0, 1) @ -3.5e-7;\n", "@ <mask>;"]
    reference = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in cases]
    (FOLDER / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")


main()
