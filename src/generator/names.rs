//! Names of variables: by what they stand for, words, or letters.

use rand::RngExt as _;

use crate::builtin::Builtin;
use crate::infer::Stream;
use crate::span::FileId;
use crate::syntax::{self, Token};

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Latent,
    Location,
    Scale,
    Share,
    /// Something discrete.
    Choice,
    Data,
    Input,
    /// Something computed.
    Value,
    /// Probabilities given something discrete.
    Table,
}

/// How a program names its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Usual,
    Words,
    Letters,
    Mixed,
}

const WORDS: [&str; 72] = [
    "amount",
    "baseline",
    "bias",
    "capacity",
    "centre",
    "change",
    "concentration",
    "control",
    "cost",
    "decline",
    "demand",
    "density",
    "depth",
    "distance",
    "dose",
    "drift",
    "effect",
    "energy",
    "error",
    "exposure",
    "flow",
    "force",
    "gain",
    "group",
    "growth",
    "health",
    "heat",
    "height",
    "income",
    "intensity",
    "lag",
    "level",
    "load",
    "loss",
    "mass",
    "moisture",
    "noise",
    "offset",
    "output",
    "peak",
    "phase",
    "position",
    "potential",
    "pressure",
    "price",
    "quality",
    "rainfall",
    "range",
    "rate",
    "ratio",
    "reading",
    "response",
    "risk",
    "score",
    "shift",
    "signal",
    "size",
    "skill",
    "slope",
    "speed",
    "state",
    "strength",
    "supply",
    "temperature",
    "time",
    "trend",
    "value",
    "volume",
    "weight",
    "width",
    "wind",
    "yield",
];

impl Kind {
    /// Names that statisticians give it.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Latent => &["mu", "theta", "beta", "alpha", "a", "b", "g", "m", "u", "eta", "gamma", "delta", "phi"],
            Self::Location => &["m", "mu", "prior_mean", "loc", "centre"],
            Self::Scale => &["sigma", "tau", "s", "sd", "scale", "noise", "omega"],
            Self::Share => &["p", "q", "share", "rho", "w"],
            Self::Choice => &["c", "z", "k", "state", "h", "d", "cause"],
            Self::Data => &["y", "z", "obs", "r", "count", "data", "v"],
            Self::Input => &["x", "w", "age", "dose", "n", "time", "covariate"],
            Self::Table => &["table", "probabilities", "cpt", "transition", "chances"],
            Self::Value => &["m", "mean", "eta", "f", "mu", "value", "pred"],
        }
    }
}

impl Style {
    pub fn draw(rng: &mut Stream) -> Self {
        match rng.random_range(0..10) {
            0..4 => Self::Usual,
            4..7 => Self::Words,
            7 => Self::Letters,
            _ => Self::Mixed,
        }
    }

    /// A name, which may be taken.
    pub fn name(self, kind: Kind, rng: &mut Stream) -> String {
        let style = if self == Self::Mixed { [Self::Usual, Self::Words][rng.random_range(0..2)] } else { self };
        let mut pick = |of: &[&str]| of[rng.random_range(0..of.len())].to_owned();
        let stem = match style {
            Self::Usual | Self::Mixed => pick(kind.usual()),
            Self::Words => pick(&WORDS),
            Self::Letters => char::from(b'a' + rng.random_range(0..26_u8)).to_string(),
        };
        if rng.random::<f64>() < 0.35 { format!("{stem}{}", rng.random_range(0..10)) } else { stem }
    }
}

/// Whether a variable may have the name: no word of the language, nor a constant or function of it.
pub(super) fn free(name: &str) -> bool {
    let is_name = matches!(&syntax::lex(FileId::default(), name).tokens[..], [(Token::Name(_), _)]);
    is_name && !["e", "pi", "inf", "nan"].contains(&name) && Builtin::lookup(name).is_none()
}

/// The names in a text.
pub(super) fn names_in(text: &str) -> Vec<String> {
    let tokens = syntax::lex(FileId::default(), text).tokens;
    tokens.into_iter().filter_map(|(t, _)| if let Token::Name(n) = t { Some(n.to_owned()) } else { None }).collect()
}
