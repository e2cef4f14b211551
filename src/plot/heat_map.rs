//! A matrix as colours, rows and columns named.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{FONT, PlotError, TEXT, TITLE, label, wrong};

/// A matrix of numbers from zero up; darker is more.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Above the picture.
    pub title: String,
    /// Names of the rows, from the top.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Row by row, `[rows, columns]`.
    pub values: Vec<f64>,
}

/// Pixels of a name's letter, of the space above, and of a cell at most and at least.
const LETTER: u32 = 8;
const TOP: u32 = 40;
const CELL: (u32, u32) = (12, 34);

/// Letters of a name that are shown.
const LETTERS: usize = 28;

fn shown(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

impl HeatMap {
    fn margin(names: &[String]) -> u32 {
        names.iter().map(|n| shown(n).chars().count()).max().unwrap_or(0) as u32 * LETTER + 16
    }

    fn cell(&self) -> u32 {
        let most = self.rows.len().max(self.columns.len()).max(1) as u32;
        (900 / most).clamp(CELL.0, CELL.1)
    }

    pub(super) fn size(&self) -> (u32, u32) {
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_mul(self.cell());
        let width = Self::margin(&self.rows).saturating_add(side(self.columns.len())).saturating_add(90);
        let height = TOP + Self::margin(&self.columns).saturating_add(side(self.rows.len())).saturating_add(16);
        (width.max(420), height)
    }

    pub(super) fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), PlotError> {
        let (m, n) = (self.rows.len(), self.columns.len());
        if m == 0 || n == 0 || self.values.len() != m * n {
            return Err(PlotError::Empty);
        }
        let cell = self.cell() as i32;
        let (left, top) = (Self::margin(&self.rows) as i32, (TOP + Self::margin(&self.columns)) as i32);
        let most = self.values.iter().copied().filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        let text = |anchor: Pos, size: i32| (FONT, size).into_font().color(&BLACK).pos(anchor);
        let put = |words: String, at: (i32, i32), style: TextStyle<'_>| {
            area.draw(&Text::new(words, at, style)).map_err(wrong)
        };
        put(self.title.clone(), (10, 10), text(Pos::new(HPos::Left, VPos::Top), TITLE))?;
        let size = TEXT.min(cell.max(10)) - 2;
        for (i, name) in self.rows.iter().enumerate() {
            let at = (left - 6, top + i as i32 * cell + cell / 2);
            put(shown(name), at, text(Pos::new(HPos::Right, VPos::Center), size))?;
        }
        for (j, name) in self.columns.iter().enumerate() {
            let at = (left + j as i32 * cell + cell / 2 - size / 2, top - 6);
            let upwards = (FONT, size).into_font().transform(FontTransform::Rotate270).color(&BLACK);
            put(shown(name), at, upwards.pos(Pos::new(HPos::Left, VPos::Top)))?;
        }
        let square = |x: i32, y: i32, w: i32, h: i32, share: f64| {
            Rectangle::new([(x, y), (x + w, y + h)], shade(share).filled())
        };
        for (k, value) in self.values.iter().enumerate() {
            let (i, j) = ((k / n) as i32, (k % n) as i32);
            area.draw(&square(left + j * cell, top + i * cell, cell, cell, value / most)).map_err(wrong)?;
        }
        // The scale, darkest at the top.
        let (x, steps) = (left + n as i32 * cell + 14, 24);
        let high = (m as i32 * cell).clamp(steps, 160);
        for step in 0..steps {
            let share = 1.0 - f64::from(step) / f64::from(steps - 1);
            area.draw(&square(x, top + step * high / steps, 12, high / steps + 1, share)).map_err(wrong)?;
        }
        let beside = || text(Pos::new(HPos::Left, VPos::Center), TEXT - 3);
        put(label(most), (x + 16, top + 4), beside())?;
        put("0".to_owned(), (x + 16, top + high - 4), beside())
    }
}

/// White to dark blue.
fn shade(share: f64) -> RGBColor {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(255.0, 8.0), mix(255.0, 48.0), mix(255.0, 107.0))
}
