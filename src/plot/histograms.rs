//! Distributions of numbers, one panel beside the other, on axes of their own.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{FONT, PlotError, TEXT, TITLE, colour, ends, label, wrong};
use crate::value::weighted_quantile;

/// Bars of a panel.
const BINS: usize = 40;

/// Whole numbers that have a bar each.
const MOST_WHOLE: usize = 120;

/// The weight on either side that an axis may leave out.
const OUTSIDE: f64 = 5e-4;

/// Panels in a row.
const ACROSS: usize = 3;

/// Pixels of a panel.
const PANEL: (u32, u32) = (420, 300);

/// Numbers whose distribution is shown; those that are not finite are left out, and counted in the title.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above the panel.
    pub title: String,
    /// The numbers.
    pub values: Vec<f64>,
    /// Weights, one a number; empty where all count alike.
    pub weights: Vec<f64>,
}

/// Several panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Histograms {
    /// Above all.
    pub title: String,
    /// What the numbers are, with their unit.
    pub axis: String,
    /// The panels, three a row.
    pub panels: Vec<Panel>,
}

/// Bars of equal width, and where they are.
struct Bins {
    low: f64,
    width: f64,
    /// Shares of the total weight.
    shares: Vec<f64>,
}

impl Panel {
    /// Whole numbers, where they are few enough, have a bar each. Where weights say how little the outermost numbers count, the
    /// axis leaves these out.
    fn bins(&self) -> Option<Bins> {
        let weight = |i: usize| if self.weights.is_empty() { 1.0 } else { self.weights.get(i).copied().unwrap_or(0.0) };
        let weighted = self.values.iter().enumerate().map(|(i, value)| (*value, weight(i)));
        let mut drawn: Vec<(f64, f64)> =
            weighted.filter(|(value, weight)| value.is_finite() && *weight > 0.0).collect();
        if !self.weights.is_empty() && !drawn.is_empty() {
            let (low, high) = (weighted_quantile(&drawn, OUTSIDE), weighted_quantile(&drawn, 1.0 - OUTSIDE));
            drawn.retain(|(value, _)| (low..=high).contains(value));
        }
        let (mut low, mut high) = ends(drawn.iter().map(|(value, _)| *value))?;
        let mut count = BINS;
        if drawn.iter().all(|(value, _)| value.fract() == 0.0) {
            let least = drawn.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min);
            let most = drawn.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
            if most - least < MOST_WHOLE as f64 {
                (low, high, count) = (least - 0.5, most + 0.5, (most - least) as usize + 1);
            }
        }
        let width = (high - low) / count as f64;
        let mut shares = vec![0.0; count];
        let total: f64 = drawn.iter().map(|(_, weight)| weight).sum();
        for (value, weight) in drawn {
            shares[(((value - low) / width) as usize).min(count - 1)] += weight / total;
        }
        Some(Bins { low, width, shares })
    }
}

impl Histograms {
    pub(super) fn size(&self) -> (u32, u32) {
        let across = self.panels.len().clamp(1, ACROSS) as u32;
        let down = u32::try_from(self.panels.len().div_ceil(ACROSS).max(1)).unwrap_or(u32::MAX);
        (across * PANEL.0, down.saturating_mul(PANEL.1).saturating_add(40))
    }

    pub(super) fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), PlotError> {
        if self.panels.is_empty() {
            return Err(PlotError::Empty);
        }
        let inner = area.titled(&self.title, (FONT, TITLE)).map_err(wrong)?;
        let across = self.panels.len().min(ACROSS);
        let cells = inner.split_evenly((self.panels.len().div_ceil(ACROSS), across));
        for (i, (panel, cell)) in self.panels.iter().zip(&cells).enumerate() {
            let Some(Bins { low, width, shares }) = panel.bins() else {
                cell.titled(&format!("{}: no finite values", panel.title), (FONT, TEXT)).map_err(wrong)?;
                continue;
            };
            let left_out = panel.values.iter().filter(|v| !v.is_finite()).count();
            let title =
                if left_out > 0 { format!("{} ({left_out} left out)", panel.title) } else { panel.title.clone() };
            let high = low + width * shares.len() as f64;
            let highest = shares.iter().copied().fold(0.0, f64::max);
            let mut chart = ChartBuilder::on(cell)
                .caption(title, (FONT, TEXT))
                .margin(10)
                .x_label_area_size(40)
                .y_label_area_size(50)
                .build_cartesian_2d(low..high, 0.0..highest * 1.05)
                .map_err(wrong)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .x_labels(6)
                .y_labels(5)
                .x_desc(self.axis.as_str())
                .y_desc("share")
                .label_style((FONT, TEXT - 2))
                .x_label_formatter(&|x| label(*x))
                .y_label_formatter(&|y| label(*y))
                .draw()
                .map_err(wrong)?;
            let bars = shares.iter().enumerate().map(|(bin, share)| {
                let left = low + bin as f64 * width;
                Rectangle::new([(left, 0.0), (left + width, *share)], colour(i).filled())
            });
            chart.draw_series(bars).map_err(wrong)?;
        }
        Ok(())
    }
}
