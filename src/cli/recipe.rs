//! The options of `unmask train`, and the presets that say the rest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::named;
use crate::foundation::{AnchorKind, Shape};
use crate::network::Device;

#[derive(Debug, Args)]
#[command(
    after_help = "WEIGHTS are the best on held-out executions so far. What it takes to go on with the same files is in WEIGHTS.checkpoint, written at every check and at least every half minute; metrics are in WEIGHTS.metrics.jsonl."
)]
pub(super) struct TrainArgs {
    /// Programs, each with the inputs that have no prior: FILE or FILE=DATA.json
    #[arg(required_unless_present = "generated", value_name = "FILE[=DATA]")]
    pub files: Vec<String>,
    /// The share of examples that are of random programs (`unmask generate`), from 0 to 1; all of them without files
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.5", value_parser = share)]
    pub generated: Option<f64>,
    /// The share of examples of which the network reads a part: loops lose iterations, as they do in programs that are longer
    /// than the context, but the anchors know all, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    pub cut: f64,
    /// Of programs that are longer than the context, learn from minibatches of so many iterations of their plate
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub plate_k: Option<u64>,
    /// Look for imports in this directory too (also: the path list UNMASK_LIB)
    #[arg(long = "lib", value_name = "DIR")]
    pub libraries: Vec<PathBuf>,
    /// Where the weights go
    #[arg(short, long, value_name = "WEIGHTS")]
    pub output: PathBuf,
    /// Go on from WEIGHTS.checkpoint, as if it had never stopped, with the same FILES, --generated and --plate-k; of the other
    /// options only --steps (where it is given) and --device count
    #[arg(long)]
    pub resume: bool,
    /// Start from these weights
    #[arg(long, value_name = "WEIGHTS",
        conflicts_with_all = ["resume", "anchors", "encoding", "width", "layers", "context"])]
    pub init: Option<PathBuf>,
    /// Start from the encoder, language head and tokenizer of RoBERTa or CodeBERT in a folder of Hugging Face's
    #[arg(long, value_name = "DIR", conflicts_with_all = ["init", "resume", "encoding", "width", "layers"])]
    pub init_encoder: Option<PathBuf>,
    /// What holds where no other option says otherwise
    #[arg(long, value_enum, default_value = "compact")]
    pub preset: Preset,
    /// Steps of the optimiser [1000; paper: 300 epochs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// So long: the first steps are timed, then their number is fixed
    #[arg(long, value_name = "M", conflicts_with_all = ["steps", "epochs"])]
    pub minutes: Option<f64>,
    /// Passes over the executions of --examples
    #[arg(long, value_name = "N", conflicts_with = "steps", value_parser = clap::value_parser!(u64).range(1..))]
    pub epochs: Option<u64>,
    /// Learn from so many executions, again and again [endless fresh ones; paper: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub examples: Option<u64>,
    /// Executions that are never learnt from: the best weights on them are kept [256; paper: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub heldout: Option<u64>,
    /// Executions a step [32; paper: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_096))]
    pub batch: Option<u64>,
    /// Batches that are made together, each of executions of about one length: a GPU pads them to the longest
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub buckets: u64,
    /// The largest learning rate [0.0015; roberta-base: 0.0001; paper: 0.004]
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Steps in which the rate rises to it [100; roberta-base: 500; paper: 5000]
    #[arg(long, value_name = "N")]
    pub warmup: Option<u64>,
    /// Larger gradients are scaled down to this norm [1]
    #[arg(long, value_name = "NORM", value_parser = positive, allow_negative_numbers = true)]
    pub clip: Option<f64>,
    /// Factor of the head's loss beside the language loss [1; paper: 0.1]
    #[arg(long, value_name = "ALPHA", value_parser = positive, allow_negative_numbers = true)]
    pub alpha: Option<f64>,
    /// Without the language loss
    #[arg(long)]
    pub no_mlm: bool,
    /// Train only so many layers from the top, and the heads [all; paper: 6]
    #[arg(long, value_name = "N")]
    pub train_layers: Option<usize>,
    /// What the head's components are placed relative to [laplace; paper: gaussian]
    #[arg(long, value_parser = named(AnchorKind::ALL))]
    pub anchors: Option<AnchorKind>,
    /// How programs become tokens [lexeme; roberta-base and paper: text]
    #[arg(long, value_enum)]
    pub encoding: Option<EncodingArg>,
    /// Where the network's passes are computed
    #[arg(long, default_value = "cpu", value_parser = named(Device::ALL))]
    pub device: Device,
    /// Tokens that a program may have [1024; roberta-base: 512; paper: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(8..=65_536))]
    pub context: Option<u64>,
    /// Width of the encoder, of the preset `compact`, a multiple of 4 [128]
    #[arg(long, value_name = "N", value_parser = width)]
    pub width: Option<u64>,
    /// Layers of the encoder, of the preset `compact` [4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=48))]
    pub layers: Option<u64>,
    /// Same seed, same weights
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

/// A form of network, with how to train it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// A small encoder that trains on a laptop
    Compact,
    /// RoBERTa's base model, 12 layers of width 768
    RobertaBase,
    /// The same with the settings of Wu and Goodman 2022 (A.3), programs written without white space
    Paper,
}

/// How programs become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EncodingArg {
    /// One token a lexeme, one token a number with its exact value
    Lexeme,
    /// The plain text by a byte-pair encoding that is learnt from the programs; numbers have four digits
    Text,
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        Ok(_) | Err(_) => Err("a positive number is expected".to_owned()),
    }
}

/// Of four heads.
fn width(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(n) if (8..=4_096).contains(&n) && n.is_multiple_of(4) => Ok(n),
        Ok(_) | Err(_) => Err("a multiple of 4 from 8 to 4096 is expected".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        Ok(_) | Err(_) => Err("a number from 0 to 1 is expected".to_owned()),
    }
}

/// All that there is to say of a training.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recipe {
    pub steps: u64,
    pub examples: Option<u64>,
    pub heldout: usize,
    pub batch: usize,
    pub rate: f64,
    pub warmup: u64,
    pub clip: f64,
    pub alpha: f64,
    pub train_layers: Option<usize>,
    pub anchors: AnchorKind,
    pub encoding: EncodingArg,
    /// Whether programs are written without white space.
    pub dense: bool,
    pub context: usize,
    pub shape: Shape,
}

impl Recipe {
    /// Of a preset, with the number of epochs that stands in for steps.
    fn of(preset: Preset) -> (Self, Option<u64>) {
        let compact = Self {
            steps: 1_000,
            examples: None,
            heldout: 256,
            batch: 32,
            rate: 1.5e-3,
            warmup: 100,
            clip: 1.0,
            alpha: 1.0,
            train_layers: None,
            anchors: AnchorKind::Laplace,
            encoding: EncodingArg::Lexeme,
            dense: false,
            context: 1_024,
            shape: Shape::Compact { width: 128, layers: 4, context: 1_024 },
        };
        let base = Self {
            rate: 1e-4,
            warmup: 500,
            encoding: EncodingArg::Text,
            context: 512,
            shape: Shape::RobertaBase,
            ..compact.clone()
        };
        match preset {
            Preset::Compact => (compact, None),
            Preset::RobertaBase => (base, None),
            Preset::Paper => {
                let paper = Self {
                    examples: Some(10_000),
                    heldout: 1_000,
                    batch: 16,
                    rate: 4e-3,
                    warmup: 5_000,
                    alpha: 0.1,
                    train_layers: Some(6),
                    anchors: AnchorKind::Gaussian,
                    dense: true,
                    context: 200,
                    ..base
                };
                (paper, Some(300))
            }
        }
    }

    /// What the options say, and the preset says of the rest.
    pub fn new(arguments: &TrainArgs) -> Self {
        let (mut recipe, epochs) = Self::of(arguments.preset);
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        set(&mut recipe.heldout, arguments.heldout.map(size));
        set(&mut recipe.batch, arguments.batch.map(size));
        set(&mut recipe.rate, arguments.lr);
        set(&mut recipe.warmup, arguments.warmup);
        set(&mut recipe.clip, arguments.clip);
        set(&mut recipe.alpha, arguments.alpha);
        set(&mut recipe.anchors, arguments.anchors);
        set(&mut recipe.encoding, arguments.encoding);
        set(&mut recipe.context, arguments.context.map(size));
        recipe.examples = arguments.examples.or(recipe.examples);
        // What nobody trained before is not left as it is.
        let pretrained = arguments.init.is_some() || arguments.init_encoder.is_some();
        recipe.train_layers = arguments.train_layers.or(recipe.train_layers.filter(|_| pretrained));
        if let Shape::Compact { width, layers, context } = &mut recipe.shape {
            set(width, arguments.width.map(size));
            set(layers, arguments.layers.map(size));
            *context = recipe.context;
        }
        let epochs = arguments.epochs.or(epochs).zip(recipe.examples);
        set(&mut recipe.steps, epochs.map(|(epochs, n)| (epochs * n).div_ceil(recipe.batch as u64)));
        set(&mut recipe.steps, arguments.steps);
        recipe
    }

    /// What of the options is of no use.
    pub fn conflict(arguments: &TrainArgs) -> Option<&'static str> {
        let recipe = Self::new(arguments);
        if arguments.epochs.is_some() && recipe.examples.is_none() {
            return Some("--epochs needs --examples: there is no end to fresh executions");
        }
        let sized = arguments.width.is_some() || arguments.layers.is_some();
        (sized && recipe.shape == Shape::RobertaBase).then_some("--width and --layers are of the preset `compact`")
    }
}
