//! Numbers along an axis, or by category, with error bars and a legend.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{FONT, PlotError, TEXT, TITLE, colour, ends, label, wrong};

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Place, value and standard error; the error may be zero.
    pub points: Vec<(f64, f64, f64)>,
    /// Whether a line joins them.
    pub joined: bool,
}

/// Several series on the same axes. Points that are not finite are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// Above the picture.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// Beside the vertical axis.
    pub y: String,
    /// Names of the places 0, 1, … where these are categories; empty where they are numbers.
    pub categories: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
}

/// Pixels of the part that shows points, and of a series' name.
const HEIGHT: u32 = 380;
const NAME: u32 = 22;

impl Lines {
    pub(super) fn size(&self) -> (u32, u32) {
        (u32::try_from(self.categories.len()).unwrap_or(u32::MAX).saturating_mul(120).max(760), HEIGHT + 100)
    }

    pub(super) fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), PlotError> {
        let all = || self.series.iter().flat_map(|s| &s.points).filter(|(x, y, e)| (x + y + e).is_finite());
        let (left, right) = if self.categories.is_empty() {
            ends(all().map(|(x, ..)| *x)).ok_or(PlotError::Empty)?
        } else {
            (-0.5, self.categories.len() as f64 - 0.5)
        };
        let (low, high) = ends(all().flat_map(|(_, y, e)| [y - e, y + e])).ok_or(PlotError::Empty)?;
        // Room for the names of the series above all points.
        let names = (f64::from(NAME) * (self.series.len() as f64 + 0.5) / f64::from(HEIGHT)).min(0.5);
        let high = high + (high - low) * names / (1.0 - names);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, TITLE))
            .margin(12)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d(left..right, low..high)
            .map_err(wrong)?;
        let name = |x: &f64| {
            let place = x.round();
            let near = (x - place).abs() < 1e-6 && place >= 0.0;
            self.categories.get(place as usize).filter(|_| near).cloned().unwrap_or_default()
        };
        // Rounding leaves what is no zero next to nothing beside the axis.
        let number = |x: &f64| label(if x.abs() < 1e-9 * (high - low).max(right - left) { 0.0 } else { *x });
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x.as_str()).y_desc(self.y.as_str()).label_style((FONT, TEXT - 1));
        mesh.y_label_formatter(&number).light_line_style(TRANSPARENT);
        if self.categories.is_empty() {
            mesh.x_label_formatter(&number);
        } else {
            mesh.disable_x_mesh().x_labels(2 * self.categories.len() + 1).x_label_formatter(&name);
        }
        mesh.draw().map_err(wrong)?;
        // Points of several series at one place stand beside each other.
        let count = self.series.len().max(1) as f64;
        for (i, series) in self.series.iter().enumerate() {
            let shift = if self.categories.is_empty() { 0.0 } else { (i as f64 + 0.5) / count * 0.5 - 0.25 };
            let points: Vec<(f64, f64, f64)> = series
                .points
                .iter()
                .filter(|(x, y, e)| (x + y + e).is_finite())
                .map(|(x, y, e)| (x + shift, *y, *e))
                .collect();
            let own = colour(i);
            if series.joined {
                let line = points.iter().map(|(x, y, _)| (*x, *y));
                chart.draw_series(LineSeries::new(line, own.stroke_width(2))).map_err(wrong)?;
            }
            let bars = points.iter().filter(|(.., e)| *e > 0.0);
            let bars = bars.map(|(x, y, e)| ErrorBar::new_vertical(*x, y - e, *y, y + e, own.filled(), 8));
            chart.draw_series(bars).map_err(wrong)?;
            let dots = points.iter().map(|(x, y, _)| Circle::new((*x, *y), 4, own.filled()));
            chart
                .draw_series(dots)
                .map_err(wrong)?
                .label(&series.name)
                .legend(move |(x, y)| Circle::new((x + 10, y), 4, own.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FONT, TEXT))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(wrong)
    }
}
