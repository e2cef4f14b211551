//! The fused operations against the same network composed of dfdx's operations, results and gradients.

use dfdx::prelude::*;
use unmask::network::{Batch, Network, Norm};

use super::{assert_close, config, loss_and_gradients, network, seed_values, sequences};

type Matrix<T = NoneTape> = Tensor<(usize, usize), f32, Cpu, T>;
type Taped = Matrix<OwnedTape<f32, Cpu>>;

/// A network's parameters as dfdx's tensors.
struct Composed<'a> {
    device: Cpu,
    network: &'a Network,
    batch: &'a Batch,
    parameters: Vec<(String, Matrix)>,
}

/// One matrix with a 1 in each row: gathers rows by a product.
fn selection(rows: &[u32], n: usize, device: &Cpu) -> Matrix {
    let mut values = vec![0.0; rows.len() * n];
    for (i, &row) in rows.iter().enumerate() {
        values[i * n + row as usize] = 1.0;
    }
    device.tensor_from_vec(values, (rows.len(), n))
}

/// GELU. Not dfdx's `accurate_gelu`, whose derivative has √2 too much in its second term (0.13.0).
fn gelu(x: Taped) -> Taped {
    use statrs::function::erf::erf;
    let (x, mut tape) = x.split_tape();
    let cdf = |v: f64| 0.5 * (1.0 + erf(v / 2.0_f64.sqrt()));
    let values = x.as_vec();
    let y = values.iter().map(|&v| (f64::from(v) * cdf(f64::from(v))) as f32).collect();
    let y = x.device().tensor_from_vec(y, *x.shape());
    let result = y.clone();
    tape.add_backward_op(move |gradients: &mut Gradients<f32, Cpu>| {
        let dy = gradients.get_or_alloc_mut(&y)?.to_vec();
        for ((dx, dy), v) in gradients.get_or_alloc_mut(&x)?.iter_mut().zip(dy).zip(values) {
            let v = f64::from(v);
            let density = (-0.5 * v * v).exp() / (2.0 * std::f64::consts::PI).sqrt();
            *dx += dy * (cdf(v) + v * density) as f32;
        }
        Ok(())
    });
    result.put_tape(tape)
}

impl<'a> Composed<'a> {
    fn new(network: &'a Network, batch: &'a Batch) -> Self {
        let device = Cpu::default();
        let names: Vec<String> = network.names().map(str::to_owned).collect();
        let parameters = names.into_iter().map(|name| {
            let parameter = network.parameter(&name).unwrap();
            let (rows, columns) = match parameter.shape[..] {
                [n] => (1, n),
                [m, n] => (m, n),
                _ => panic!("a parameter of {} dimensions", parameter.shape.len()),
            };
            let tensor = device.tensor_from_vec(parameter.values, (rows, columns));
            (name, tensor)
        });
        Self { parameters: parameters.collect(), device, network, batch }
    }

    fn parameter(&self, name: &str) -> Taped {
        let (_, tensor) = self.parameters.iter().find(|(n, _)| n == name).unwrap();
        tensor.leaky_trace()
    }

    /// A row repeated.
    fn repeated(&self, row: Taped, rows: usize) -> Taped {
        let ones: Matrix = self.device.ones_like(&(rows, 1));
        ones.leaky_trace().matmul(row)
    }

    fn linear(&self, x: Taped, name: &str) -> Taped {
        let rows = x.shape().0;
        let bias = self.repeated(self.parameter(&format!("{name}.bias")), rows);
        x.matmul(self.parameter(&format!("{name}.weight")).permute::<_, Axes2<1, 0>>()) + bias
    }

    fn norm(&self, x: Taped, name: &str) -> Taped {
        let rows = x.shape().0;
        let scale = self.repeated(self.parameter(&format!("{name}.weight")), rows);
        let shift = self.repeated(self.parameter(&format!("{name}.bias")), rows);
        x.normalize::<Axis<1>>(1e-5) * scale + shift
    }

    /// Attention as one dense product with a mask, head by head.
    fn attention(&self, x: Taped, memory: Taped, name: &str, heads: usize, mask: &Matrix) -> Taped {
        let (rows, d) = *x.shape();
        let w = d / heads;
        let q = self.linear(x, &format!("{name}.query"));
        let kv = self.linear(memory, &format!("{name}.key_value"));
        let projection = self.parameter(&format!("{name}.projection.weight"));
        let mut sum = self.repeated(self.parameter(&format!("{name}.projection.bias")), rows);
        for head in 0..heads {
            let (a, b) = (head * w, (head + 1) * w);
            let q = q.with_empty_tape().slice((.., a..b)).realize::<(usize, usize)>();
            let k = kv.with_empty_tape().slice((.., a..b)).realize::<(usize, usize)>();
            let v = kv.with_empty_tape().slice((.., d + a..d + b)).realize::<(usize, usize)>();
            let scores = q.matmul(k.permute::<_, Axes2<1, 0>>()) * (1.0 / (w as f32).sqrt()) + mask.clone();
            let out = scores.softmax::<Axis<1>>().matmul(v);
            let columns = projection.with_empty_tape().slice((.., a..b)).realize::<(usize, usize)>();
            sum = sum + out.matmul(columns.permute::<_, Axes2<1, 0>>());
        }
        // The tapes of what was cut up.
        let (q, qt) = q.split_tape();
        let (kv, kt) = kv.split_tape();
        drop((q, kv));
        let (sum, tape) = sum.split_tape();
        sum.put_tape(tape.merge(qt).merge(kt))
    }

    fn half(&self, norm: Norm, x: Taped, name: &str, f: impl Fn(Taped) -> Taped) -> Taped {
        let copy = x.with_empty_tape();
        match norm {
            Norm::Pre => f(self.norm(x, name)) + copy,
            Norm::Post => self.norm(f(x) + copy, name),
        }
    }

    fn feed(&self, norm: Norm, x: Taped, prefix: &str) -> Taped {
        self.half(norm, x, &format!("{prefix}feed.norm"), |x| {
            let inner = self.linear(x, &format!("{prefix}feed.inner"));
            self.linear(gelu(inner), &format!("{prefix}feed.outer"))
        })
    }

    /// 0 where a row of one group of sequences may see a row of another, −∞ elsewhere.
    fn mask(&self, rows: &[usize], columns: &[usize], causal: bool) -> Matrix {
        let (m, n) = (*rows.last().unwrap(), *columns.last().unwrap());
        let mut values = vec![-1e9; m * n];
        for (r, c) in rows.windows(2).zip(columns.windows(2)) {
            for i in r[0]..r[1] {
                for j in c[0]..c[1] {
                    if !causal || j <= i {
                        values[i * n + j] = 0.0;
                    }
                }
            }
        }
        self.device.tensor_from_vec(values, (m, n))
    }

    fn encode(&self) -> Taped {
        let config = &self.network.config().encoder;
        let (batch, t) = (self.batch, self.batch.tokens.len());
        let tokens = selection(&batch.tokens, config.vocabulary, &self.device);
        let places: Vec<u32> = batch.positions.iter().map(|p| p + config.first_position as u32).collect();
        let places = selection(&places, config.positions, &self.device);
        let features = self.device.tensor_from_vec(batch.features.clone(), (t, config.features));
        let mut x = tokens.leaky_trace().matmul(self.parameter("encoder.token.weight"))
            + places.leaky_trace().matmul(self.parameter("encoder.position.weight"))
            + self.linear(features.leaky_trace(), "encoder.feature");
        if config.token_type {
            x = x + self.repeated(self.parameter("encoder.token_type.weight"), t);
        }
        if config.norm == Norm::Post {
            x = self.norm(x, "encoder.norm");
        }
        let mask = self.mask(&batch.offsets, &batch.offsets, false);
        for i in 0..config.layers {
            let prefix = format!("encoder.layer.{i}.");
            let name = format!("{prefix}attention");
            x = self.half(config.norm, x, &format!("{name}.norm"), |x| {
                let memory = x.with_empty_tape();
                self.attention(x, memory, &name, config.heads, &mask)
            });
            x = self.feed(config.norm, x, &prefix);
        }
        if config.norm == Norm::Pre {
            x = self.norm(x, "encoder.norm");
        }
        x
    }

    fn decode(&self, encoded: &Taped) -> Taped {
        let config = self.network.config().decoder.as_ref().unwrap();
        let (batch, t) = (self.batch, self.batch.tokens.len());
        let variables = selection(&batch.element_rows, t, &self.device);
        let memory = selection(&batch.memory, t, &self.device);
        let features = (batch.element_rows.len(), config.features);
        let features = self.device.tensor_from_vec(batch.element_features.clone(), features);
        let features = gelu(self.linear(features.leaky_trace(), "decoder.feature.inner"));
        let variables = variables.leaky_trace().matmul(encoded.with_empty_tape());
        let mut x = self.linear(variables, "decoder.variable") + self.linear(features, "decoder.feature.outer");
        let own = self.mask(&batch.element_offsets, &batch.element_offsets, true);
        let other = self.mask(&batch.element_offsets, &batch.memory_offsets, false);
        for i in 0..config.layers {
            let prefix = format!("decoder.layer.{i}.");
            let name = format!("{prefix}attention");
            x = self.half(Norm::Pre, x, &format!("{name}.norm"), |x| {
                let memory = x.with_empty_tape();
                self.attention(x, memory, &name, config.heads, &own)
            });
            let name = format!("{prefix}cross");
            x = self.half(Norm::Pre, x, &format!("{name}.norm"), |x| {
                let memory = memory.leaky_trace().matmul(encoded.with_empty_tape());
                self.attention(x, memory, &name, config.heads, &other)
            });
            x = self.feed(Norm::Pre, x, &prefix);
        }
        self.norm(x, "decoder.norm")
    }

    fn head(&self, decoded: &Taped) -> Taped {
        let batch = self.batch;
        let elements = selection(&batch.component_elements, batch.element_rows.len(), &self.device);
        let features = (batch.component_elements.len(), self.network.config().head.as_ref().unwrap().features);
        let features = self.device.tensor_from_vec(batch.component_features.clone(), features);
        let element = self.linear(decoded.with_empty_tape(), "head.element");
        let hidden = elements.leaky_trace().matmul(element) + self.linear(features.leaky_trace(), "head.component");
        self.linear(gelu(hidden), "head.out")
    }

    fn logits(&self, encoded: &Taped) -> Taped {
        let rows = selection(&self.batch.language_rows, self.batch.tokens.len(), &self.device);
        let x = rows.leaky_trace().matmul(encoded.with_empty_tape());
        let x = self.norm(gelu(self.linear(x, "language.dense")), "language.norm");
        let bias = self.repeated(self.parameter("language.bias"), x.shape().0);
        x.matmul(self.parameter("encoder.token.weight").permute::<_, Axes2<1, 0>>()) + bias
    }
}

fn weighed(x: Taped, seed: u64) -> Tensor<(), f32, Cpu, OwnedTape<f32, Cpu>> {
    let shape = *x.shape();
    let weights = x.device().tensor_from_vec(seed_values(shape.0 * shape.1, seed), shape);
    (x * weights).sum()
}

#[test]
fn fused_operations_equal_composed_ones() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let network = network(config.clone(), 7);
        let batch = super::batch(&sequences(&config, &[5, 9, 1, 14], 4));
        let composed = Composed::new(&network, &batch);
        let encoded = composed.encode();
        let decoded = composed.decode(&encoded);
        let head = composed.head(&decoded);
        let logits = composed.logits(&encoded);

        let pass = network.forward(&batch).unwrap();
        assert_close(&pass.encoded(), &encoded.as_vec(), 1e-5, "encoded");
        assert_close(&pass.decoded().unwrap(), &decoded.as_vec(), 1e-5, "decoded");
        assert_close(&pass.head().unwrap(), &head.as_vec(), 1e-5, "head");
        assert_close(&pass.language_logits().unwrap(), &logits.as_vec(), 1e-5, "logits");

        let targets = selection(&batch.language_targets, config.encoder.vocabulary, &composed.device);
        let language = cross_entropy_with_logits_loss(logits, targets);
        assert_close(&[pass.language_loss().unwrap()], &[language.array()], 1e-5, "loss");
        let loss = language + weighed(head, 1) + weighed(decoded, 2) + weighed(encoded, 3);
        let expected = loss.backward();
        let (_, gradients) = loss_and_gradients(&network, &batch);
        for ((name, tensor), found) in composed.parameters.iter().zip(gradients.iter()) {
            assert_close(found, &expected.get(tensor).as_vec(), 3e-5, &format!("{norm:?} {name}"));
        }
    }
}
