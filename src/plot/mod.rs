//! Pictures: histograms, lines and points with error bars, heat maps, as SVG and PNG.
//!
//! Text is set in DejaVu Sans, which is built in (its licence allows that), so that a picture needs no fonts of the system;
//! in SVG it stays text. Nothing here reads or writes files: a figure is data, a picture is bytes.

mod heat_map;
mod histograms;
mod lines;
mod png;

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

pub use heat_map::HeatMap;
pub use histograms::{Histograms, Panel};
pub use lines::{Lines, Series};

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to show.
    #[error("there is nothing to draw")]
    Empty,
    /// A picture so large that it has no size in pixels.
    #[error("a picture of {width} × {height} pixels cannot be drawn")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The drawing library refused.
    #[error("the picture cannot be drawn: {reason}")]
    Drawing {
        /// What it said.
        reason: String,
    },
}

/// Something to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Distributions of numbers, one panel each.
    Histograms(Histograms),
    /// Numbers along an axis or by category, with error bars.
    Lines(Lines),
    /// Several of these beside each other.
    Row(Vec<Lines>),
    /// A matrix as colours.
    HeatMap(HeatMap),
}

/// Largest side of a picture, in pixels.
const MOST: u32 = 8_192;

/// The font of all text.
const FONT: &str = "sans-serif";

/// Sizes of titles and of other text, in pixels.
const TITLE: i32 = 20;
const TEXT: i32 = 14;

/// Colours of series, told apart by people with any colour vision (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// The colour of a series by its number.
fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

fn wrong(error: impl std::fmt::Display) -> PlotError {
    PlotError::Drawing { reason: error.to_string() }
}

/// Makes the built-in font known, once.
fn font() -> Result<(), PlotError> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let known = KNOWN.get_or_init(|| register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).is_ok());
    if *known { Ok(()) } else { Err(PlotError::Drawing { reason: "the built-in font cannot be read".into() }) }
}

impl Figure {
    /// Pixels across and down.
    ///
    /// # Errors
    /// [`PlotError::Size`] where that is more than 8,192.
    pub fn size(&self) -> Result<(u32, u32), PlotError> {
        let (width, height) = match self {
            Self::Histograms(figure) => figure.size(),
            Self::Lines(figure) => figure.size(),
            Self::Row(figures) => {
                let sizes = || figures.iter().map(Lines::size);
                let widest = sizes().map(|(width, _)| width).max().unwrap_or(0);
                let across = u32::try_from(figures.len()).unwrap_or(u32::MAX);
                (widest.saturating_mul(across), sizes().map(|(_, height)| height).max().unwrap_or(0))
            }
            Self::HeatMap(figure) => figure.size(),
        };
        if width > MOST || height > MOST { Err(PlotError::Size { width, height }) } else { Ok((width, height)) }
    }

    /// The picture as the text of an SVG file.
    ///
    /// # Errors
    /// Where there is nothing to draw, or too much.
    ///
    /// ```
    /// use unmask::plot::{Figure, HeatMap};
    /// let names = vec!["a".to_owned(), "b".to_owned()];
    /// let map = HeatMap { title: "who reads whom".into(), rows: names.clone(), columns: names, values: vec![0.9, 0.1, 0.5, 0.5] };
    /// assert!(Figure::HeatMap(map).svg()?.starts_with("<svg"));
    /// # Ok::<(), unmask::plot::PlotError>(())
    /// ```
    pub fn svg(&self) -> Result<String, PlotError> {
        let size = self.size()?;
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, size).into_drawing_area())?;
        Ok(text)
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Errors
    /// Where there is nothing to draw, or too much.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        let (width, height) = self.size()?;
        let mut pixels = vec![0; width as usize * height as usize * 3];
        self.draw(&BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area())?;
        png::encode(&pixels, width, height)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), PlotError> {
        font()?;
        area.fill(&WHITE).map_err(wrong)?;
        match self {
            Self::Histograms(figure) => figure.draw(area)?,
            Self::Lines(figure) => figure.draw(area)?,
            Self::Row(figures) => {
                for (figure, part) in figures.iter().zip(area.split_evenly((1, figures.len()))) {
                    figure.draw(&part)?;
                }
            }
            Self::HeatMap(figure) => figure.draw(area)?,
        }
        area.present().map_err(wrong)
    }
}

/// Ends of an axis that shows all finite values, with a margin; `None` where there are none.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return None;
    }
    // Less than this cannot be told apart on an axis.
    let least = (1e-9 * low.abs().max(high.abs())).max(1e-300);
    let margin = if high - low > least { 0.05 * (high - low) } else { 0.5 * low.abs().max(1.0) };
    Some((low - margin, high + margin)).filter(|(low, high)| (high - low).is_finite())
}

/// A number on an axis, short.
fn label(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e5).contains(&x.abs()) {
        let text = format!("{x:.3}");
        text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
    } else {
        let text = format!("{x:.1e}");
        text.replace(".0e", "e").replace('-', "−")
    }
}
