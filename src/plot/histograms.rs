//! Distributions of numbers, one panel beside the other, on axes of their own.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{FONT, PlotError, TEXT, TITLE, colour, ends, label, wrong};

/// Bars of a panel.
const BINS: usize = 40;

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

impl Panel {
    /// Shares of the total weight in bins of equal width, with the ends of the axis.
    fn bins(&self) -> Option<((f64, f64), Vec<f64>)> {
        let (low, high) = ends(self.values.iter().copied())?;
        let mut bins = vec![0.0; BINS];
        let mut total = 0.0;
        for (i, value) in self.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let weight = if self.weights.is_empty() { 1.0 } else { self.weights.get(i).copied().unwrap_or(0.0) };
            let at = ((value - low) / (high - low) * BINS as f64) as usize;
            bins[at.min(BINS - 1)] += weight;
            total += weight;
        }
        bins.iter_mut().for_each(|b| *b /= total);
        Some(((low, high), bins)).filter(|_| total > 0.0)
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
            let Some(((low, high), bins)) = panel.bins() else {
                cell.titled(&format!("{}: no finite values", panel.title), (FONT, TEXT)).map_err(wrong)?;
                continue;
            };
            let left_out = panel.values.iter().filter(|v| !v.is_finite()).count();
            let title =
                if left_out > 0 { format!("{} ({left_out} left out)", panel.title) } else { panel.title.clone() };
            let highest = bins.iter().copied().fold(0.0, f64::max);
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
            let width = (high - low) / BINS as f64;
            let bars = bins.iter().enumerate().map(|(bin, share)| {
                let left = low + bin as f64 * width;
                Rectangle::new([(left, 0.0), (left + width, *share)], colour(i).filled())
            });
            chart.draw_series(bars).map_err(wrong)?;
        }
        Ok(())
    }
}
