"""Reference values of a small RoBERTa with random weights, by Hugging Face's transformers.

    pip install torch transformers safetensors
    python tests/golden/network/generate.py

writes roberta/{config.json, model.safetensors} (weights) and reference.safetensors (a batch, logits, the loss of masked
language modelling and its gradients), dropout off.
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import RobertaConfig, RobertaForMaskedLM

here = pathlib.Path(__file__).parent
torch.manual_seed(7)
config = RobertaConfig(
    vocab_size=100,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=24,
    type_vocab_size=1,
    layer_norm_eps=1e-5,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
    initializer_range=0.2,
)
model = RobertaForMaskedLM(config)
with torch.no_grad():  # biases and normalisations away from 0 and 1
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter += 0.1 * torch.randn_like(parameter)
model.eval()
model.save_pretrained(here / "roberta")

lengths = [9, 5, 14]
longest = max(lengths)
ids = torch.full((len(lengths), longest), config.pad_token_id)
labels = torch.full((len(lengths), longest), -100)
attention = torch.zeros((len(lengths), longest), dtype=torch.long)
for i, n in enumerate(lengths):
    ids[i, :n] = torch.randint(3, 100, (n,))
    ids[i, 0], ids[i, n - 1] = 0, 2
    attention[i, :n] = 1
    for j in torch.randperm(n - 2)[:2] + 1:
        labels[i, j] = torch.randint(3, 100, (1,))
out = model(input_ids=ids, attention_mask=attention, labels=labels)
out.loss.backward()

keep = attention.bool()
reference = {
    "tokens": ids[keep].int(),
    "lengths": torch.tensor(lengths).int(),
    "labels": labels[keep].int(),
    "logits": out.logits[keep].detach().contiguous(),
    "loss": out.loss.detach().reshape(1),
}
for name, parameter in model.named_parameters():
    reference["gradient." + name] = parameter.grad.contiguous()
save_file(reference, here / "reference.safetensors")
print({k: tuple(v.shape) for k, v in reference.items()})
