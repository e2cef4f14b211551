"""A training step of the compact preset in PyTorch: the shapes of benches/network.rs, for comparison side by side.

    pip install torch
    python benches/network.py [threads] [seconds]

Prints the median, the quickest and the number of steps. 4 layers, width 128, 4 heads, inner 512, normalised before each half, exact GELU,
16 sequences of 128 tokens, a language loss at 15 % of the tokens, Adam with a global-norm clip.
"""

import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
BATCH, LENGTH, WIDTH, HEADS, INNER, LAYERS, VOCABULARY, FEATURES = 16, 128, 128, 4, 512, 4, 500, 11

torch.set_num_threads(THREADS)
torch.manual_seed(0)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner, self.outer = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(a.transpose(1, 2).reshape(b, t, d))
        return x + self.outer(F.gelu(self.inner(self.norm2(x))))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(256, WIDTH)
        self.feature = nn.Linear(FEATURES, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.dense, self.dense_norm = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))

    def forward(self, tokens, features, rows, targets):
        x = self.token(tokens) + self.position(torch.arange(LENGTH)) + self.feature(features)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x).view(-1, WIDTH)[rows]
        x = self.dense_norm(F.gelu(self.dense(x)))
        return F.cross_entropy(x @ self.token.weight.T + self.bias, targets)


network = Network()
adam = torch.optim.Adam(network.parameters(), lr=1e-3)
tokens = torch.randint(0, VOCABULARY, (BATCH, LENGTH))
features = torch.randn(BATCH, LENGTH, FEATURES)
rows = torch.arange(0, BATCH * LENGTH, 7)
targets = torch.randint(0, VOCABULARY, rows.shape)


def step():
    adam.zero_grad()
    loss = network(tokens, features, rows, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    adam.step()
    return loss.item()


for _ in range(5):
    step()
times = []
until = time.time() + SECONDS
while time.time() < until:
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
times.sort()
print(f"pytorch {torch.__version__}, {THREADS} threads: median {1e3 * statistics.median(times):.1f} ms, "
      f"quickest {1e3 * times[0]:.1f} ms, {len(times)} steps")
