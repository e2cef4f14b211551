//! How much is trained and measured, and the forms of network that are compared.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scale {
    /// Seconds: everything runs, the numbers mean nothing
    Smoke,
    /// An hour on two cores, with small networks
    Laptop,
    /// The paper's own settings, for a GPU
    Paper,
}

/// The numbers behind a scale.
pub(super) struct Sizes {
    /// Held-out executions of each program that are measured.
    pub cases: usize,
    /// Seeds of training over which standard errors are taken, where the paper has them.
    pub seeds: u64,
    /// Whether one network learns all programs of an experiment; otherwise each has its own.
    pub jointly: bool,
    /// Options of `unmask train`.
    train: &'static [&'static str],
    /// The form of a network that starts from nothing.
    form: &'static [&'static str],
}

impl Scale {
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Laptop => "laptop",
            Self::Paper => "paper",
        }
    }

    pub fn sizes(self) -> Sizes {
        match self {
            Self::Smoke => Sizes {
                cases: 3,
                seeds: 1,
                jointly: true,
                train: &["--steps", "3", "--batch", "4", "--heldout", "8", "--warmup", "1"],
                form: &["--width", "16", "--layers", "1"],
            },
            Self::Laptop => Sizes {
                cases: 100,
                seeds: 3,
                jointly: true,
                train: &["--steps", "800", "--batch", "16", "--heldout", "128", "--warmup", "80", "--lr", "0.002"],
                form: &["--width", "64", "--layers", "3"],
            },
            Self::Paper => Sizes {
                cases: 1_000,
                seeds: 3,
                jointly: false,
                train: &["--examples", "10000", "--epochs", "300", "--heldout", "1000", "--batch", "16"],
                form: &[],
            },
        }
    }
}

/// A network that is compared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours: lexemes, exact numbers, mixtures relative to anchors of a kind.
    Ours { anchors: &'static str },
    /// The paper's: plain text, and a head that says numbers in its way; with or without the language loss.
    Paper { head: &'static str, language: bool },
    /// The paper's, from weights of RoBERTa or CodeBERT.
    From(PathBuf),
}

impl Form {
    /// For files.
    pub fn key(&self) -> String {
        match self {
            Self::Ours { anchors } => format!("ours-{anchors}"),
            Self::Paper { head, language: true } => format!("paper-{head}"),
            Self::Paper { head, language: false } => format!("paper-{head}-no-mlm"),
            Self::From(folder) => format!("paper-from-{}", folder_name(folder)),
        }
    }

    /// For people.
    pub fn label(&self) -> String {
        match self {
            Self::Ours { anchors: "laplace" } => "ours".to_owned(),
            Self::Ours { anchors } => format!("ours, anchors {anchors}"),
            Self::Paper { head: "gaussian", language: true } => "the paper's form, from scratch".to_owned(),
            Self::Paper { head, language: true } => format!("the paper's form, head {head}"),
            Self::Paper { language: false, .. } => "the paper's form, without the language loss".to_owned(),
            Self::From(folder) => format!("the paper's form, from {}", folder_name(folder)),
        }
    }

    /// Options of `unmask train`.
    pub fn options(&self, scale: Scale) -> Vec<String> {
        let Sizes { train, form, .. } = scale.sizes();
        let words = |lists: &[&[&str]]| -> Vec<String> { lists.concat().into_iter().map(str::to_owned).collect() };
        let is_paper = scale == Scale::Paper;
        let mut options = match self {
            Self::Ours { anchors } => words(&[train, form, &["--anchors", anchors]]),
            Self::Paper { head, .. } if is_paper => words(&[&["--preset", "paper", "--anchors", head]]),
            Self::Paper { head, .. } => {
                let own = ["--encoding", "text", "--anchors", head, "--alpha", "0.1", "--context", "512"];
                words(&[train, form, &own])
            }
            Self::From(folder) => {
                let from = folder.display().to_string();
                words(&[if is_paper { &[] } else { train }, &["--preset", "paper", "--init-encoder", &from]])
            }
        };
        if matches!(self, Self::Paper { language: false, .. }) {
            options.push("--no-mlm".to_owned());
        }
        options
    }
}

/// The last part of a path, in letters, digits and dashes.
fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
